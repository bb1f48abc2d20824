//! Pages of metrics in the text format of Prometheus and `OpenMetrics`, read for a few numbers.
//!
//! A [`Selector`] names a metric and the labels it must have; a [`Gather`] puts the values of all series it selects
//! together. A page is read once for all of them, line by line, without a copy.
//!
//! What it deliberately does not do: types, units, histograms. A line of another metric is only as correct as it must be
//! to tell where its name ends.

/// What to look for: `name` or `name{label="value"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    name: String,
    labels: Vec<(String, String)>,
}

impl Selector {
    /// Reads a selector; labels are equal to texts, nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = split_name(text.trim())?;
        let labels = match rest.trim() {
            "" => Vec::new(),
            braced => {
                let mut labels = Vec::new();
                let rest = each_label(braced.strip_prefix('{')?, &mut |key, value| {
                    labels.push((key.to_owned(), unescaped(value)));
                })?;
                rest.trim().is_empty().then_some(labels)?
            }
        };
        Some(Self { name: name.to_owned(), labels })
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// How values of several series become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// All together: requests over several models.
    #[default]
    Sum,
    /// The largest: the busiest of several processors.
    Max,
    /// The mean: how busy several processors are.
    Mean,
}

/// What was found of one selector.
#[derive(Clone, Debug)]
pub struct Gather<'s> {
    selector: &'s Selector,
    sum: f64,
    max: f64,
    count: u32,
    is_nan: bool,
}

impl<'s> Gather<'s> {
    /// Nothing yet.
    pub fn new(selector: &'s Selector) -> Self {
        Self { selector, sum: 0.0, max: f64::NEG_INFINITY, count: 0, is_nan: false }
    }

    /// The value of all series; `None` when there was none. A series that is not a number is left out, unless all are.
    pub fn value(&self, over: Over) -> Option<f64> {
        match (over, self.count) {
            (_, 0) => self.is_nan.then_some(f64::NAN),
            (Over::Sum, _) => Some(self.sum),
            (Over::Max, _) => Some(self.max),
            (Over::Mean, count) => Some(self.sum / f64::from(count)),
        }
    }

    fn add(&mut self, value: f64) {
        if value.is_nan() {
            self.is_nan = true;
            return;
        }
        self.sum += value;
        self.max = self.max.max(value);
        self.count += 1;
    }
}

/// Reads a page for all that is `wanted`, and returns how many lines had a sample. A page that is none, such as HTML or an
/// error in words, is `Err` with the number of the first line that cannot be read.
pub fn read(page: &str, wanted: &mut [Gather<'_>]) -> Result<usize, usize> {
    let mut samples = 0;
    for (number, line) in (1_usize..).zip(page.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        sample(line, wanted).ok_or(number)?;
        samples += 1;
    }
    Ok(samples)
}

fn sample(line: &str, wanted: &mut [Gather<'_>]) -> Option<()> {
    let (name, rest) = split_name(line)?;
    let is_wanted = wanted.iter().any(|gather| gather.selector.name == name);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => (inner, each_label(inner, &mut |_, _| {})?),
        None => ("", rest),
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    if is_wanted {
        let named = wanted.iter_mut().filter(|gather| gather.selector.name == name);
        named.filter(|gather| has_all(labels, &gather.selector.labels)).for_each(|gather| gather.add(value));
    }
    Some(())
}

/// True when a list of labels has all that are asked for.
fn has_all(labels: &str, asked: &[(String, String)]) -> bool {
    asked.iter().all(|(key, value)| {
        let mut is_found = false;
        let read = each_label(labels, &mut |given, text| {
            is_found |= given == key && (text == value || (text.contains('\\') && unescaped(text) == *value));
        });
        is_found && read.is_some()
    })
}

/// The name of a metric and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let starts = text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
    let (name, rest) = text.split_at(end);
    (starts && (rest.is_empty() || rest.starts_with(['{', ' ', '\t']))).then_some((name, rest))
}

/// Tells each label behind an opening brace, with its value as it is written, and returns what follows the closing one.
fn each_label<'t>(mut rest: &'t str, tell: &mut dyn FnMut(&'t str, &'t str)) -> Option<&'t str> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (key, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let end = closing_quote(quoted)?;
        tell(key.trim(), &quoted[..end]);
        rest = quoted[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP vllm:num_requests_waiting Waiting.\n\
        # TYPE vllm:num_requests_waiting gauge\n\
        vllm:num_requests_waiting{engine=\"0\",model_name=\"a\"} 3.0\n\
        vllm:num_requests_waiting{engine=\"1\",model_name=\"b, \\\"}\"} 5 1700000000000\n\
        up 1\n\n\
        t_bucket{le=\"+Inf\"} 17 # {trace_id=\"x\"} 0.67 1520879607.789\n\
        busy{gpu=\"0\"} NaN\n\
        busy{gpu=\"1\", } 40\n\
        idle NaN\n\
        # EOF\n";

    fn value(selector: &str, over: Over) -> Option<f64> {
        let selector = Selector::parse(selector).unwrap();
        let mut wanted = [Gather::new(&selector)];
        assert_eq!(read(PAGE, &mut wanted), Ok(7));
        wanted[0].value(over)
    }

    #[test]
    fn series_are_selected_by_labels_and_put_together() {
        let waiting = "vllm:num_requests_waiting";
        assert_eq!(value(waiting, Over::Sum), Some(8.0));
        assert_eq!(value(waiting, Over::Max), Some(5.0));
        assert_eq!(value(waiting, Over::Mean), Some(4.0));
        assert_eq!(value("vllm:num_requests_waiting{engine=\"0\"}", Over::Sum), Some(3.0));
        assert_eq!(value("vllm:num_requests_waiting{ model_name = \"b, \\\"}\" }", Over::Sum), Some(5.0));
        assert_eq!(value("vllm:num_requests_waiting{engine=\"7\"}", Over::Sum), None);
        assert_eq!(value("t_bucket", Over::Sum), Some(17.0));
        assert_eq!(value("u", Over::Sum), None);
    }

    #[test]
    fn what_is_no_number_counts_only_when_all_are_none() {
        assert_eq!(value("busy", Over::Mean), Some(40.0));
        assert!(value("idle", Over::Sum).unwrap().is_nan());
    }

    #[test]
    fn pages_that_are_none_say_where() {
        for (page, line) in [
            ("<html>\n", 1),
            ("a 1\nService Unavailable\n", 2),
            ("a{b=\"c\" 1", 1),
            ("a{b=c} 1", 1),
            ("1a 1", 1),
            ("a\n", 1),
            ("a one\n", 1),
        ] {
            assert_eq!(read(page, &mut []), Err(line), "{page}");
        }
        assert_eq!(read("", &mut []), Ok(0));
    }

    #[test]
    fn selectors_are_names_and_equal_labels() {
        for wrong in ["", "1x", "a b", "a{", "a{b}", "a{b=\"c\"}x", "sum(a)", "a{b=~\"c\"}"] {
            let read = Selector::parse(wrong);
            assert!(read.is_none(), "{wrong}: {read:?}");
        }
    }
}

//! The report for a terminal: the verdict first, then what people ask next.

use std::fmt::Write as _;

use super::{Latency, MEANINGS, Report, Word, number, percent, time, visible};

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colours may be used; none carries a meaning alone.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

pub(crate) const GREEN: &str = "32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const RED: &str = "31;1";
pub(crate) const BOLD: &str = "1";
pub(crate) const DIM: &str = "2";

/// Shares at which the little plot of percentiles stands.
const PLOTTED: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.99];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Widest line of the plots over time.
const WIDEST: usize = 100;

impl Report {
    /// The report as text.
    pub fn terminal(&self, look: Look) -> String {
        let mut text = String::new();
        self.above(&mut text, look);
        if let Some(comparison) = &self.comparison {
            let _ = write!(text, "\n{}", comparison.terminal(look));
        }
        self.about(&mut text, look);
        self.table(&mut text, look);
        self.plots(&mut text, look);
        self.answers(&mut text, look);
        self.split(&mut text);
        self.events(&mut text);
        self.rest(&mut text, look);
        text
    }

    fn above(&self, text: &mut String, look: Look) {
        let color = match self.verdict.word {
            Word::Valid => GREEN,
            Word::TargetBound => YELLOW,
            Word::GeneratorBound => RED,
        };
        let line = wrap(&self.verdict_line(), look.width).join("\n  ");
        let (word, rest) = line.split_at(self.verdict.word.shout().len());
        let _ = writeln!(text, "{}{rest}", paint(word, color, look));
        for reason in &self.verdict.reasons {
            for line in wrap(reason, look.width.saturating_sub(2)) {
                let _ = writeln!(text, "  {line}");
            }
        }
        if let Some(why) = &self.ended_early {
            let _ = writeln!(text, "  {}: {why}", paint("PARTIAL", YELLOW, look));
        }
        for gate in &self.gates {
            let (word, color) = match gate.holds {
                Some(true) => ("holds  ", GREEN),
                Some(false) => ("FAILS  ", RED),
                None => ("no data", YELLOW),
            };
            let _ = writeln!(text, "  {}  {}  (is {})", paint(word, color, look), gate.condition, gate.value);
        }
        for line in self.peak.iter().flat_map(|peak| wrap(&peak.to_string(), look.width.saturating_sub(2))) {
            let _ = writeln!(text, "  {line}");
        }
    }

    fn about(&self, text: &mut String, look: Look) {
        let asked = &self.asked;
        let profile =
            if asked.profile.is_empty() { String::new() } else { format!(", {}", visible(&asked.profile)) };
        let how = format!(
            "{} loop{profile}, {} s, {}, at most {} connections",
            asked.model,
            number(self.duration_s),
            asked.protocol,
            asked.connections
        );
        let url = visible(&asked.url);
        let fits = url.chars().count() + 2 + how.chars().count() <= look.width;
        let gap = if fits { "  " } else { "\n  " };
        let _ = writeln!(text, "\n{}{gap}{how}", paint(&url, BOLD, look));
        if let Some(input) = &asked.input {
            let _ = writeln!(text, "requests of {}", input.in_words());
        }
    }

    fn table(&self, text: &mut String, look: Look) {
        let heads: Vec<&str> = self.response.columns().iter().map(|(name, _)| *name).collect();
        let _ = write!(text, "\n{:<15}", "");
        for head in heads.iter().filter(|head| look.width >= 90 || **head != "p99.99") {
            let _ = write!(text, "{head:>9}");
        }
        text.push('\n');
        let mut rows = vec![("response time", &self.response), ("service time", &self.service)];
        rows.extend(self.lag.as_ref().map(|lag| ("send lag", lag)));
        for (name, latency) in rows {
            row(text, name, latency, look);
        }
        let classes = self.classes();
        if classes.len() > 1 {
            for (class, latency) in &classes {
                row(text, &format!("  {class}xx"), latency, look);
            }
        }
        for (name, meaning) in MEANINGS.iter().filter(|(name, _)| self.lag.is_some() || *name != "Send lag") {
            for (at, line) in
                wrap(meaning, look.width.clamp(40, WIDEST).saturating_sub(15)).iter().enumerate()
            {
                let label = if at == 0 { *name } else { "" };
                let _ = writeln!(text, "{}", paint(&format!("{label:<15}{line}"), DIM, look));
            }
        }
    }

    fn plots(&self, text: &mut String, look: Look) {
        let values: Vec<Option<f64>> = PLOTTED
            .iter()
            .map(|p| self.response.hist.percentile_ms(*p).filter(|_| self.response.count > 0))
            .collect();
        if self.response.count > 1 {
            let bars: String = levels(&values, true).chars().flat_map(|c| [c, c, c]).collect();
            let _ = writeln!(
                text,
                "\nresponse time by percentile, logarithmic\n  {bars}\n  p0        p50        p90   p99   p99.99"
            );
        }
        let steps = self.whole_steps();
        if steps.len() > 1 {
            let width = look.width.clamp(20, WIDEST).saturating_sub(14);
            let rate: Vec<Option<f64>> =
                steps.iter().map(|s| Some(s.achieved as f64 / self.step_s)).collect();
            let p99: Vec<Option<f64>> = steps.iter().map(|s| s.response.percentile_ms(99.0)).collect();
            let most = |values: &[Option<f64>]| values.iter().flatten().copied().fold(0.0, f64::max);
            let _ = writeln!(
                text,
                "\nachieved   {}  up to {}/s",
                levels(&fit(&rate, width), false),
                number(most(&rate))
            );
            let _ = writeln!(
                text,
                "p99        {}  up to {}",
                levels(&fit(&p99, width), false),
                time(Some(most(&p99)))
            );
        }
    }

    fn answers(&self, text: &mut String, look: Look) {
        text.push('\n');
        for status in &self.statuses {
            let tone = if status.status >= 500 { RED } else { BOLD };
            let code = paint(&status.status.to_string(), tone, look);
            let latency = &status.response;
            let share = latency.count as f64 / self.achieved.max(1) as f64;
            let _ = writeln!(
                text,
                "{code}  {:>9}  {:>7}  p50 {}  p99 {}",
                latency.count,
                percent(share),
                time(latency.p50_ms),
                time(latency.p99_ms)
            );
        }
        for failure in &self.failures {
            let kind = paint(&failure.kind, RED, look);
            let _ = writeln!(text, "{kind}  {}  {}", failure.count, failure.first);
        }
    }

    fn split(&self, text: &mut String) {
        if self.backends.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\n{:<20}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "means by backend", "answers", "send lag", "queue", "retries", "backend", "p99"
        );
        for one in &self.backends {
            let _ = writeln!(
                text,
                "{:<20}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}",
                one.name,
                one.count,
                time(Some(one.lag_ms)),
                time(Some(one.queue_ms)),
                time(Some(one.retries_ms)),
                time(Some(one.backend_ms)),
                time(one.p99_ms)
            );
        }
    }

    fn events(&self, text: &mut String) {
        const MOST: usize = 12;
        if self.marks.is_empty() {
            return;
        }
        text.push_str("\nmeanwhile at the proxy\n");
        for mark in self.marks.iter().take(MOST) {
            let until = mark.until_s.map_or_else(String::new, |until| format!(" to {until:.1} s"));
            // What others wrote, such as the reason of a fault, is not obeyed by the terminal.
            let (kind, what) = (visible(&mark.kind), visible(&mark.what));
            let _ = writeln!(text, "  {:>6.1} s{until}  {kind}: {what}", mark.at_s);
        }
        if self.marks.len() > MOST {
            let _ = writeln!(text, "  and {} more, in the other formats", self.marks.len() - MOST);
        }
    }

    fn rest(&self, text: &mut String, look: Look) {
        if !self.overhead.is_empty() {
            text.push('\n');
        }
        for added in &self.overhead {
            let [low, high] = added.interval_ms;
            let _ = writeln!(
                text,
                "the proxy adds {} at p{} ({} direct, {} through it; 95 % interval {} to {})",
                time(Some(added.added_ms)),
                added.percentile,
                time(Some(added.direct_ms)),
                time(Some(added.through_ms)),
                time(Some(low)),
                time(Some(high))
            );
        }
        if let Some(caution) = self.several_backends() {
            let _ = writeln!(text, "  {caution}");
        }
        for generator in &self.generators {
            let busy = generator.busy.map_or_else(String::new, |busy| format!(", {} busy", percent(busy)));
            let cost = generator
                .cpu_us_per_request
                .map_or_else(String::new, |us| format!(", {} µs of CPU a request", number(us)));
            let threads = generator.threads;
            let _ = writeln!(
                text,
                "\n{}",
                paint(&format!("generator: {threads} threads{busy}{cost}"), DIM, look)
            );
        }
        let _ = writeln!(text, "{}", paint(&format!("again: {}", visible(&self.asked.command)), DIM, look));
    }
}

fn row(text: &mut String, name: &str, latency: &Latency, look: Look) {
    let _ = write!(text, "{name:<15}");
    for (_, value) in latency.columns().iter().filter(|(head, _)| look.width >= 90 || *head != "p99.99") {
        let _ = write!(text, "{:>9}", time(*value));
    }
    text.push('\n');
}

/// One block for each value, between nothing and the greatest.
fn levels(values: &[Option<f64>], logarithmic: bool) -> String {
    let scaled: Vec<Option<f64>> = values
        .iter()
        .map(|value| value.map(|value| if logarithmic { value.max(1e-3).log10() } else { value }))
        .collect();
    let known = || scaled.iter().flatten().copied();
    let top = known().fold(f64::NEG_INFINITY, f64::max);
    let low = if logarithmic { known().fold(f64::INFINITY, f64::min) } else { 0.0 };
    let span = (top - low).max(1e-9);
    let level = |value: f64| LEVELS[(((value - low) / span * 7.0).round().clamp(0.0, 7.0)) as usize];
    scaled.iter().map(|value| value.map_or(' ', level)).collect()
}

/// At most `width` values: the greatest of each group.
fn fit(values: &[Option<f64>], width: usize) -> Vec<Option<f64>> {
    let group = values.len().div_ceil(width.max(1)).max(1);
    values.chunks(group).map(|chunk| chunk.iter().flatten().copied().reduce(f64::max)).collect()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(crate) fn paint(text: &str, code: &str, look: Look) -> String {
    if look.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn nothing_that_others_wrote_is_obeyed_by_the_terminal() {
        let mut report = sample::report(1, 1.0);
        report.marks[0].what = "latency: \u{1b}[2Jdrill".to_owned();
        report.asked.command = "ayactl \u{7}".to_owned();
        let text = report.terminal(Look { color: false, width: 80 });
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
        assert!(text.contains("\\u{1b}[2Jdrill"), "{text}");
    }
}

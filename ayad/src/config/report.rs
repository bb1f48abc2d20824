//! Problems: what is wrong, where, and what to do about it.
//!
//! One list, three forms: with source lines and carets for people at a terminal, one line each for logs
//! and the control API, JSON for editors and pipelines. Nothing here decides what a problem is.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use serde_json::{Value, json};

use super::source::Source;

/// Bytes of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

impl Place {
    /// `file:line`, for people.
    pub fn line(&self) -> String {
        self.source.line_name(self.span.start)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    message: String,
    help: Option<String>,
    other: Option<(Place, String)>,
}

impl Problem {
    /// States what is wrong at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: printable(message.into()), help: None, other: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(printable(help.into()));
        self
    }

    /// Adds a second place that explains the first.
    #[must_use]
    pub fn other(mut self, place: Place, label: impl Into<String>) -> Self {
        self.other = Some((place, label.into()));
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where and what, with the remedy, on one line.
    pub fn one_line(&self) -> String {
        OneLine(self).to_string()
    }

    /// Where it is wrong.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The second place, when it is in the same text and can be drawn beside the first.
    fn neighbour(&self) -> Option<&(Place, String)> {
        self.other.as_ref().filter(|(place, _)| place.source == self.place.source)
    }

    /// The remedy, with the second place where there is one.
    fn advice(&self) -> Option<String> {
        let other = self.other.as_ref().map(|(place, label)| format!("{label} at {}", place.line()));
        let parts: Vec<_> = other.into_iter().chain(self.help.clone()).collect();
        if parts.is_empty() { None } else { Some(parts.join("; ")) }
    }

    fn to_json(&self) -> Value {
        let (line, column) = self.place.source.position(self.place.span.start);
        json!({
            "file": self.place.source.name, "line": line, "column": column,
            "message": self.message, "help": self.advice(),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.source.text.is_empty() {
            write!(f, "{}: ", self.place.source.name)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let advice = if self.neighbour().is_some() { self.help.clone() } else { self.advice() };
        advice.map(|advice| Box::new(advice) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source: &Source = &self.place.source;
        if source.text.is_empty() { None } else { Some(source) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let neighbour = self.neighbour();
        let label = neighbour.map(|_| "here".to_owned());
        let here = LabeledSpan::new_primary_with_span(label, self.place.span.clone());
        let other = neighbour
            .map(|(place, label)| LabeledSpan::new_with_span(Some(label.clone()), place.span.clone()));
        Some(Box::new(std::iter::once(here).chain(other)))
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.shown().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            read.data(),
            *read.span(),
            read.line(),
            read.column(),
            read.line_count(),
        )))
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    subject: String,
    list: Vec<Problem>,
}

impl Problems {
    /// Most problems that are shown to people: drawing one reads the file, and nobody mends a thousand at once.
    pub const SHOWN: usize = 50;

    /// Puts the problems of a file or command line, at least one, in the order of its lines.
    pub fn of(subject: impl Into<String>, mut list: Vec<Problem>) -> Self {
        let subject = subject.into();
        // Included files come after the file that was asked for, whatever they are called.
        list.sort_by(|a, b| {
            let key = |p: &Problem| (p.place.source.name != subject, p.place.source.name.clone());
            key(a).cmp(&key(b)).then(a.place.span.start.cmp(&b.place.span.start))
        });
        list.dedup();
        Self { subject, list }
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a list of problems without problems cannot exist")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The problems, in the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// All problems with source lines and carets, and their number last. `width` is in columns. Without
    /// colour it is plain ASCII, fit for logs and mail.
    pub fn render(&self, color: bool, width: usize) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width.max(40))
            .with_links(false)
            .with_context_lines(1);
        let mut text = String::new();
        for problem in self.list.iter().take(Self::SHOWN) {
            if handler.render_report(&mut text, problem).is_err() {
                // A span that cannot be drawn must not hide what is wrong.
                text.push_str(&OneLine(problem).to_string());
            }
            text.push('\n');
        }
        if let Some(more) = self.more() {
            text.push_str(&more);
            text.push('\n');
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn more(&self) -> Option<String> {
        let more = self.list.len().checked_sub(Self::SHOWN).filter(|more| *more > 0)?;
        Some(format!("and {more} more, which are told once these are mended"))
    }

    /// `2 problems in ayad.toml; nothing was changed`.
    pub fn summary(&self) -> String {
        let noun = if self.list.len() == 1 { "problem" } else { "problems" };
        format!("{} {noun} in {}; nothing was changed", self.list.len(), self.subject)
    }

    /// The answer of `ayad check --format json`.
    pub fn to_json(&self) -> Value {
        let list: Vec<_> = self.list.iter().map(Problem::to_json).collect();
        json!({ "valid": false, "file": self.subject, "problems": list })
    }
}

/// Escapes control characters: what a file says goes to terminals and logs, and must not command them.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut safe = String::new();
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// Shows one problem as `file:line:col: message (help)`.
struct OneLine<'a>(&'a Problem);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { source, span } = &self.0.place;
        if source.text.is_empty() {
            write!(f, "{}", self.0)?;
        } else {
            let (line, column) = source.position(span.start);
            write!(f, "{}:{line}:{column}: {}", source.name, self.0.message)?;
        }
        self.0.advice().map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.list.iter().take(Self::SHOWN) {
            writeln!(f, "{}", OneLine(problem))?;
        }
        if let Some(more) = self.more() {
            writeln!(f, "{more}")?;
        }
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> Problems {
        let source = Arc::new(Source::new("a.toml", "aya = 1\nlisten = 5\n"));
        let problem = Problem::new(Place { source, span: 17..18 }, "expected an address").help("write one");
        Problems::of("a.toml", vec![problem.clone(), problem])
    }

    #[test]
    fn one_line_names_file_line_and_column() {
        assert_eq!(
            problems().to_string(),
            "a.toml:2:10: expected an address (write one)\n1 problem in a.toml; nothing was changed"
        );
    }

    #[test]
    fn thousands_of_problems_are_told_in_portions() {
        let source = Arc::new(Source::new("a.toml", "x"));
        let problem =
            |n| Problem::new(Place { source: Arc::clone(&source), span: 0..1 }, format!("wrong {n}"));
        let problems = Problems::of("a.toml", (0..8_000).map(problem).collect());

        for text in [problems.to_string(), problems.render(false, 80)] {
            assert!(text.contains("wrong 49") && !text.contains("wrong 50"), "{text}");
            assert!(text.contains("and 7950 more") && text.contains("8000 problems in a.toml"), "{text}");
        }
    }

    #[test]
    fn what_a_file_says_cannot_command_a_terminal() {
        let place = Place { source: Arc::new(Source::new("a.toml", "x")), span: 0..1 };
        let problem = Problem::new(place, "unknown key \"\u{1b}[2J\n\"").help("née\r");

        assert_eq!(problem.message(), "unknown key \"\\u{1b}[2J\\n\"");
        assert_eq!(problem.help.as_deref(), Some("née\\r"));
    }

    #[test]
    fn without_colour_the_report_is_plain_ascii_with_a_caret() {
        let text = problems().render(false, 80);

        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("listen = 5") && text.contains('^'), "{text}");
        assert!(text.ends_with("1 problem in a.toml; nothing was changed\n"));
    }

    #[test]
    fn with_colour_the_report_has_escapes() {
        assert!(problems().render(true, 80).contains('\u{1b}'));
    }

    #[test]
    fn a_file_that_could_not_be_read_has_no_line() {
        let place = Place { source: Arc::new(Source::new("gone.toml", "")), span: 0..0 };
        let problems = Problems::of("gone.toml", vec![Problem::new(place, "cannot be read")]);

        assert!(problems.to_string().starts_with("gone.toml: cannot be read\n"));
        assert!(problems.render(false, 80).contains("cannot be read"));
    }
}

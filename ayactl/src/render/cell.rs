//! One value of a table, in the spellings people, CSV and sorting need.

use std::cmp::Ordering;

use crate::time;

/// What is shown for a value that is not known.
pub const UNKNOWN: &str = "–";

/// How much attention a value asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// None.
    Plain,
    /// All is well, and that is worth seeing.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
    /// Less important than the rest.
    Dim,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// For people.
    pub shown: String,
    /// For CSV: no units, no ages, empty when unknown.
    pub raw: String,
    /// For sorting, when it is a number.
    pub number: Option<f64>,
    /// For colour.
    pub tone: Tone,
}

impl Cell {
    /// Words. Control characters are shown as escapes: names and reasons come from other people.
    pub fn text(words: impl Into<String>) -> Self {
        let shown = visible(words.into());
        Self { raw: shown.clone(), shown, number: None, tone: Tone::Plain }
    }

    /// Words that may be missing.
    pub fn maybe(words: Option<&str>) -> Self {
        words.filter(|words| !words.is_empty()).map_or_else(Self::unknown, Self::text)
    }

    /// A count.
    pub fn count(value: u64) -> Self {
        Self { number: Some(value as f64), ..Self::text(value.to_string()) }
    }

    /// A number with so many decimals.
    pub fn number(value: f64, decimals: usize) -> Self {
        let shown = format!("{value:.decimals$}");
        Self { raw: shown.clone(), shown, number: Some(value), tone: Tone::Plain }
    }

    /// A number that may be missing.
    pub fn maybe_number(value: Option<f64>, decimals: usize) -> Self {
        value.map_or_else(Self::unknown, |value| Self::number(value, decimals))
    }

    /// A latency in milliseconds: more decimals where they matter.
    pub fn millis(value: Option<f64>) -> Self {
        let small = value.is_some_and(|value| value < 100.0);
        Self::maybe_number(value, usize::from(small))
    }

    /// A share between 0 and 1 as percent.
    pub fn percent(share: Option<f64>) -> Self {
        Self::maybe_number(share.map(|share| share * 100.0), 1)
    }

    /// How long ago; a timestamp in CSV.
    pub fn age(now_ms: u64, at_ms: u64) -> Self {
        Self {
            shown: time::age(now_ms, at_ms),
            raw: time::stamp(at_ms),
            number: Some(at_ms as f64),
            tone: Tone::Plain,
        }
    }

    /// A moment as a timestamp.
    pub fn moment(at_ms: u64) -> Self {
        Self { number: Some(at_ms as f64), ..Self::text(time::stamp(at_ms)) }
    }

    /// How long until; a timestamp in CSV.
    pub fn until(now_ms: u64, at_ms: Option<u64>) -> Self {
        at_ms.map_or_else(Self::unknown, |at_ms| Self {
            shown: time::until(now_ms, at_ms),
            raw: time::stamp(at_ms),
            number: Some(at_ms as f64),
            tone: Tone::Plain,
        })
    }

    /// How long until it ends, or how long ago it did; a timestamp in CSV.
    pub fn ending(now_ms: u64, at_ms: Option<u64>) -> Self {
        let shown = at_ms.map(|at_ms| time::ending(now_ms, at_ms));
        shown.map_or_else(Self::unknown, |shown| Self { shown, ..Self::until(now_ms, at_ms) })
    }

    /// A state with a note in brackets; CSV gets the state alone.
    pub fn state(word: &str, note: Option<&str>, tone: Tone) -> Self {
        let shown = match note {
            Some(note) => visible(format!("{word} ({note})")),
            None => word.to_owned(),
        };
        Self { shown, raw: word.into(), number: None, tone }
    }

    /// Not known.
    pub fn unknown() -> Self {
        Self { shown: UNKNOWN.into(), raw: String::new(), number: None, tone: Tone::Dim }
    }

    /// Whether it is not known.
    pub fn is_unknown(&self) -> bool {
        self.raw.is_empty() && self.shown == UNKNOWN
    }

    /// The same value with another tone.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Order for sorting: numbers by value, the rest by spelling.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => self.raw.cmp(&other.raw),
        }
    }
}

/// Shows control characters as escapes, so that no name or reason can move the cursor or recolour the screen.
pub fn visible(words: String) -> String {
    if words.chars().any(char::is_control) { aya_load::report::visible(&words) } else { words }
}

/// The same for text of several lines, whose ends stay.
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(|line| visible(line.to_owned())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_smuggle_escapes_to_the_terminal() {
        assert_eq!(Cell::text("a\u{1b}[31mb\n").shown, "a\\u{1b}[31mb\\n");
        assert_eq!(visible_lines("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
    }

    #[test]
    fn what_is_not_known_is_a_dash_for_people_and_empty_for_machines() {
        let cell = Cell::percent(None);
        assert_eq!((cell.shown.as_str(), cell.raw.as_str()), ("–", ""));
        assert!(cell.is_unknown());
    }
}

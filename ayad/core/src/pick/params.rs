//! Parameters of algorithms: what an operator may tune, with limits, as data.
//!
//! Each algorithm lists its own in its spec; configuration, help, `ayactl algorithms` and the documents read them from
//! there, and a picker reads its values by position. A number, a share, a time and a word out of a few are all there
//! is, so that a value can be checked without knowing the algorithm.

use std::fmt;
use std::time::Duration;

/// Most parameters of one algorithm.
pub const MAX_PARAMS: usize = 8;

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A number.
    Number,
    /// A whole number.
    Count,
    /// A time, in seconds.
    Time,
    /// One of these words, by position.
    Word(&'static [&'static str]),
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its key.
    pub name: &'static str,
    /// What it does, in one sentence fragment.
    pub about: &'static str,
    /// What its value is.
    pub kind: ParamKind,
    /// The value when none is given.
    pub default: f64,
    /// The least accepted value.
    pub min: f64,
    /// The largest accepted value.
    pub max: f64,
}

impl ParamSpec {
    /// A number from `min` to `max`.
    pub const fn number(name: &'static str, default: f64, min: f64, max: f64, about: &'static str) -> Self {
        Self { name, about, kind: ParamKind::Number, default, min, max }
    }

    /// A whole number from `min` to `max`.
    pub const fn count(name: &'static str, default: u32, min: u32, max: u32, about: &'static str) -> Self {
        Self {
            name,
            about,
            kind: ParamKind::Count,
            default: default as f64,
            min: min as f64,
            max: max as f64,
        }
    }

    /// A time in seconds from `min` to `max`.
    pub const fn time(name: &'static str, default: f64, min: f64, max: f64, about: &'static str) -> Self {
        Self { name, about, kind: ParamKind::Time, default, min, max }
    }

    /// One of `words`; the first one when none is given.
    pub const fn word(name: &'static str, words: &'static [&'static str], about: &'static str) -> Self {
        let max = (words.len() - 1) as f64;
        Self { name, about, kind: ParamKind::Word(words), default: 0.0, min: 0.0, max }
    }

    /// Whether the value is accepted.
    pub fn accepts(&self, value: f64) -> bool {
        let is_whole = matches!(self.kind, ParamKind::Number | ParamKind::Time) || value.fract() == 0.0;
        is_whole && (self.min..=self.max).contains(&value)
    }

    /// What is accepted, in words.
    pub fn accepted(&self) -> String {
        match self.kind {
            ParamKind::Number => format!("a number from {} to {}", self.min, self.max),
            ParamKind::Count => format!("a whole number from {} to {}", self.min, self.max),
            ParamKind::Time => format!("a time from {} to {}", self.show(self.min), self.show(self.max)),
            ParamKind::Word(words) => format!("one of {}", words.join(", ")),
        }
    }

    /// A value as people write it.
    pub fn show(&self, value: f64) -> String {
        match self.kind {
            ParamKind::Number | ParamKind::Count => value.to_string(),
            ParamKind::Time if value < 1.0 => format!("{}ms", (value * 1e6).round() / 1e3),
            ParamKind::Time => format!("{value}s"),
            ParamKind::Word(words) => words.get(value as usize).unwrap_or(&"?").to_string(),
        }
    }
}

/// The values of an algorithm's parameters, by their positions in its spec.
#[derive(Clone, Copy, PartialEq)]
pub struct Params([f64; MAX_PARAMS]);

impl Params {
    /// What holds when nothing is given.
    pub fn defaults(specs: &[ParamSpec]) -> Self {
        let mut values = [0.0; MAX_PARAMS];
        values.iter_mut().zip(specs).for_each(|(value, spec)| *value = spec.default);
        Self(values)
    }

    /// Sets the value at a position. `false`, and nothing is set, when the spec does not accept it.
    pub fn set(&mut self, specs: &[ParamSpec], position: usize, value: f64) -> bool {
        let is_accepted = specs.get(position).is_some_and(|spec| spec.accepts(value));
        if let Some(place) = self.0.get_mut(position).filter(|_| is_accepted) {
            *place = value;
        }
        is_accepted
    }

    /// The value at a position.
    pub fn get(&self, position: usize) -> f64 {
        self.0[position]
    }

    /// The value at a position as a whole number.
    pub fn count(&self, position: usize) -> u32 {
        self.get(position) as u32
    }

    /// The value at a position as a time.
    pub fn time(&self, position: usize) -> Duration {
        Duration::try_from_secs_f64(self.get(position)).unwrap_or_default()
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[ParamSpec] = &[
        ParamSpec::number("quantile", 0.84, 0.0, 1.0, "a share"),
        ParamSpec::time("decay", 10.0, 0.001, 600.0, "a time"),
        ParamSpec::count("draws", 2, 1, 16, "a count"),
        ParamSpec::word("by", &["connections", "latency"], "a word"),
    ];

    #[test]
    fn defaults_hold_until_something_accepted_is_set() {
        let mut params = Params::defaults(SPECS);
        assert_eq!((params.get(0), params.time(1), params.count(2)), (0.84, Duration::from_secs(10), 2));

        assert!(params.set(SPECS, 0, 0.5) && params.set(SPECS, 3, 1.0));
        for (position, bad) in [(0, 1.1), (0, f64::NAN), (1, 0.0), (2, 2.5), (2, 17.0), (3, 2.0), (4, 1.0)] {
            assert!(!params.set(SPECS, position, bad), "{position} {bad}");
        }
        assert_eq!((params.get(0), params.count(2), params.count(3)), (0.5, 2, 1));
    }

    #[test]
    fn values_read_as_they_are_written() {
        let shown: Vec<String> = SPECS.iter().map(|spec| spec.show(spec.default)).collect();
        assert_eq!(shown, ["0.84", "10s", "2", "connections"]);
        assert_eq!(SPECS[1].accepted(), "a time from 1ms to 600s");
    }
}

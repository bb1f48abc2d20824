//! Profiles as one line: `5000`, `100..5000/30s`, `spike 10k/5s`, `sine 2k±1k/60s/5m`, `steps 100..1000/100/10s`, separated by
//! commas.

use std::fmt;
use std::time::Duration;

use super::{GREATEST_RATE, Part, Profile, Shape};

/// What can be written.
const HELP: &str = "write parts like 5000, 5k/1m, 100..5000/30s, spike 10k/5s, sine 2k±1k/60s/5m or \
                    steps 100..1000/100/10s, with commas between them";
/// Most parts of a profile, the steps of a staircase counted one by one.
const MOST_PARTS: usize = 10_000;
/// Longest profile.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is wrong with a profile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    text: String,
    /// Characters before the wrong part, and of it.
    at: (usize, usize),
    what: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, length) = self.at;
        writeln!(f, "{}", self.what)?;
        writeln!(f, "  {}", self.text)?;
        writeln!(f, "  {}{}", " ".repeat(before), "^".repeat(length.max(1)))?;
        f.write_str(HELP)
    }
}

impl std::error::Error for ProfileError {}

/// Reads a rate such as `5000`, `5k`, `2.5k/s` or `0.5`, in requests a second.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let bare = text.trim();
    let bare = bare.strip_suffix("/s").unwrap_or(bare);
    let (number, factor) = match bare.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => match bare.strip_suffix('M') {
            Some(number) => (number, 1e6),
            None => (bare, 1.0),
        },
    };
    let rate = number.parse::<f64>().ok().filter(|rate| rate.is_finite()).map(|rate| rate * factor);
    match rate {
        None => Err(format!("\"{text}\" is no rate; write requests a second like 500, 5k or 0.5")),
        Some(rate) if rate < 0.0 => Err(format!("\"{text}\" is below zero; requests cannot be taken back")),
        Some(rate) if rate > GREATEST_RATE => {
            Err(format!("\"{text}\" is over {GREATEST_RATE:.0} a second, which no machine sends"))
        }
        Some(rate) => Ok(rate),
    }
}

/// A piece of the text with its place in it.
#[derive(Clone, Copy)]
struct Piece<'t> {
    whole: &'t str,
    text: &'t str,
    /// Its first byte in `whole`.
    at: usize,
}

impl<'t> Piece<'t> {
    fn wrong(self, what: impl Into<String>) -> ProfileError {
        let before = self.whole[..self.at].chars().count();
        ProfileError {
            text: self.whole.to_owned(),
            at: (before, self.text.chars().count()),
            what: what.into(),
        }
    }

    /// A part of it.
    fn part(self, from: usize, until: usize) -> Self {
        Self { text: &self.text[from..until], at: self.at + from, ..self }
    }

    fn trimmed(self) -> Self {
        let from = self.text.len() - self.text.trim_start().len();
        self.part(from, from + self.text.trim().len())
    }

    fn split(self, sign: &str) -> impl Iterator<Item = Self> + use<'t, '_> {
        let mut from = Some(0);
        std::iter::from_fn(move || {
            let begin = from?;
            let (end, next) = match self.text[begin..].find(sign) {
                Some(at) => (begin + at, Some(begin + at + sign.len())),
                None => (self.text.len(), None),
            };
            from = next;
            Some(self.part(begin, end).trimmed())
        })
    }

    fn split_once(self, sign: &str) -> Option<(Self, Self)> {
        let at = self.text.find(sign)?;
        let end = self.text.len();
        Some((self.part(0, at).trimmed(), self.part(at + sign.len(), end).trimmed()))
    }

    fn rate(self) -> Result<f64, ProfileError> {
        parse_rate(self.text).map_err(|what| self.wrong(what))
    }

    fn some_rate(self) -> Result<f64, ProfileError> {
        match self.rate()? {
            rate if rate > 0.0 => Ok(rate),
            _ => Err(self.wrong("a rate of zero sends nothing")),
        }
    }

    /// A span in seconds, longer than nothing.
    fn span(self) -> Result<f64, ProfileError> {
        const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let wrong =
            || self.wrong(format!("\"{}\" is no duration; write it like 500ms, 30s or 5m", self.text));
        let mut rest = self.text;
        let mut total = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            total += number.parse::<f64>().map_err(|_| wrong())? * factor;
            rest = tail;
        }
        match total {
            t if t <= 0.0 => Err(self.wrong("a part must be longer than nothing")),
            t if t > LONGEST.as_secs_f64() => Err(self.wrong("a part of over a week is no test")),
            t => Ok(t),
        }
    }
}

impl Profile {
    /// Reads a profile of one line. A single part without a length takes `length`, if there is one.
    pub fn parse(text: &str, length: Option<Duration>) -> Result<Self, ProfileError> {
        let whole = Piece { whole: text, text, at: 0 };
        let pieces: Vec<Piece<'_>> = whole.split(",").collect();
        let mut parts = Vec::new();
        for piece in &pieces {
            if piece.text.is_empty() {
                return Err(piece.wrong("there is nothing between two commas, or nothing at all"));
            }
            let alone = if pieces.len() == 1 { length } else { None };
            read_part(*piece, alone, &mut parts)?;
            if parts.len() > MOST_PARTS {
                return Err(piece.wrong(format!("this makes over {MOST_PARTS} parts; take greater steps")));
            }
        }
        let profile = Self::new(parts);
        if profile.length() > LONGEST {
            return Err(whole.wrong("a test of over a week is none"));
        }
        if profile.total() < 1.0 {
            return Err(whole.wrong("all of this sends less than one request"));
        }
        Ok(profile)
    }
}

fn read_part(piece: Piece<'_>, length: Option<Duration>, to: &mut Vec<Part>) -> Result<(), ProfileError> {
    let word = |name: &str| {
        let rest = piece.text.strip_prefix(name)?;
        rest.starts_with(' ').then(|| piece.part(name.len(), piece.text.len()).trimmed())
    };
    if let Some(rest) = word("steps") {
        return read_steps(rest, to);
    }
    if let Some(rest) = word("sine") {
        return read_sine(rest, length, to);
    }
    let spike = word("spike");
    let body = spike.unwrap_or(piece);
    let (rates, span) = match body.split_once("/") {
        Some((rates, span)) if span.text != "s" => (rates, span.span()?),
        _ => match length {
            Some(length) if !length.is_zero() => (body, length.as_secs_f64()),
            _ => return Err(body.wrong("it says not for how long; add a length like 5000/30s")),
        },
    };
    let shape = match rates.split_once("..") {
        Some((from, to)) => {
            let (low, high) = (from.rate()?, to.rate()?);
            if low + high <= 0.0 {
                return Err(rates.wrong("a ramp from zero to zero sends nothing"));
            }
            Shape::Ramp { from: low, to: high }
        }
        // A pause between two parts is a rate of zero.
        None if spike.is_none() => Shape::Constant(rates.rate()?),
        None => Shape::Constant(rates.some_rate()?),
    };
    to.push(Part { shape, length: span });
    Ok(())
}

/// `100..1000/100/10s`: from, to, by how much, for how long each.
fn read_steps(body: Piece<'_>, to: &mut Vec<Part>) -> Result<(), ProfileError> {
    let pieces: Vec<Piece<'_>> = body.split("/").collect();
    let [rates, step, span] = pieces[..] else {
        return Err(body.wrong("steps have a range, a step and a length, like 100..1000/100/10s"));
    };
    let (from, until) =
        rates.split_once("..").ok_or_else(|| rates.wrong("steps have a range, like 100..1000"))?;
    let (low, high, by, span) = (from.rate()?, until.rate()?, step.some_rate()?, span.span()?);
    let count = ((high - low).abs() / by + 1e-9).floor();
    if count > MOST_PARTS as f64 {
        return Err(step.wrong("these are too many steps; take greater ones"));
    }
    let by = if high < low { -by } else { by };
    for step in 0..=count as u32 {
        to.push(Part { shape: Shape::Constant(low + by * f64::from(step)), length: span });
    }
    Ok(())
}

/// `2k±1k/60s/5m`: mean, amplitude, period, length.
fn read_sine(body: Piece<'_>, length: Option<Duration>, to: &mut Vec<Part>) -> Result<(), ProfileError> {
    let pieces: Vec<Piece<'_>> = body.split("/").collect();
    let (rates, period, span) = match (&pieces[..], length) {
        ([rates, period, span], _) => (*rates, *period, span.span()?),
        ([rates, period], Some(length)) => (*rates, *period, length.as_secs_f64()),
        _ => return Err(body.wrong("a sine has a mean ± a part, a period and a length, like 2k±1k/60s/5m")),
    };
    let (mean, by) = rates
        .split_once("±")
        .or_else(|| rates.split_once("+-"))
        .ok_or_else(|| rates.wrong("a sine goes up and down around a mean, like 2k±1k or 2k+-1k"))?;
    let (middle, part) = (mean.some_rate()?, by.rate()?);
    if part > middle {
        return Err(by.wrong("it would fall below zero; the second figure is at most the first"));
    }
    to.push(Part { shape: Shape::Sine { mean: middle, by: part, period: period.span()? }, length: span });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Profile {
        Profile::parse(text, Some(Duration::from_secs(10))).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn profiles_read_as_people_write_them() {
        assert_eq!(read("5000"), Profile::constant(5_000.0, Duration::from_secs(10)));
        assert_eq!(read("5k/s"), Profile::constant(5_000.0, Duration::from_secs(10)));
        let all = read("100..5000/30s, 5000/1m,spike 10k/5s, sine 2k±1k/60s/5m,steps 100..300/100/10s");
        assert_eq!(all.parts().len(), 7);
        assert_eq!(all.length(), Duration::from_secs(30 + 60 + 5 + 300 + 30));
        assert_eq!(read("sine 2k+-1k/60s/5m"), read("sine 2k±1k/60s/5m"));
        assert!((all.peak() - 10_000.0).abs() < 1e-9);
        assert_eq!(read("steps 300..100/100/1s").parts()[2].shape, Shape::Constant(100.0));
        assert_eq!(read("100/1s,0/5s,100/1s").parts()[1].shape, Shape::Constant(0.0));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let error = Profile::parse("100..x/30s,5000/1m", None).expect_err("x is no rate").to_string();
        assert!(error.contains("\"x\" is no rate"), "{error}");
        assert!(error.contains("  100..x/30s,5000/1m\n       ^\n"), "{error}");
        for (text, part) in [
            ("", "nothing"),
            ("5000/1s,,5/1s", "nothing between"),
            ("5000", "not for how long"),
            ("-5/1s", "below zero"),
            ("0/10s", "less than one request"),
            ("1e12/1s", "no machine"),
            ("5/0s", "longer than nothing"),
            ("5/30", "is no duration"),
            ("sine 1k±2k/1s/1m", "below zero"),
            ("steps 1..9/0/1s", "sends nothing"),
            ("steps 1..1000000/1/1s", "too many steps"),
            ("spike 0/1s", "sends nothing"),
            ("5/900d", "is no duration"),
            ("5/900h", "over a week"),
            ("NaN/1s", "is no rate"),
        ] {
            let error = Profile::parse(text, None).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

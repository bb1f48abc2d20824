//! Numbers with units: durations and sizes as people write them.
//!
//! Pure parsing; nothing here knows of files or keys. A bare number is refused on purpose: `timeout = 5`
//! means seconds to one reader and milliseconds to the next.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// Why a text is not what its key asks for, and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, as a lower-case fragment.
    pub what: String,
    /// What would be accepted.
    pub help: String,
}

impl Wrong {
    /// Pairs a complaint with its remedy.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.help)
    }
}

/// Longest duration a configuration may ask for; longer ones are slips of the keyboard.
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

const DURATION_HELP: &str = "write a number with a unit, e.g. \"250ms\", \"2s\", \"1m30s\" or \"1h\"";
const SIZE_HELP: &str = "write a number with a unit, e.g. \"512B\", \"64KiB\", \"1MiB\" or \"10MB\"";

/// Nanoseconds of each unit, longest names first so that `ms` is not read as `m`.
const DURATION_UNITS: &[(&str, f64)] =
    &[("ms", 1e6), ("us", 1e3), ("s", 1e9), ("m", 6e10), ("h", 3.6e12), ("d", 8.64e13)];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Reads a duration above zero: one or more numbers with the units `us`, `ms`, `s`, `m`, `h`, `d`.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    let duration = duration_or_zero(text)?;
    if duration.is_zero() {
        return Err(Wrong::new(format!("\"{text}\" is no time at all"), DURATION_HELP));
    }
    Ok(duration)
}

/// Reads a duration that may be zero.
pub fn duration_or_zero(text: &str) -> Result<Duration, Wrong> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Wrong::new("an empty text is no duration", DURATION_HELP));
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let Ok(number) = number.parse::<f64>() else {
            return Err(Wrong::new(format!("\"{text}\" is no duration"), DURATION_HELP));
        };
        let word = &after[..after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len())];
        let Some((_, scale)) = DURATION_UNITS.iter().find(|(unit, _)| *unit == word) else {
            return Err(unit_wrong(text, word, DURATION_HELP));
        };
        nanos += number * scale;
        rest = &after[word.len()..];
    }
    if nanos > MAX_DURATION.as_nanos() as f64 {
        return Err(Wrong::new(format!("\"{text}\" is over a year"), "the longest duration is \"8760h\""));
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Reads a duration above zero, or `none`.
pub fn duration_or_none(text: &str) -> Result<Option<Duration>, Wrong> {
    if text == "none" { Ok(None) } else { duration(text).map(Some).map_err(or_none) }
}

/// Reads a size in bytes: a whole number with one of the units `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`.
pub fn size(text: &str) -> Result<u64, Wrong> {
    let (number, word) = split_number(text.trim());
    let Ok(number) = number.parse::<u64>() else {
        return Err(Wrong::new(format!("\"{text}\" is no size"), SIZE_HELP));
    };
    let Some((_, scale)) = SIZE_UNITS.iter().find(|(unit, _)| *unit == word) else {
        return Err(unit_wrong(text, word, SIZE_HELP));
    };
    let too_large = || Wrong::new(format!("\"{text}\" is too large"), SIZE_HELP);
    number.checked_mul(*scale).filter(|bytes| *bytes <= 1 << 60).ok_or_else(too_large)
}

/// Reads a size, or `none`.
pub fn size_or_none(text: &str) -> Result<Option<u64>, Wrong> {
    if text == "none" { Ok(None) } else { size(text).map(Some).map_err(or_none) }
}

/// Reads a rate above zero: a size per second, such as `500B/s`; or `none`.
pub fn rate_or_none(text: &str) -> Result<Option<u64>, Wrong> {
    if text == "none" {
        return Ok(None);
    }
    let help = "write a size per second, e.g. \"500B/s\" or \"2KiB/s\", or \"none\"";
    let wrong = |what: String| Wrong::new(what, help);
    let bytes = text.trim().strip_suffix("/s").ok_or_else(|| wrong(format!("\"{text}\" is no rate")))?;
    match size(bytes).map_err(|Wrong { what, .. }| wrong(what))? {
        0 => Err(wrong(format!("\"{text}\" is no time for anything"))),
        bytes => Ok(Some(bytes)),
    }
}

/// Reads a share in percent, `0%` to `100%`, as 0 to 1.
pub fn percent(text: &str) -> Result<f64, Wrong> {
    let number = text.trim().strip_suffix('%').and_then(hundredths);
    let help = "write a number from 0 to 100 with a percent sign, e.g. \"20%\"";
    number
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| Wrong::new(format!("\"{text}\" is no share in percent"), help))
}

/// Reads a percentile, `p50` to `p99.99`, as the share of values below it.
pub fn percentile(text: &str) -> Result<f64, Wrong> {
    let number = text.trim().strip_prefix('p').and_then(hundredths);
    let help = "write \"p50\" to \"p99.99\", e.g. \"p95\"";
    number
        .filter(|share| (0.5..=0.9999).contains(share))
        .ok_or_else(|| Wrong::new(format!("\"{text}\" is no percentile"), help))
}

/// A number written with digits and at most one point, divided by 100.
fn hundredths(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|_| is_plain).map(|number| number / 100.0)
}

/// Writes a share the way [`percent`] reads it, to a hundredth of a percent.
pub fn show_percent(share: f64) -> String {
    format!("{}%", (share * 10_000.0).round() / 100.0)
}

/// Writes a duration the way [`duration`] reads it, in the largest units that lose nothing.
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let mut rest = micros;
    let mut text = String::new();
    for (unit, scale) in [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)]
    {
        if rest >= scale {
            let _ = write!(text, "{}{unit}", rest / scale); // Writing to a string cannot fail.
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

fn unit_wrong(text: &str, unit: &str, help: &str) -> Wrong {
    if unit.is_empty() {
        Wrong::new(format!("\"{text}\" has no unit"), help)
    } else {
        Wrong::new(format!("\"{unit}\" is no unit in \"{text}\""), help)
    }
}

fn or_none(wrong: Wrong) -> Wrong {
    Wrong { help: format!("{}, or \"none\"", wrong.help), ..wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in [("250ms", 250), ("2s", 2_000), ("1m30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
        assert_eq!(duration_or_none("none"), Ok(None));
    }

    #[test]
    fn a_shown_duration_reads_back_as_itself() {
        for text in ["250ms", "2s", "1m30s", "1h", "1s500ms", "90us"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn a_wrong_duration_says_what_is_accepted() {
        assert!(duration("5").unwrap_err().what.contains("has no unit"));
        assert!(duration("5 parsecs").unwrap_err().what.contains("has no unit"));
        assert!(duration("5sec").unwrap_err().what.contains("\"sec\" is no unit"));
        assert!(duration("fast").unwrap_err().help.contains("250ms"));
        for text in ["", " ", "-1s", "1s-", "1..2s", "0s", "99999999h", "s", "1é"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert!(duration_or_none("never").unwrap_err().help.ends_with("or \"none\""));
    }

    #[test]
    fn sizes_read_in_both_families_of_units() {
        let cases = [("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("10MB", 10_000_000), ("0B", 0)];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(size_or_none("none"), Ok(None));
        for text in ["", "64", "64K", "1.5MiB", "KiB", "-1B", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_are_sizes_per_second() {
        assert_eq!(rate_or_none("500B/s"), Ok(Some(500)));
        assert_eq!(rate_or_none("2KiB/s"), Ok(Some(2048)));
        assert_eq!(rate_or_none("none"), Ok(None));
        for text in ["", "/s", "500", "500B", "500/s", "0B/s", "500B/m", "B/s"] {
            assert!(rate_or_none(text).unwrap_err().help.contains("500B/s"), "{text}");
        }
    }

    #[test]
    fn shares_and_percentiles_are_read_and_nothing_like_them() {
        assert_eq!(percent("20%"), Ok(0.2));
        assert_eq!(percent("12.5%").map(show_percent).as_deref(), Ok("12.5%"));
        assert_eq!((percent("0%"), percent("100%")), (Ok(0.0), Ok(1.0)));
        assert_eq!(
            (percentile("p95"), percentile("p99.9").map(show_percent)),
            (Ok(0.95), Ok("99.9%".into()))
        );
        for text in ["", "%", "20", "101%", "-1%", "+1%", "1e1%", "nan%", "inf%", "20 %", "1.2.3%"] {
            assert!(percent(text).is_err(), "{text}");
        }
        for text in ["", "p", "95", "p0", "p100", "P95", "p-95", "p95%", "pnan"] {
            assert!(percentile(text).is_err(), "{text}");
        }
    }
}

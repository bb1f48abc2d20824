//! Durations as people write them in scenario files: a number and one of `us`, `ms`, `s`, `m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// Longest duration a scenario may name.
const MAX_SECONDS: f64 = 24.0 * 3600.0;

/// Reads a duration such as `"250ms"` or `"1.5s"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "\"{text}\" is no duration; \"250ms\", \"1.5s\" or \"2m\" up to a day are accepted"
        ))
    })
}

/// As [`duration`], for a key that may be missing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// Reads two durations, the first at most as long as the second; one alone stands for both.
pub(crate) fn range<'de, D: Deserializer<'de>>(from: D) -> Result<(Duration, Duration), D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        One(String),
        Two(String, String),
    }
    let (from, to) = match Text::deserialize(from)? {
        Text::One(text) => (parse(&text), parse(&text)),
        Text::Two(from, to) => (parse(&from), parse(&to)),
    };
    match (from, to) {
        (Some(from), Some(to)) if !from.is_zero() && from <= to => Ok((from, to)),
        _ => Err(D::Error::custom(
            "a time above 0 such as \"1s\", or two such as [\"700ms\", \"1.3s\"], are accepted",
        )),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * scale;
    (seconds <= MAX_SECONDS).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_a_unit() {
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
        for bad in ["", "5", "s", "5 s", "-1s", "1..s", "1h", "99999999s", "1e3s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

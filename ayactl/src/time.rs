//! Times as people write and read them: spans (`90s`, `1h30m`), ages (`3m12s`) and timestamps in UTC.
//!
//! It reads no clock; `now` is an argument everywhere. UTC only: an incident is compared across machines, and
//! time zones would need a database.

use std::fmt::Write as _;
use std::time::Duration;

/// Units of spans, greatest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a span such as `500ms`, `30s`, `1h30m` or `0.5s`. A number without a unit is refused: nobody should
/// have to guess.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a duration; write it like 500ms, 30s, 5m or 1h30m");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let part = Duration::try_from_secs_f64(number * *unit_ms as f64 / 1000.0).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    Ok(total)
}

/// Reads a span that must be longer than nothing.
pub fn parse_some(text: &str) -> Result<Duration, String> {
    match parse_span(text)? {
        Duration::ZERO => Err("it must be longer than nothing; write it like 30s, 5m or 1h30m".into()),
        some => Ok(some),
    }
}

/// Writes a span with its two greatest units: `3d4h`, `12m5s`, `40s`; under a second as `0s`.
pub fn span(length_ms: u64) -> String {
    let mut rest = length_ms;
    let mut text = String::new();
    let mut parts = 0;
    for (unit, unit_ms) in &UNITS[..4] {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 && parts < 2 {
            let _ = write!(text, "{count}{unit}");
        }
        if count > 0 || parts > 0 {
            parts += 1;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Writes a setting exactly, with every unit it needs: `250ms`, `1m30s`, `1h`.
pub fn setting(length_ms: u64) -> String {
    let mut rest = length_ms;
    let mut text = String::new();
    for (unit, unit_ms) in &UNITS {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// How long ago something was.
pub fn age(now_ms: u64, at_ms: u64) -> String {
    span(now_ms.saturating_sub(at_ms))
}

/// How long until something is: `in 5m`, or `now` once it is due.
pub fn until(now_ms: u64, at_ms: u64) -> String {
    if at_ms <= now_ms { "now".into() } else { format!("in {}", span(at_ms - now_ms)) }
}

/// How long until something ends, or how long ago it did: `in 5m`, `ended 3m ago`.
pub fn ending(now_ms: u64, at_ms: u64) -> String {
    if at_ms <= now_ms { format!("ended {} ago", span(now_ms - at_ms)) } else { until(now_ms, at_ms) }
}

/// A count with its noun: `1 worker`, `2 workers`.
pub fn count(count: u64, noun: &str) -> String {
    plural(count, noun, &format!("{noun}s"))
}

/// A count with its noun, whose plural is its own: `1 switch`, `2 switches`.
pub fn plural(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A moment as `2026-11-23T00:14:24.125Z`.
pub fn stamp(at_ms: u64) -> String {
    let (year, month, day) = civil(at_ms / UNITS[0].1);
    format!("{year:04}-{month:02}-{day:02}T{}.{:03}Z", clock(at_ms), at_ms % 1000)
}

/// The time of day of a moment as `00:14:24`, in UTC.
pub fn clock(at_ms: u64) -> String {
    let seconds = at_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Reads a moment in UTC: `2026-11-23T00:14:24Z`, the next `00:14:24` (or `00:14`), or `+30s` from now on.
pub fn parse_moment(text: &str, now_ms: u64) -> Result<u64, String> {
    let wrong = || {
        format!(
            "\"{text}\" is not a moment; write it in UTC like 12:05:00 or 2026-11-23T00:14:24Z, or like +30s from now"
        )
    };
    if let Some(span) = text.strip_prefix('+') {
        return Ok(now_ms + parse_some(span)?.as_millis() as u64);
    }
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let (day, clock) = match plain.split_once('T') {
        Some((date, clock)) => (Some(parse_date(date).ok_or_else(wrong)?), clock),
        None => (None, plain),
    };
    let of_day = parse_clock(clock).ok_or_else(wrong)?;
    let today = now_ms / UNITS[0].1;
    Ok(match day {
        Some(day) => day * UNITS[0].1 + of_day,
        None if today * UNITS[0].1 + of_day < now_ms => (today + 1) * UNITS[0].1 + of_day,
        None => today * UNITS[0].1 + of_day,
    })
}

/// The day of `2026-11-23`, counted from 1970.
fn parse_date(text: &str) -> Option<u64> {
    let numbers: Option<Vec<u64>> = text.split('-').map(|part| part.parse().ok()).collect();
    let [year, month, day] = numbers?.try_into().ok()?;
    // A year has at least 365 days, and the search for its day is short: it steps over the leap days before it.
    let from = year.checked_sub(1970).filter(|years| *years < 1000)? * 365;
    (from..from + 700).find(|days| civil(*days) == (year, month, day))
}

/// Milliseconds of `00:14:24.125` or `00:14` since midnight.
fn parse_clock(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let numbers: Option<Vec<u64>> =
        whole.split(':').map(|part| part.parse().ok().filter(|_| part.len() == 2)).collect();
    let numbers = numbers?;
    let (hours, minutes, seconds) = match numbers[..] {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let ms = format!("0.{fraction}")
        .parse::<f64>()
        .ok()
        .filter(|_| fraction.bytes().all(|b| b.is_ascii_digit()))?
        * 1e3;
    (hours < 24 && minutes < 60 && seconds < 60)
        .then_some((hours * 3600 + minutes * 60 + seconds) * 1000 + ms.round() as u64)
}

/// Year, month and day of a day counted from 1970, by Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_units_only() {
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_span("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_span("0.5s"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "s", "5 s", "-5s", "5x", "1.2.3s", "99999999999999999999d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_show_their_two_greatest_units() {
        assert_eq!(span(400), "0s");
        assert_eq!(span(40_000), "40s");
        assert_eq!(span(725_000), "12m5s");
        assert_eq!(span(86_400_000 * 3 + 3_600_000 * 4 + 61_000), "3d4h");
        assert_eq!(span(3_600_000 + 5000), "1h");
    }

    #[test]
    fn settings_lose_nothing() {
        let texts = [0, 250, 1500, 90_000, 86_400_000 + 1].map(setting);
        assert_eq!(texts, ["0s", "250ms", "1s500ms", "1m30s", "1d1ms"]);
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        let now = 1_795_392_864_125;
        for at in [now, 951_782_400_000, 1_709_251_199_999] {
            assert_eq!(parse_moment(&stamp(at), now), Ok(at));
        }
        assert_eq!(parse_moment("00:14:25", now), Ok(now + 875));
        // What is over today is meant for tomorrow.
        assert_eq!(parse_moment("00:14", now), Ok(now - 24_125 + 86_400_000));
        assert_eq!(parse_moment("+1m30s", now), Ok(now + 90_000));
        for bad in [
            "",
            "12",
            "12:60",
            "24:00",
            "2026-02-30T00:00:00Z",
            "2026-11-23",
            "+0s",
            "now",
            "1:2:3",
            "12:00:00.x",
        ] {
            assert!(parse_moment(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn stamps_are_right_across_leap_years() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(stamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(stamp(1_795_392_864_125), "2026-11-23T00:14:24.125Z");
    }
}

//! Figures as operators read them: short, with a unit, of bounded width so that columns never jump.

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Requests a second without the unit, at most 6 characters: `0`, `3.4`, `1234`, `12.3k`, `1.2M`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        r if !r.is_finite() || r <= 0.0 => "0".into(),
        r if r < 0.05 => "<0.1".into(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 9_999.5 => format!("{r:.0}"),
        r if r < 99_950.0 => format!("{:.1}k", r / 1e3),
        r if r < 999_500.0 => format!("{:.0}k", r / 1e3),
        r => format!("{:.1}M", r / 1e6),
    }
}

/// A latency with its unit, at most 6 characters: `0.4ms`, `88ms`, `1.23s`.
pub(crate) fn latency(ms: f64) -> String {
    match ms {
        l if !l.is_finite() || l < 0.0 => "0ms".into(),
        l if l < 0.05 => "<.1ms".into(),
        l if l < 9.95 => format!("{l:.1}ms"),
        l if l < 999.5 => format!("{l:.0}ms"),
        l if l < 9_995.0 => format!("{:.2}s", l / 1e3),
        l if l < 99_950.0 => format!("{:.1}s", l / 1e3),
        l => format!("{:.0}s", l / 1e3),
    }
}

/// A share of 0 to 1 in whole per cent, at most 4 characters.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.5 { "<1%".into() } else { format!("{percent:.0}%") }
}

/// A share of failures of 0 to 1, at most 6 characters: a single failure in ten thousand is still seen.
pub(crate) fn errors(share: f64) -> String {
    match share * 100.0 {
        e if !e.is_finite() || e <= 0.0 => "0%".into(),
        e if e < 0.01 => "<.01%".into(),
        e if e < 1.0 => format!("{e:.2}%"),
        e if e < 99.95 => format!("{e:.1}%"),
        e => format!("{e:.0}%"),
    }
}

/// How long ago, at most 4 characters: `12s`, `3m`, `4h`, `210d`.
pub(crate) fn age(ms: u64) -> String {
    match ms / 1_000 {
        s if s < 60 => format!("{s}s"),
        s if s < 3_600 => format!("{}m", s / 60),
        s if s < 86_400 => format!("{}h", s / 3_600),
        s => format!("{}d", (s / 86_400).min(999)),
    }
}

/// A span in its two greatest units: `12s`, `3m 12s`, `3d 4h`.
pub(crate) fn span(ms: u64) -> String {
    match ms / 1_000 {
        s if s < 60 => format!("{s}s"),
        s if s < 3_600 => format!("{}m {}s", s / 60, s % 60),
        s if s < 86_400 => format!("{}h {}m", s / 3_600, s / 60 % 60),
        s => format!("{}d {}h", s / 86_400, s / 3_600 % 24),
    }
}

/// What is left of a time, rounded up: a minute begins as `1m 0s`, and `0s` is when it is over.
pub(crate) fn left(ms: u64) -> String {
    span(ms.div_ceil(1_000) * 1_000)
}

/// A count with separators: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Time of day in UTC: `12:03:44`. The zone is the same on every machine an incident is discussed from.
pub(crate) fn time_of_day(at_ms: u64) -> String {
    let s = at_ms % DAY_MS / 1_000;
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// The next number of the series 1, 2, 5, 10, … that is not below `value`: a scale that rarely moves.
pub(crate) fn round_up(value: u64) -> u64 {
    let mut step: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let candidate = step.saturating_mul(factor);
            if candidate >= value {
                return candidate;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// `3 backends`, `1 backend`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_their_columns() {
        for v in [0.0, 0.01, 0.3, 9.96, 99.96, 999.6, 9_999.6, 99_960.0, 999_600.0, 5e7, f64::NAN] {
            assert!(rate(v).len() <= 6, "{}", rate(v));
            assert!(latency(v).len() <= 6 || v > 1e7, "{}", latency(v));
            assert!(age(v as u64 * 1_000).len() <= 4, "{}", age(v as u64 * 1_000));
        }
        for v in [0.0, 0.000_01, 0.004, 0.05, 0.123, 0.999_7, 1.0] {
            assert!(errors(v).len() <= 6, "{}", errors(v));
            assert!(share(v).len() <= 4, "{}", share(v));
        }
    }

    #[test]
    fn small_failures_are_not_rounded_to_none() {
        assert_eq!(errors(0.000_001), "<.01%");
        assert_eq!(share(0.001), "<1%");
        assert_eq!(rate(0.01), "<0.1");
    }

    #[test]
    fn counts_are_grouped_and_scales_are_round() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!([0, 1, 3, 6, 11, 201].map(round_up), [1, 1, 5, 10, 20, 500]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}

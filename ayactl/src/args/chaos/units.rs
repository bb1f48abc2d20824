//! Values of faults as people write them.

use aya_api::condition::Condition;

/// Reads a share such as `5%`, `0.1%` or `5`; gives 0 to 1.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let bare = text.strip_suffix('%').unwrap_or(text).trim();
    let is_plain = bare.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number = bare.parse::<f64>().ok().filter(|n| is_plain && (0.0..=100.0).contains(n));
    number
        .map(|n| n / 100.0)
        .ok_or_else(|| format!("\"{text}\" is not a share; write 0 to 100 percent, e.g. 5 or 0.1%"))
}

/// Reads a number of bytes such as `512`, `512B`, `64KB` or `1MiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("KB", 1000),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
    ];
    let wrong = || format!("\"{text}\" is not a size; write it like 512, 64KB or 1MiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(wrong)
}

/// Reads bytes a second such as `100KB/s` or `1MiB`.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    match parse_size(text.strip_suffix("/s").unwrap_or(text)) {
        Ok(rate) if rate > 0 => Ok(rate),
        _ => Err(format!("\"{text}\" is not a rate; write it like 100KB/s or 1MiB/s")),
    }
}

/// Checks a stop condition, and keeps it as it is written.
pub fn parse_condition(text: &str) -> Result<String, String> {
    text.parse::<Condition>().map(|condition| condition.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_people_write_them() {
        assert_eq!(parse_percent("5"), Ok(0.05));
        assert_eq!((parse_percent("0%"), parse_percent("100%")), (Ok(0.0), Ok(1.0)));
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!((parse_size("64KB"), parse_size("1MiB")), (Ok(64_000), Ok(1 << 20)));
        assert_eq!(parse_rate("10KB/s"), Ok(10_000));
        for text in ["", "101", "-1", "5 per cent", "1e1", "nan"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
        for text in ["", "KB", "1.5KB", "5XB", "-1", "99999999999GB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert!(parse_rate("0").is_err() && parse_rate("5/m").is_err());
        assert!(parse_condition("err>5").is_err());
    }
}

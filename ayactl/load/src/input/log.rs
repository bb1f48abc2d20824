//! One line of an access log: AYA's own JSON, the common and combined formats, and that of `HAProxy`.

use serde::Deserialize;

/// What a line tells of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) method: String,
    pub(super) path: String,
    /// The host it named, where the log tells it.
    pub(super) host: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Whether its moment is known to the millisecond rather than to the second.
    pub(super) is_exact: bool,
}

#[derive(Deserialize)]
struct Own {
    time_ms: i64,
    method: Option<String>,
    host: Option<String>,
    uri: Option<String>,
    protocol: Option<String>,
    #[serde(default)]
    timing_us: Timing,
}

#[derive(Default, Deserialize)]
struct Timing {
    #[serde(default)]
    total: u64,
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Entry, String> {
    if line.trim_start().starts_with('{') {
        let own: Own = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            format!("not a line of AYA's log: {what} (column {})", error.column())
        })?;
        // The log tells when a request ended.
        let took_ms = i64::try_from(own.timing_us.total / 1000).unwrap_or(0);
        let at_ms = own.time_ms.saturating_sub(took_ms);
        let (Some(method), Some(uri)) = (own.method, own.uri) else {
            return Err("it tells of a connection without a request".to_owned());
        };
        if let Some(protocol) = own.protocol.filter(|protocol| !protocol.starts_with("HTTP/")) {
            return Err(format!("it became {}, which cannot be sent again", protocol.escape_default()));
        }
        let host = own.host.filter(|host| !host.is_empty());
        return Ok(Entry { host, ..checked(&method, &uri, at_ms, true)? });
    }
    let (at_ms, is_exact) = line
        .match_indices('[')
        .find_map(|(at, _)| line[at + 1..].split_once(']').and_then(|(date, _)| time(date)))
        .ok_or("there is no date like [10/Oct/2025:13:55:36 +0000]")?;
    let quoted = line.split('"').skip(1).step_by(2);
    let request = quoted
        .filter_map(|text| {
            let mut words = text.split(' ');
            let (method, path) = (words.next()?, words.next()?);
            words.next().is_none_or(|version| version.starts_with("HTTP/")).then_some((method, path))
        })
        .find(|(method, path)| is_method(method) && path.starts_with(['/', 'h', '*']))
        .ok_or("there is no request line like \"GET / HTTP/1.1\"")?;
    checked(request.0, request.1, at_ms, is_exact)
}

fn is_method(method: &str) -> bool {
    (1..=20).contains(&method.len()) && method.bytes().all(|c| c.is_ascii_uppercase())
}

fn checked(method: &str, uri: &str, at_ms: i64, is_exact: bool) -> Result<Entry, String> {
    if !is_method(method) {
        return Err(format!("\"{}\" is no method", method.escape_default()));
    }
    let path = super::urls::path_of(uri).ok_or_else(|| format!("\"{}\" is no path", uri.escape_default()))?;
    if path.bytes().any(|c| c.is_ascii_control() || c == b' ') {
        return Err(format!("\"{}\" is no path", path.escape_default()));
    }
    let host =
        super::urls::origin_of(uri).and_then(|origin| super::urls::host_of(&origin).map(str::to_owned));
    Ok(Entry { method: method.to_owned(), path: super::sendable(path), host, at_ms, is_exact })
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `10/Oct/2025:13:55:36 +0200`, or as `HAProxy` writes it, `06/Feb/2009:12:14:14.655`, in milliseconds since 1970.
fn time(text: &str) -> Option<(i64, bool)> {
    let (date, zone) = text.split_once(' ').unwrap_or((text, "+0000"));
    let mut parts = date.splitn(4, ':');
    let mut day = parts.next()?.split('/');
    let (day, month, year) = (number(day.next()?)?, day.next()?, number(day.next()?)?);
    let month = MONTHS.iter().position(|known| *known == month)?.cast_signed() as i64 + 1;
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
    let (second, millis) = second.split_once('.').map_or((second, None), |(s, ms)| (s, Some(ms)));
    let ms = millis.map_or(Some(0), |ms| if ms.len() == 3 { number(ms) } else { None })?;
    let at = seconds(year, month, day, hour, minute, number(second)?)? - zone_seconds(zone)?;
    Some((at * 1000 + ms, millis.is_some()))
}

fn number(text: &str) -> Option<i64> {
    (1..=4)
        .contains(&text.len())
        .then(|| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?)?
}

/// `+0200`, `+02:00` or `Z` in seconds.
fn zone_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits.replace(':', "")),
        ("-", digits) => (-1, digits.replace(':', "")),
        _ => return None,
    };
    let all = (digits.len() == 4).then(|| number(&digits))??;
    Some(sign * (all / 100 * 3600 + all % 100 * 60))
}

/// Seconds since 1970 of a date of the Gregorian calendar.
fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March here, so that the day that is not always there is the last one.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_formats_are_read() {
        let own = r#"{"time_ms":1760104536500,"method":"POST","host":"h","uri":"/a?b=1","status":200,"timing_us":{"total":500000}}"#;
        let combined =
            r#"1.2.3.4 - - [10/Oct/2025:15:55:36 +0200] "GET /a HTTP/1.1" 200 5 "http://r/" "curl \"x\"""#;
        let haproxy = "Feb  6 12:14:14 h haproxy[1]: 1.2.3.4:3 [10/Oct/2025:13:55:36.655] in s/1 1/2/3 200 2 - - ---- \
                       1/1 0/0 {a} {} \"GET /i.html HTTP/1.1\"";
        assert_eq!(
            read(own).unwrap(),
            Entry {
                method: "POST".into(),
                path: "/a?b=1".into(),
                host: Some("h".into()),
                at_ms: 1_760_104_536_000,
                is_exact: true
            }
        );
        assert_eq!(
            read(combined).unwrap(),
            Entry {
                method: "GET".into(),
                path: "/a".into(),
                host: None,
                at_ms: 1_760_104_536_000,
                is_exact: false
            }
        );
        assert_eq!(read(haproxy).unwrap().at_ms, 1_760_104_536_655);
    }

    #[test]
    fn what_is_no_request_is_told() {
        for line in [
            "",
            "{",
            "{\"time_ms\":1}",
            "{\"time_ms\":1,\"method\":null,\"uri\":null}",
            "{\"time_ms\":1,\"method\":\"GET\",\"uri\":\"/\",\"protocol\":\"websocket\"}",
            "[10/Oct/2025:13:55:36 +0000] \"-\" 400",
            "\"GET / HTTP/1.1\"",
            "[é] \"GET /\"",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[\\[\\]\"{}:/ A-Z0-9a-z+.é-]{0,80}", any in ".{0,60}") {
            let _ = read(&line);
            let _ = read(&any);
            let _ = read(&format!("[{any}] \"GET {any} HTTP/1.1\""));
        }
    }
}

//! Which requests a fault is for, as far as their heads tell. Which backends it is for is known before.

/// Conditions on the head of a request; what is absent may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadRule {
    /// The method, in its own letters.
    pub method: Option<String>,
    /// The path without query: exact, or a prefix ending in `*`.
    pub path: Option<String>,
    /// Name of a field, and its value when that matters.
    pub header: Option<(String, Option<String>)>,
}

impl HeadRule {
    /// Reads `name` or `name=value`.
    pub fn header_of(written: &str) -> (String, Option<String>) {
        match written.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.trim().to_owned())),
            None => (written.trim().to_owned(), None),
        }
    }

    /// True when it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it holds for a request: the text of its head in HTTP/1.1. What has no head, such as a TCP connection,
    /// matches no condition.
    pub fn holds(&self, head: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        self.method.as_ref().is_none_or(|wanted| wanted.as_bytes() == method)
            && self.path.as_ref().is_none_or(|wanted| is_path(wanted.as_bytes(), path))
            && self.header.as_ref().is_none_or(|(name, value)| {
                lines.any(|line| is_field(line, name.as_bytes(), value.as_deref()))
            })
    }
}

fn is_path(wanted: &[u8], path: &[u8]) -> bool {
    match wanted.strip_suffix(b"*") {
        Some(prefix) => path.starts_with(prefix),
        None => path == wanted,
    }
}

fn is_field(line: &[u8], name: &[u8], value: Option<&str>) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let (found, rest) = line.split_at(colon);
    found.eq_ignore_ascii_case(name) && value.is_none_or(|value| rest[1..].trim_ascii() == value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /api/cart?x=1 HTTP/1.1\r\nHost: a\r\nX-Plan:  gold \r\n\r\n";

    fn rule(method: Option<&str>, path: Option<&str>, header: Option<&str>) -> HeadRule {
        HeadRule {
            method: method.map(str::to_owned),
            path: path.map(str::to_owned),
            header: header.map(HeadRule::header_of),
        }
    }

    #[test]
    fn all_that_is_said_must_hold() {
        for (rule, holds) in [
            (rule(None, None, None), true),
            (rule(Some("GET"), None, None), true),
            (rule(Some("get"), None, None), false),
            (rule(Some("POST"), Some("/api/*"), None), false),
            (rule(None, Some("/api/cart"), None), true),
            (rule(None, Some("/api"), None), false),
            (rule(None, Some("/api/*"), Some("x-plan=gold")), true),
            (rule(None, None, Some("x-plan=silver")), false),
            (rule(None, None, Some("X-PLAN")), true),
            (rule(None, None, Some("x-none")), false),
            (rule(None, Some("*"), None), true),
        ] {
            assert_eq!(rule.holds(HEAD), holds, "{rule:?}");
        }
    }

    #[test]
    fn what_has_no_head_meets_no_condition() {
        assert!(rule(None, None, None).holds(b""));
        assert!(!rule(None, Some("/"), None).holds(b""));
    }
}

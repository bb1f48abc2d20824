//! Why a request cannot be read, in words for the access log: the rule that was broken, and nothing of what was sent.
//!
//! The tokeniser only tells in which part of a head it stopped. Which rule that was is looked up afterwards, in the
//! bytes up to the one at which it stopped, so that it does not depend on how bytes arrive.

use std::fmt;

use aya_core::reason::Reason;

/// A request that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is called.
    pub reason: Reason,
    /// The rule it broke, from a closed set of texts.
    pub rule: &'static str,
}

impl Refusal {
    /// A request that is refused as `reason`, because of `rule`.
    pub const fn new(reason: Reason, rule: &'static str) -> Self {
        Self { reason, rule }
    }

    /// A request that cannot be read as HTTP.
    pub const fn bad(rule: &'static str) -> Self {
        Self::new(Reason::BadRequest, rule)
    }

    /// What the tokeniser made of `bytes`.
    pub(super) fn of_tokens(error: httparse::Error, bytes: &[u8]) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::new(Reason::HeadersTooLarge, "too many fields"),
            httparse::Error::HeaderName => Self::bad(name_rule(bytes)),
            httparse::Error::HeaderValue => Self::bad("a control character in the value of a field"),
            httparse::Error::NewLine => Self::bad("CR without LF"),
            httparse::Error::Version => Self::bad("neither HTTP/1.0 nor HTTP/1.1 behind the target"),
            _ if bytes.first() == Some(&TLS_HANDSHAKE) => Self::bad("a TLS handshake in place of a request"),
            _ => Self::bad("a request line that cannot be read"),
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        refusal.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

impl std::error::Error for Refusal {}

/// What a client that speaks TLS sends first (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What is wrong with the first line of a field that does not begin with a name and a colon.
fn name_rule(bytes: &[u8]) -> &'static str {
    let stopped = bytes.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let name = line.iter().take_while(|byte| is_in_name(**byte)).count();
        line.get(name).filter(|byte| **byte != b':' && line != &b"\r"[..]).map(|byte| (name, *byte))
    });
    match stopped {
        Some((0, b' ' | b'\t')) => "a folded line",
        Some((_, b' ' | b'\t')) => "whitespace between the name of a field and its colon",
        Some((1.., b'\r' | b'\n')) => "a field without a colon",
        _ => "a byte that no name of a field has",
    }
}

/// RFC 9110, 5.6.2.
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use crate::h1::{Limits, RequestHead};

    fn rule_of(bytes: &[u8]) -> &'static str {
        let mut head = RequestHead::default();
        let refused = head.read(bytes, Limits { bytes: 8192, fields: 4 });
        refused.expect_err("it is refused").rule
    }

    #[test]
    fn every_refusal_says_which_rule_was_broken() {
        let first = |line: &str| rule_of(format!("{line}\r\nhost: a\r\n\r\n").as_bytes());
        let with = |lines: &str| rule_of(format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n").as_bytes());
        assert_eq!(rule_of(b"\x16\x03\x01\x02\0"), "a TLS handshake in place of a request");
        assert_eq!(rule_of(b"\x80\x01"), "a request line that cannot be read");
        assert_eq!(first("GET / HTTP/2.0"), "neither HTTP/1.0 nor HTTP/1.1 behind the target");
        assert_eq!(first("get / HTTP/1.1"), "a method with other bytes than A-Z, 0-9, \"-\" and \"_\"");
        assert_eq!(first("GET /#x HTTP/1.1"), "a byte in the target that must be escaped");
        assert_eq!(with("Foo : x"), "whitespace between the name of a field and its colon");
        assert_eq!(with(" foo: x"), "a folded line");
        assert_eq!(with("foo"), "a field without a colon");
        assert_eq!(with("f\0o: x"), "a byte that no name of a field has");
        assert_eq!(with("foo: \0"), "a control character in the value of a field");
        assert_eq!(with("foo: x\nbar: y"), "a line that does not end with CRLF");
        assert_eq!(with("content_length: 1"), "a name that looks like that of a field with a meaning");
        assert_eq!(with("content-length: 1\r\ncontent-length: 1"), "content-length twice");
        assert_eq!(with("content-length: +1"), "a content-length that is no number");
        assert_eq!(with("transfer-encoding: cow"), "a transfer-encoding other than chunked");
        assert_eq!(
            with("content-length: 1\r\ntransfer-encoding: chunked"),
            "content-length beside transfer-encoding"
        );
        assert_eq!(with("host: a"), "host twice, or empty");
        assert_eq!(with("a: b\r\na: b\r\na: b\r\na: b"), "too many fields");
    }

    #[test]
    fn the_rule_does_not_depend_on_how_bytes_arrive() {
        for line in ["Foo : x", " foo: x", "foo", "f\0o: x", "foo: \0", "foo: x\ry"] {
            let bytes = format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n\r\n").into_bytes();
            let limits = Limits { bytes: 8192, fields: 4 };
            let read = |end: usize| RequestHead::default().read(&bytes[..end], limits);
            let first = (0..bytes.len()).map(read).find(|result| *result != Ok(false));
            assert_eq!(first.expect("it is refused before its end"), read(bytes.len()), "{line:?}");
        }
    }
}

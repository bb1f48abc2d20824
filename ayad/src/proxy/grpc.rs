//! gRPC, as far as a proxy has to know it: who speaks it, and how a call ended.
//!
//! A gRPC answer is a `200` whatever happened, so its status code tells nothing about a backend: `grpc-status` does, in
//! the head when there is no body and behind the body otherwise. Both are at hand anyway; messages are not looked at.

use crate::h1::{Fields, Known};

/// The field that says how a call ended.
const STATUS: &str = "grpc-status";

/// What a message speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// gRPC.
    Grpc,
    /// gRPC-Web: the same calls, for browsers. A call that ends at once is told by fields in both.
    Web,
}

/// Whether a message is gRPC or gRPC-Web by its content type, whichever way its messages are encoded (`+proto`).
pub(super) fn spoken(bytes: &[u8], fields: &Fields) -> Option<Spoken> {
    const TYPE: &[u8] = b"application/grpc";
    const WEB: &[u8] = b"-web";
    let given = fields.get(bytes, Known::ContentType)?;
    let (start, rest) = given.split_at_checked(TYPE.len())?;
    if !start.eq_ignore_ascii_case(TYPE) {
        return None;
    }
    let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b';' | b' '));
    match rest.split_at_checked(WEB.len()) {
        _ if ends(rest) => Some(Spoken::Grpc),
        // `-web-text` is the same in base64.
        Some((web, rest)) if web.eq_ignore_ascii_case(WEB) && (ends(rest) || rest.starts_with(b"-text")) => {
            Some(Spoken::Web)
        }
        _ => None,
    }
}

/// How a call ended, when the head of its answer already says so.
pub(super) fn status_at_once(bytes: &[u8], fields: &Fields) -> Option<u32> {
    spoken(bytes, fields).and_then(|_| fields.find(bytes, STATUS)).and_then(code)
}

/// How a call ended, when trailers, given as lines, say so.
pub(super) fn status_at_last(trailers: &[u8]) -> Option<u32> {
    let mut lines = trailers.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let (name, value) = line.split_at(line.len().min(STATUS.len()));
        let value = value.strip_prefix(b":").filter(|_| name.eq_ignore_ascii_case(STATUS.as_bytes()))?;
        code(value.trim_ascii())
    })
}

fn code(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_say_how_a_call_ended() {
        assert_eq!(status_at_last(b"x: 1\r\ngrpc-status: 14\r\n"), Some(14));
        assert_eq!(status_at_last(b"Grpc-Status:0\r\n"), Some(0));
        for none in [&b""[..], b"grpc-status-x: 14\r\n", b"grpc-status: x\r\n", b"x-grpc-status: 1\r\n"] {
            assert_eq!(status_at_last(none), None);
        }
    }
}

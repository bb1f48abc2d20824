//! gRPC, as far as a proxy has to know it: who speaks it, and how a call ended.
//!
//! A gRPC answer is a `200` whatever happened, so its status code tells nothing about a backend: `grpc-status` does, in
//! the head when there is no body and behind the body otherwise. Both are at hand anyway; messages are not looked at.

use crate::h1::{Fields, Known};

/// The field that says how a call ended.
const STATUS: &str = "grpc-status";

/// True when a message is gRPC by its content type, or gRPC-Web.
pub(super) fn is_grpc(bytes: &[u8], fields: &Fields) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let given = fields.get(bytes, Known::ContentType);
    given.and_then(|value| value.get(..TYPE.len())).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
}

/// How a call ended, when the head of its answer already says so.
pub(super) fn status_at_once(bytes: &[u8], fields: &Fields) -> Option<u32> {
    is_grpc(bytes, fields).then(|| fields.find(bytes, STATUS)).flatten().and_then(code)
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

//! gRPC, as far as a proxy has to know it: who speaks it, and how a call ended.
//!
//! A gRPC answer is a `200` whatever happened, so its status code tells nothing about a backend: `grpc-status` does, in
//! the head when there is no body and behind the body otherwise. Both are at hand anyway; messages are not looked at.

use aya_core::grpc;

use crate::h1::{Fields, Known};

/// The field that says how a call ended.
const STATUS: &str = "grpc-status";

/// True when a message is gRPC by its content type, or gRPC-Web.
pub(super) fn is_grpc(bytes: &[u8], fields: &Fields) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let given = fields.get(bytes, Known::ContentType);
    given.and_then(|value| value.get(..TYPE.len())).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
}

/// True when the head of an answer already says that the call failed by the backend's doing.
pub(super) fn failed_at_once(bytes: &[u8], fields: &Fields) -> bool {
    is_grpc(bytes, fields) && fields.find(bytes, STATUS).is_some_and(is_failure)
}

/// True when trailers, given as lines, say so.
pub(super) fn failed_at_last(trailers: &[u8]) -> bool {
    let mut lines = trailers.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let (name, value) = line.split_at(line.len().min(STATUS.len()));
        name.eq_ignore_ascii_case(STATUS.as_bytes())
            && value.strip_prefix(b":").is_some_and(|value| is_failure(value.trim_ascii()))
    })
}

fn is_failure(code: &[u8]) -> bool {
    std::str::from_utf8(code).is_ok_and(|code| code.parse().is_ok_and(grpc::is_failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_say_how_a_call_ended() {
        assert!(failed_at_last(b"x: 1\r\ngrpc-status: 14\r\n") && failed_at_last(b"Grpc-Status:13\r\n"));
        for fine in [
            &b""[..],
            b"grpc-status: 0\r\n",
            b"grpc-status: 5\r\n",
            b"grpc-status-x: 14\r\n",
            b"grpc-status: x",
        ] {
            assert!(!failed_at_last(fine));
        }
    }
}

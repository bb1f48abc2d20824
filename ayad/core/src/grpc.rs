//! gRPC's status codes, as far as a proxy has to know them.
//!
//! A gRPC answer is always a `200`; how the call ended is said by `grpc-status`. Source: *gRPC over HTTP2* and *HTTP to
//! gRPC Status Code Mapping*, both of the gRPC project, for what they say; timeouts, limits and a client that went away
//! get the code that means them, because clients decide by it whether to try again.

/// What an answer of the proxy itself is called in gRPC.
pub const fn status_of(http: u16) -> u8 {
    match http {
        400 | 405 | 414 | 417 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 | 501 => UNIMPLEMENTED,
        408 | 504 => DEADLINE_EXCEEDED,
        413 | 431 => RESOURCE_EXHAUSTED,
        429 | 502 | 503 => UNAVAILABLE,
        499 => CANCELLED,
        _ => UNKNOWN,
    }
}

/// True when a call that ended so says that its backend is in trouble, as a 5xx does: it is down, broke an invariant of
/// its own, or lost data. `UNKNOWN` is not among them: it is what many servers say for any error of their application.
pub const fn is_failure(code: u32) -> bool {
    matches!(code, 13..=15)
}

const CANCELLED: u8 = 1;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn every_reason_has_a_code_that_means_it() {
        for reason in Reason::ALL {
            assert_ne!(status_of(reason.status()), UNKNOWN, "{}", reason.as_str());
        }
        assert_eq!(status_of(Reason::NoBackend.status()), UNAVAILABLE);
        assert_eq!(status_of(Reason::FirstByteTimeout.status()), DEADLINE_EXCEEDED);
    }

    #[test]
    fn only_trouble_of_the_backend_is_a_failure() {
        let failures: Vec<u32> = (0..20).filter(|code| is_failure(*code)).collect();
        assert_eq!(failures, [13, 14, 15]);
    }
}

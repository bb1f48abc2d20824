//! Which fields may stand behind a body.

use super::Known;

/// Trailer fields that are not passed on: they would frame, route or authenticate a message whose head was already
/// acted on (RFC 9110, 6.5.1).
const NO_TRAILERS: &[&str] =
    &["authorization", "set-cookie", "content-encoding", "content-range", "max-forwards"];

/// True when a field of this name may come behind a body.
///
/// `_` counts as `-`, as it does for whoever makes variables of fields (RFC 3875, 4.1.18).
pub fn may_trail(name: &[u8]) -> bool {
    let alike =
        |no: &str| name.len() == no.len() && name.iter().zip(no.bytes()).all(|(byte, no)| plain(*byte) == no);
    let is_known = Known::of(name) != Known::Other || Known::ALL.iter().any(|known| alike(known.name()));
    !is_known && !NO_TRAILERS.iter().any(|no| alike(no))
}

/// As [`may_trail`], behind the answer of a backend: that may also report its load there, which requests may not.
pub fn may_trail_answer(name: &[u8]) -> bool {
    matches!(Known::of(name), Known::Load | Known::EndpointLoad | Known::EndpointLoadBinary)
        || may_trail(name)
}

fn plain(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

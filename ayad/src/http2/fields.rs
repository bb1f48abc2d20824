//! Fields between a map, as the codec has them, and lines, as everything else does.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::h1::{Field, Known, write_field};
use crate::queue::Queue;

/// Fields that belong to one connection, and do not exist in HTTP/2 (RFC 9113, 8.2.2).
const OF_CONNECTION: &[Known] = &[
    Known::Connection,
    Known::TransferEncoding,
    Known::Upgrade,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Http2Settings,
];

/// Writes those trailers that `may` come behind a body: [`crate::h1::may_trail`] of a request,
/// [`crate::h1::may_trail_answer`] of an answer.
pub fn trailer_lines(map: &HeaderMap, may: fn(&[u8]) -> bool, out: &mut Queue) {
    for (name, value) in map.iter().filter(|(name, _)| may(name.as_str().as_bytes())) {
        write_field(out, name.as_str(), value.as_bytes());
    }
}

/// Reads lines that this proxy wrote or checked: trailers, and what it adds to an answer. A line that is none is left
/// out.
pub fn map_of(lines: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let value = line[colon + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    }
    map
}

/// Adds a field of a head, of which `bytes` is a copy, unless it belongs to the connection. Values are not copied
/// again.
pub fn add(map: &mut HeaderMap, bytes: &Bytes, field: &Field) {
    if OF_CONNECTION.contains(&field.known) {
        return;
    }
    let value = bytes.slice(field.value.start()..field.value.end());
    // What the strict reader let through are tokens and values; anything else is better left out than passed on.
    if let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(field.name.of(bytes)), HeaderValue::from_maybe_shared(value))
    {
        map.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::may_trail;

    #[test]
    fn trailers_come_out_as_they_went_in_but_for_those_that_frame_or_direct() {
        let mut out = Queue::new();
        let map = map_of(
            b"grpc-status: 0\r\nx-a: 1\r\nX-A:2\r\ncontent-length: 3\r\nset-cookie: c\r\nset_cookie: c\r\n\
                     content_length: 3\r\ntransfer_encoding: x\r\nhost_name: h\r\nnone\r\n",
        );
        trailer_lines(&map, may_trail, &mut out);
        assert_eq!(out.data(), b"grpc-status: 0\r\nx-a: 1\r\nx-a: 2\r\nhost_name: h\r\n");
    }
}

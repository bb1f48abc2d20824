//! Answers: from the text of HTTP/1.1 to HTTP/2, and back.

use http::header::{self, HeaderMap};
use http::{Response, StatusCode, response};

use super::fields::{add, map_of};
use super::{copy, websocket};
use crate::h1::{Field, write_field};
use crate::queue::Queue;

/// An answer for the codec. `fields` are those of the head in `bytes` that pass; `added` are lines.
pub fn of_text<'f>(
    status: u16,
    bytes: &[u8],
    fields: impl Iterator<Item = &'f Field>,
    added: &[u8],
) -> Response<()> {
    let mut response = Response::new(());
    *response.version_mut() = http::Version::HTTP_2;
    // Every head that was read has one.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let shared = copy(bytes);
    let map = response.headers_mut();
    map.reserve(fields.size_hint().1.unwrap_or_default());
    for field in fields {
        add(map, &shared, field);
    }
    if !added.is_empty() {
        map.extend(map_of(added));
    }
    response
}

/// Writes the head of an answer of a backend. `ends` says that no body follows. `key` is that of the client who asked
/// for a WebSocket, and gets what HTTP/1.1 says in that case.
pub fn write(parts: &response::Parts, ends: bool, key: Option<&[u8]>, out: &mut Queue) {
    let opens = key.filter(|_| parts.status.is_success());
    let status = if opens.is_some() { StatusCode::SWITCHING_PROTOCOLS } else { parts.status };
    out.extend(b"HTTP/1.1 ");
    out.extend(status.as_str().as_bytes());
    out.extend(b" ");
    out.extend(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend(b"\r\n");
    for (name, value) in fields_of(&parts.headers) {
        write_field(out, name.as_str(), value.as_bytes());
    }
    if let Some(key) = opens {
        websocket::agree(key, out);
    } else if ends && !parts.status.is_informational() && !parts.headers.contains_key(header::CONTENT_LENGTH)
    {
        // Without a length the end of the connection would be waited for.
        if !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            write_field(out, "content-length", b"0");
        }
    }
    out.extend(b"\r\n");
}

/// What may be said in HTTP/1.1: a backend cannot frame its answer by fields (RFC 9113, 8.2.2).
fn fields_of(map: &HeaderMap) -> impl Iterator<Item = (&header::HeaderName, &http::HeaderValue)> {
    map.iter().filter(|(name, _)| {
        !matches!(**name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{Framing, Limits, ResponseHead};

    fn head(parts: http::response::Builder, ends: bool) -> (ResponseHead, String) {
        let mut out = Queue::new();
        write(&parts.body(()).unwrap().into_parts().0, ends, None, &mut out);
        let mut head = ResponseHead::default();
        assert_eq!(head.read(out.data(), false, Limits { bytes: 8192, fields: 100 }), Ok(true));
        (head, String::from_utf8(out.data().to_vec()).unwrap())
    }

    #[test]
    fn an_answer_without_a_length_ends_with_its_stream() {
        let ok = || Response::builder().status(200);
        assert_eq!(head(ok(), false).0.framing, Framing::UntilClose);
        assert_eq!(head(ok(), true).0.framing, Framing::Length(0));
        assert_eq!(head(ok().header("content-length", "5"), false).0.framing, Framing::Length(5));
        assert_eq!(head(Response::builder().status(204), true).0.framing, Framing::None);
    }

    #[test]
    fn an_unusual_status_has_an_empty_phrase() {
        assert!(head(Response::builder().status(299), true).1.starts_with("HTTP/1.1 299 \r\n"));
    }
}

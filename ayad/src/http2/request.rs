//! Requests: from HTTP/2 to the text of HTTP/1.1 that means the same, and back.

use aya_core::reason::Reason;
use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{self, HeaderMap};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, request};

use super::fields::add;
use super::{copy, websocket};
use crate::h1::{Framing, Known, Limits, RequestHead, write_field};
use crate::queue::Queue;

/// How large a head that this proxy wrote itself may be: what a client may send, and what is added.
const OURS: Limits = Limits { bytes: 2 << 20, fields: 1024 };

/// Writes the head of a request. `ends` says that no body follows. A request for a WebSocket becomes one to upgrade,
/// with `key` as the proof that it wants one.
pub fn write(parts: &request::Parts, ends: bool, key: Option<&str>, out: &mut Queue) -> Result<(), Reason> {
    let method = if key.is_some() { "GET" } else { parts.method.as_str() };
    out.extend(method.as_bytes());
    out.extend(b" ");
    let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    out.extend(if parts.method == Method::CONNECT && key.is_none() { b"/" } else { target.as_bytes() });
    out.extend(b" HTTP/1.1\r\n");
    let fields = &parts.headers;
    host(parts, out)?;
    let mut crumbs = false;
    for (name, value) in fields {
        match *name {
            header::HOST => {}
            // The codec lets them in; a reader of HTTP/1.1 would take them off (RFC 9113, 8.2.1).
            _ if value.as_bytes() != value.as_bytes().trim_ascii() => return Err(Reason::BadRequest),
            header::COOKIE => crumbs = true,
            _ => write_field(out, name.as_str(), value.as_bytes()),
        }
    }
    if crumbs {
        cookie(fields, out);
    }
    match key {
        Some(key) => websocket::ask(key, fields, out),
        None if fields.contains_key(header::CONTENT_LENGTH) => {}
        None if !ends => write_field(out, "transfer-encoding", b"chunked"),
        // What usually has a body says that it has none (RFC 9110, 8.6).
        None if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) => {
            write_field(out, "content-length", b"0");
        }
        None => {}
    }
    out.extend(b"\r\n");
    Ok(())
}

/// `host`, which must agree with `:authority` (RFC 9113, 8.3.1).
fn host(parts: &request::Parts, out: &mut Queue) -> Result<(), Reason> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut named = parts.headers.get_all(header::HOST).iter().map(http::HeaderValue::as_bytes);
    match (authority, named.next(), named.next()) {
        (_, Some(_), Some(_)) => Err(Reason::BadHost),
        (Some(authority), Some(host), None) if !authority.eq_ignore_ascii_case(host) => Err(Reason::BadHost),
        (Some(host), _, None) | (None, Some(host), None) => {
            write_field(out, "host", host);
            Ok(())
        }
        // The reader misses it.
        _ => Ok(()),
    }
}

/// Puts the parts of a cookie together that HTTP/2 may send as fields of their own (RFC 9113, 8.2.3).
fn cookie(fields: &HeaderMap, out: &mut Queue) {
    out.extend(b"cookie: ");
    for (index, crumb) in fields.get_all(header::COOKIE).iter().enumerate() {
        if index > 0 {
            out.extend(b"; ");
        }
        out.extend(crumb.as_bytes());
    }
    out.extend(b"\r\n");
}

/// A request read back from the text that this proxy wrote for a backend.
#[derive(Debug)]
pub struct Outgoing {
    /// For the codec.
    pub request: Request<()>,
    /// No body follows.
    pub ends: bool,
    /// It asks for another protocol: the key whose proof an HTTP/1.1 client waits for.
    pub key: Option<Bytes>,
}

/// Reads a head that this proxy wrote. `None` when it cannot be said in HTTP/2.
pub fn read(text: &[u8], is_secure: bool) -> Option<Outgoing> {
    let mut head = RequestHead::default();
    if head.read(text, OURS) != Ok(true) {
        return None;
    }
    let bytes = copy(&text[..head.size]);
    let mut request = Request::new(());
    *request.version_mut() = http::Version::HTTP_2;
    *request.method_mut() = Method::from_bytes(head.method.of(&bytes)).ok()?;
    *request.uri_mut() = uri(&bytes, &head, is_secure)?;
    let mut key = None;
    if head.upgrade {
        let protocol = head.fields.only(&bytes, Known::Upgrade)?;
        let asked = head.fields.find(&bytes, websocket::KEY)?;
        if !protocol.eq_ignore_ascii_case(b"websocket") {
            return None;
        }
        key = Some(bytes.slice_ref(asked));
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    let fields = request.headers_mut();
    fields.reserve(head.fields.len());
    for field in &head.fields {
        match field.known {
            Known::Host => {}
            _ if key.is_some() && field.name.of(&bytes).eq_ignore_ascii_case(websocket::KEY.as_bytes()) => {}
            _ => add(fields, &bytes, field),
        }
    }
    let ends = key.is_none() && matches!(head.framing, Framing::None | Framing::Length(0));
    Some(Outgoing { request, ends, key })
}

fn uri(bytes: &Bytes, head: &RequestHead, is_secure: bool) -> Option<Uri> {
    let target = bytes.slice(head.target.start()..head.target.end());
    let authority = bytes.slice(head.authority.start()..head.authority.end());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if is_secure { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(Authority::from_maybe_shared(authority).ok()?);
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: Request<()>, ends: bool) -> Result<String, Reason> {
        let mut out = Queue::new();
        write(&request.into_parts().0, ends, None, &mut out)?;
        Ok(String::from_utf8(out.data().to_vec()).unwrap())
    }

    fn get(uri: &str) -> http::request::Builder {
        Request::builder().uri(uri)
    }

    #[test]
    fn a_request_says_in_text_what_it_said_in_frames() {
        let request = get("http://a.example/x?y=1").header("accept", "*/*").body(()).unwrap();
        assert_eq!(
            text(request, true).unwrap(),
            "GET /x?y=1 HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn a_body_of_unknown_length_is_chunked_and_none_is_said_where_one_is_usual() {
        let post = || get("http://a/").method("POST");
        assert!(
            text(post().body(()).unwrap(), false).unwrap().contains("\r\ntransfer-encoding: chunked\r\n")
        );
        assert!(text(post().body(()).unwrap(), true).unwrap().contains("\r\ncontent-length: 0\r\n"));
        let known = text(post().header("content-length", "3").body(()).unwrap(), false).unwrap();
        assert!(known.contains("\r\ncontent-length: 3\r\n") && !known.contains("chunked"));
    }

    #[test]
    fn a_value_neither_begins_nor_ends_with_a_space() {
        for value in [" b", "b ", "\tb", "b\t", " "] {
            for name in ["x-a", "cookie", "content-type"] {
                let request = get("http://a/").header(name, value).body(()).unwrap();
                assert_eq!(text(request, true), Err(Reason::BadRequest), "{name}: {value:?}");
            }
        }
        assert!(
            text(get("http://a/").header("x-a", "b c").header("x-b", "").body(()).unwrap(), true).is_ok()
        );
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let request = get("http://a/").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
        assert!(text(request, true).unwrap().contains("\r\ncookie: a=1; b=2\r\n"));
    }

    #[test]
    fn the_authority_and_the_host_must_agree() {
        let with = |host: &str| text(get("http://a.example/").header("host", host).body(()).unwrap(), true);
        assert!(with("A.example").is_ok());
        assert_eq!(with("b.example"), Err(Reason::BadHost));
        let twice = get("/").header("host", "a").header("host", "a").body(()).unwrap();
        assert_eq!(text(twice, true), Err(Reason::BadHost));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let written = b"POST /x?y HTTP/1.1\r\nhost: a:1\r\nte: trailers\r\nconnection: te\r\n\
                        transfer-encoding: chunked\r\nX-One: 1\r\n\r\n";
        let read = read(written, false).unwrap();
        assert_eq!(read.request.uri().to_string(), "http://a:1/x?y");
        assert_eq!(read.request.method(), "POST");
        let mut names: Vec<_> = read.request.headers().keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["te", "x-one"]);
        assert!(!read.ends && read.key.is_none());
    }

    #[test]
    fn a_request_to_upgrade_becomes_an_extended_connect() {
        let written = b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
        let read = read(written, false).unwrap();
        assert_eq!(read.request.method(), "CONNECT");
        assert_eq!(read.request.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
        assert!(!read.request.headers().contains_key("sec-websocket-key"));
        assert_eq!(read.key.unwrap(), "dGhlIHNhbXBsZSBub25jZQ==");
    }
}

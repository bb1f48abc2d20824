//! Fields that belong to one connection and are never passed on (RFC 9110, 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// How many fields belong to one connection.
const FIELDS: usize = 9;

/// Every field that belongs to one connection.
///
/// `Transfer-Encoding` is among them because the next connection frames anew, `Expect` because this proxy has
/// already met the expectation.
static OWN: [HeaderName; FIELDS] = [
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    UPGRADE,
    EXPECT,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// A bit for each length among the names: most other fields are told apart by that alone.
const LENGTHS: u64 = 1 << 10 | 1 << 17 | 1 << 2 | 1 << 7 | 1 << 6 | 1 << 16 | 1 << 18 | 1 << 19;

/// Removes them from a request or an answer. One pass finds out which are there; usually that is none, or
/// `Connection` alone.
pub(super) fn remove(headers: &mut HeaderMap) {
    let mut present = [false; FIELDS];
    for name in headers.keys().filter(|name| LENGTHS >> name.as_str().len().min(63) & 1 == 1) {
        if let Some(which) = OWN.iter().position(|own| own == name) {
            present[which] = true;
        }
    }
    if present[0] {
        remove_named(headers);
    }
    let reads_trailers = present[2] && reads_trailers(headers);
    for (own, _) in OWN.iter().zip(present).filter(|(_, is_there)| *is_there) {
        headers.remove(own);
    }
    if reads_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// `TE` is kept only as the promise to read trailers.
fn reads_trailers(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(TE).iter().filter_map(|v| v.to_str().ok());
    fields.flat_map(|v| v.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Removes the fields named in `Connection`, but never those that frame or direct the message: naming them is
/// an attack.
fn remove_named(headers: &mut HeaderMap) {
    let is_plain = |value: &HeaderValue| matches!(value.as_bytes(), b"keep-alive" | b"close");
    if headers.get_all(CONNECTION).iter().all(is_plain) {
        return;
    }
    let options = headers.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
    let named: Vec<HeaderName> = options
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .filter(|option| !option.eq_ignore_ascii_case("keep-alive") && !option.eq_ignore_ascii_case("close"))
        .filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER, TE].contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_removal(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove(&mut headers);
        headers
    }

    #[test]
    fn fields_of_the_connection_and_those_it_names_go() {
        let left = after_removal(&[
            ("connection", "keep-alive, X-Secret"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("x-stays", "3"),
            ("upgrade", "websocket"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
        ]);

        assert_eq!(left.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-stays", "te"]);
        assert_eq!(left[TE], "trailers");
    }

    #[test]
    fn every_name_has_its_bit() {
        assert!(OWN.iter().all(|name| LENGTHS >> name.as_str().len() & 1 == 1));
        let bits = OWN.iter().fold(0, |bits, name| bits | 1_u64 << name.as_str().len());
        assert_eq!(bits, LENGTHS);
    }

    #[test]
    fn naming_host_or_length_does_not_remove_them() {
        let left =
            after_removal(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")]);
        assert_eq!(left.len(), 2);
    }
}

//! Fields that belong to one connection and are never passed on (RFC 9110, 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes them from a request or an answer. Costs a few comparisons when there are none.
///
/// `Transfer-Encoding` goes because the next connection frames anew, `Expect` because this proxy has already
/// met the expectation, and `TE` is kept only as the promise to read trailers.
pub(super) fn remove(headers: &mut HeaderMap) {
    if !headers.keys().any(belongs_to_connection) {
        return;
    }
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    let reads_trailers = headers
        .get_all(TE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"));
    for name in [CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE]
    {
        headers.remove(name);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    if reads_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn belongs_to_connection(name: &HeaderName) -> bool {
    [
        &CONNECTION,
        &EXPECT,
        &PROXY_AUTHENTICATE,
        &PROXY_AUTHORIZATION,
        &TE,
        &TRANSFER_ENCODING,
        &UPGRADE,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
    ]
    .contains(&name)
}

/// Fields named in `Connection`, but never those that frame or direct the message: naming them is an attack.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER, TE].contains(name))
        .collect()
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
    fn naming_host_or_length_does_not_remove_them() {
        let left =
            after_removal(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")]);
        assert_eq!(left.len(), 2);
    }
}

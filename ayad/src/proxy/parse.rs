//! Step 2: what a request is about.
//!
//! Framing, sizes and characters were checked when its head was read ([`crate::h1`]); here its path gets the one form
//! that is routed on and that the backend sees.

use aya_core::path::{BadPath, Normal, normalise};
use aya_core::reason::Reason;

use super::between::{Request, Target};
use crate::h1::Refusal;

/// Finds host and path, or why the request cannot be served. `scheme` is what the connection speaks; `normal` holds
/// the path when it had to be rewritten.
pub(super) fn parse<'r>(
    request: &Request<'r>,
    scheme: &str,
    normal: &'r mut Vec<u8>,
) -> Result<Target<'r>, Refusal> {
    if request.head.is_absolute && !has_scheme(request.head.target.of(request.bytes), scheme) {
        return Err(Refusal::bad("a target with the scheme of another listener"));
    }
    let host = std::str::from_utf8(request.head.host.of(request.bytes));
    let host = host.map_err(|_| Refusal::new(Reason::BadHost, "a host that cannot be one"))?;
    let path = match request.head.path.of(request.bytes) {
        // A target in absolute form may leave out the path; so does `*`.
        [] if request.head.is_absolute && request.method() != b"OPTIONS" => b"/",
        [] => b"*",
        path => match normalise(path, normal).map_err(|bad| Refusal::bad(rule_of(bad)))? {
            Normal::AsIs => path,
            Normal::Rewritten => normal.as_slice(),
        },
    };
    let path =
        std::str::from_utf8(path).map_err(|_| Refusal::bad("a byte in the path that must be escaped"))?;
    Ok(Target { host, path })
}

/// What is wrong with a path, without a byte of it.
fn rule_of(bad: BadPath) -> &'static str {
    match bad {
        BadPath::Relative => "a path that does not begin with a slash",
        BadPath::AboveRoot => "a path that leads above its root",
        BadPath::Control => "a control character in the path",
        BadPath::Byte(_) => "a byte in the path that must be escaped",
        BadPath::Escape => "an escape in the path without two hexadecimal digits",
        BadPath::Parameter => "a dot segment with a parameter",
    }
}

/// True when a target in absolute form begins with this scheme. Anything else was meant for another connection: who
/// believes `https` on a plain one takes the word of the client for a protection that is not there.
fn has_scheme(target: &[u8], scheme: &str) -> bool {
    let (name, rest) = target.split_at(target.len().min(scheme.len()));
    name.eq_ignore_ascii_case(scheme.as_bytes()) && rest.starts_with(b"://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{Limits, RequestHead};

    fn target(line: &str, fields: &str) -> Result<(String, String), Reason> {
        let bytes = format!("{line} HTTP/1.1\r\n{fields}\r\n").into_bytes();
        let mut head = RequestHead::default();
        assert!(head.read(&bytes, Limits { bytes: 8192, fields: 100 })?, "complete");
        let mut normal = Vec::new();
        let target = parse(&Request { bytes: &bytes, head: &head, protocol: "1.1" }, "http", &mut normal)?;
        Ok((target.host.to_owned(), target.path.to_owned()))
    }

    fn found(host: &str, path: &str) -> (String, String) {
        (host.to_owned(), path.to_owned())
    }

    #[test]
    fn the_port_is_no_part_of_the_host() {
        for (given, host) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example"),
            ("a.example:", "a.example"),
            ("[::1]:8080", "[::1]"),
            ("127.0.0.1:9", "127.0.0.1"),
        ] {
            assert_eq!(target("GET /x?y", &format!("host: {given}\r\n")), Ok(found(host, "/x")), "{given}");
        }
    }

    #[test]
    fn an_absolute_target_must_agree_with_the_host_field() {
        assert_eq!(
            target("GET http://b.example:80/p?q", "host: b.example\r\n"),
            Ok(found("b.example", "/p"))
        );
        assert_eq!(target("GET http://b.example", "host: b.example\r\n"), Ok(found("b.example", "/")));
        assert_eq!(target("OPTIONS http://b.example", "host: b.example\r\n"), Ok(found("b.example", "*")));
        assert_eq!(target("GET http://b.example/p", "host: a.example\r\n"), Err(Reason::BadHost));
        assert_eq!(target("GET https://b.example/p", "host: b.example\r\n"), Err(Reason::BadRequest));
        assert_eq!(target("GET http://u@b.example/p", "host: b.example\r\n"), Err(Reason::BadRequest));
    }

    #[test]
    fn an_absolute_target_has_the_scheme_of_its_connection() {
        assert!(has_scheme(b"HTTP://a", "http") && has_scheme(b"https://a", "https"));
        for other in [&b"https://a"[..], b"http:/a", b"http", b"ht"] {
            assert!(!has_scheme(other, "http"), "{other:?}");
        }
    }

    #[test]
    fn what_cannot_be_one_host_is_refused() {
        for hosts in [&[][..], &["a", "b"], &[""], &["a b"], &["a:b"], &["[::1"], &[":80"], &["a/b"]] {
            let lines: Vec<_> = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
            let fields = lines.concat();
            assert_eq!(target("GET /", &fields), Err(Reason::BadHost), "{hosts:?}");
        }
    }

    #[test]
    fn the_path_is_brought_into_its_normal_form() {
        assert_eq!(target("GET //a/./b/../%63?x=/../", "host: a\r\n"), Ok(found("a", "/a/c")));
        assert_eq!(target("GET /../x", "host: a\r\n"), Err(Reason::BadRequest));
    }
}

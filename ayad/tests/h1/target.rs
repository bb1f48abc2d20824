//! Targets and hosts of requests, rule by rule.

use aya_core::reason::Reason;

use super::request::{accepted, first, refused};

#[test]
fn a_target_has_one_of_the_forms_that_its_method_allows() {
    for (line, reason) in [
        ("CONNECT a.example:80 HTTP/1.1", Reason::NotImplemented),
        ("CONNECT / HTTP/1.1", Reason::NotImplemented),
        ("GET a.example:80 HTTP/1.1", Reason::BadRequest),
        ("GET a.example HTTP/1.1", Reason::BadRequest),
        ("GET * HTTP/1.1", Reason::BadRequest),
        ("OPTIONS ** HTTP/1.1", Reason::BadRequest),
        ("OPTIONS *?a HTTP/1.1", Reason::BadRequest),
        ("GET ?a HTTP/1.1", Reason::BadRequest),
        ("GET a/b HTTP/1.1", Reason::BadRequest),
        ("GET ../a HTTP/1.1", Reason::BadRequest),
        ("GET \\a HTTP/1.1", Reason::BadRequest),
        ("GET /a#b HTTP/1.1", Reason::BadRequest),
        ("GET /a?b#c HTTP/1.1", Reason::BadRequest),
        ("GET /\u{e9} HTTP/1.1", Reason::BadRequest),
        ("GET /\u{7f} HTTP/1.1", Reason::BadRequest),
        ("GET /\u{1} HTTP/1.1", Reason::BadRequest),
        ("GET /\0 HTTP/1.1", Reason::BadRequest),
        ("GET ftp://a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET file:///etc HTTP/1.1", Reason::BadRequest),
        ("GET http:a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET http:/a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET ://a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET http://u@a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET http://u:p@a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET http://@a.example/ HTTP/1.1", Reason::BadRequest),
        ("GET http:///a HTTP/1.1", Reason::BadHost),
        ("GET http:// HTTP/1.1", Reason::BadHost),
        ("GET http://?a HTTP/1.1", Reason::BadHost),
        ("GET http://b.example/ HTTP/1.1", Reason::BadHost),
        ("GET http://a.example:8080/ HTTP/1.1", Reason::BadHost),
        ("GET http://a.example:443/ HTTP/1.1", Reason::BadHost),
        ("GET https://a.example:80/ HTTP/1.1", Reason::BadHost),
        ("GET http://a.example\\@b/ HTTP/1.1", Reason::BadRequest),
        ("GET http://a.example.evil/ HTTP/1.1", Reason::BadHost),
    ] {
        refused(&first(line), reason);
    }
    for (line, path, query) in [
        ("GET / HTTP/1.1", "/", ""),
        ("GET /? HTTP/1.1", "/", "?"),
        ("GET /a?b?c HTTP/1.1", "/a", "?b?c"),
        ("GET //a//b HTTP/1.1", "//a//b", ""),
        ("GET /http://b.example/ HTTP/1.1", "/http://b.example/", ""),
        ("OPTIONS * HTTP/1.1", "", ""),
        ("OPTIONS / HTTP/1.1", "/", ""),
        ("GET http://a.example HTTP/1.1", "", ""),
        ("GET http://A.Example:80/x HTTP/1.1", "/x", ""),
        ("GET HTTPS://a.example:443?q HTTP/1.1", "", "?q"),
        ("GET http://a.example:/x HTTP/1.1", "/x", ""),
    ] {
        let bytes = first(line);
        let head = accepted(&bytes);
        let found = (head.path.of(&bytes), head.query.of(&bytes));
        assert_eq!(found, (path.as_bytes(), query.as_bytes()), "{line}");
        assert!(head.host.of(&bytes).eq_ignore_ascii_case(b"a.example"), "{line}");
        assert_eq!(head.is_absolute, line.contains("://") && !line.contains(" /"), "{line}");
    }
}

#[test]
fn there_is_exactly_one_host_and_it_can_be_one() {
    let host = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes();

    for lines in [
        "",
        "A: b\r\n",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost:\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a#b\r\n",
        "Host: a?b\r\n",
        "Host: a\\b\r\n",
        "Host: a;b\r\n",
        "Host: %61\r\n",
        "Host: \u{e9}\r\n",
        "Host: http://a\r\n",
        "Host: :80\r\n",
        "Host: a:b\r\n",
        "Host: a:-1\r\n",
        "Host: a:+80\r\n",
        "Host: a: 80\r\n",
        "Host: a:80:80\r\n",
        "Host: a:65536\r\n",
        "Host: a:99999\r\n",
        "Host: a:000080\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [::1]x\r\n",
        "Host: [::1]:x\r\n",
        "Host: []\r\n",
        "Host: [1.2.3.4]\r\n",
        "Host: [a]\r\n",
        "Host: [fe80::1%25eth0]\r\n",
        "Host: a[::1]\r\n",
    ] {
        refused(&host(lines), Reason::BadHost);
    }
    for (given, expected) in [
        ("a", "a"),
        ("A.example.", "A.example."),
        ("a_b-c.1", "a_b-c.1"),
        ("a:65535", "a"),
        ("a:", "a"),
        ("127.0.0.1:9", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]"),
    ] {
        let bytes = host(&format!("Host: {given}\r\n"));
        assert_eq!(accepted(&bytes).host.of(&bytes), expected.as_bytes(), "{given}");
    }
}

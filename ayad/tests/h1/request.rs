//! Heads of requests, rule by rule.

use aya_core::reason::Reason;
use ayad::h1::{Framing, Known, Limits, RequestHead};

use super::kit::{LIMITS, fields, request};

/// A request with these lines after a first one and a host that are fine.
fn with(lines: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n").into_bytes()
}

/// A request with this line, and a host.
pub(crate) fn first(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a.example\r\n\r\n").into_bytes()
}

pub(crate) fn refused(bytes: &[u8], reason: Reason) {
    assert_eq!(request(bytes).err(), Some(reason), "{}", bytes.escape_ascii());
}

pub(crate) fn accepted(bytes: &[u8]) -> RequestHead {
    match request(bytes) {
        Ok(Some(head)) => head,
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn an_ordinary_request_is_spans_into_its_bytes() {
    let bytes =
        b"GET /a/b?c=d HTTP/1.1\r\nHost: A.example:8080\r\nX-One:  1 \r\nx-one:\r\nAccept: */*\r\n\r\nrest";
    let head = accepted(bytes);

    let text = |span: ayad::h1::Span| std::str::from_utf8(span.of(bytes)).unwrap();
    assert_eq!((text(head.method), text(head.target)), ("GET", "/a/b?c=d"));
    assert_eq!((text(head.path), text(head.query)), ("/a/b", "?c=d"));
    assert_eq!((text(head.authority), text(head.host)), ("A.example:8080", "A.example"));
    assert_eq!(head.size, bytes.len() - "rest".len());
    assert_eq!(
        (head.framing, head.keep_alive, head.http_1_0, head.upgrade),
        (Framing::None, true, false, false)
    );
    let values: Vec<_> =
        fields(bytes, &head.fields).into_iter().map(|(name, value)| (name, value.len())).collect();
    let expected = [("host", 14), ("x-one", 1), ("x-one", 0), ("accept", 3)];
    assert_eq!(values, expected.map(|(name, length)| (name.to_owned(), length)));
    let lines: Vec<_> = head.fields.iter().map(|field| field.line().of(bytes)).collect();
    assert_eq!(lines[1], b"X-One:  1 \r\n");
    assert_eq!(lines.concat(), bytes[23..head.size - 2]);
    assert!(head.fields.has(Known::Accept) && !head.fields.has(Known::Cookie));
}

#[test]
fn the_length_is_one_number_or_chunks() {
    for (lines, framing) in [
        ("A: b", Framing::None),
        ("Content-Length: 0", Framing::Length(0)),
        ("Content-Length: 5", Framing::Length(5)),
        ("content-length:\t 0005\t", Framing::Length(5)),
        ("Content-Length: 9999999999999999999", Framing::Length(9_999_999_999_999_999_999)),
        ("Transfer-Encoding: chunked", Framing::Chunked),
        ("transfer-encoding:CHUNKED", Framing::Chunked),
    ] {
        assert_eq!(accepted(&with(lines)).framing, framing, "{lines}");
    }
}

#[test]
fn a_length_that_two_readers_could_read_differently_is_refused() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
        "Content-Length: 5\r\nTransfer-Encoding:",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length:",
        "Content-Length: ,5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 0",
        "Content-Length: 5.0",
        "Content-Length: 5e1",
        "Content-Length: five",
        "Content-Length: \"5\"",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999",
        "Content-Length: 00000000000000000005",
        "Content-Length: \u{665}",
        "Content_Length: 5",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chun ked",
        "Transfer_Encoding: chunked",
        "transfer-Encoding_: chunked\r\nTRANSFER_ENCODING: chunked",
    ] {
        refused(&with(lines), Reason::BadRequest);
    }
}

#[test]
fn a_coding_that_is_not_ours_is_told_from_a_trick() {
    for lines in
        ["Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity"]
    {
        refused(&with(lines), Reason::NotImplemented);
    }
}

#[test]
fn http_1_0_has_no_chunks_and_closes_unless_asked() {
    let old = |lines: &str| format!("GET / HTTP/1.0\r\n{lines}\r\n").into_bytes();

    refused(&old("Transfer-Encoding: chunked\r\n"), Reason::BadRequest);
    refused(&old("Host: a\r\nHost: a\r\n"), Reason::BadHost);
    let bare = accepted(&old(""));
    assert!(bare.http_1_0 && !bare.keep_alive && bare.host.is_empty() && bare.authority.is_empty());
    assert!(accepted(&old("Connection: keep-alive\r\n")).keep_alive);
    assert!(!accepted(&old("Connection: keep-alive, close\r\n")).keep_alive);
    assert!(!accepted(&old("Expect: 100-continue\r\n")).expects_continue);
    assert!(!accepted(&old("Connection: upgrade\r\nUpgrade: websocket\r\n")).upgrade);
}

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    for bytes in [
        &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA:\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: \n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\n\r\n",
        b"GET / HTTP/1.0\r\n\n",
    ] {
        refused(bytes, Reason::BadRequest);
    }
}

#[test]
fn a_few_line_ends_may_come_before_a_request_and_no_more() {
    let after = |lead: &str| [lead.as_bytes(), &first("GET / HTTP/1.1")].concat();

    assert_eq!(accepted(&after("\r\n")).method.start(), 2);
    assert_eq!(accepted(&after("\r\n\r\n")).size, after("\r\n\r\n").len());
    for lead in ["\r\n\r\n\r\n", "\n", "\n\n", "\r\n\n", "\n\r\n\n", "\r\r\n", "\r", " ", "\t", "\0"] {
        refused(&after(lead), Reason::BadRequest);
    }
    assert_eq!(request(&b"\r\n".repeat(2048)).err(), Some(Reason::HeadersTooLarge));
}

#[test]
fn a_field_is_a_token_a_colon_and_plain_text() {
    for lines in [
        "A : b",
        "A\t: b",
        " A: b",
        "\tA: b",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "Content-Length: 5\r\n 0",
        ": b",
        "A",
        "A b: c",
        "A(b): c",
        "A,b: c",
        "A\"b: c",
        "A/b: c",
        "A{b}: c",
        "A\u{e9}: b",
        "A\0: b",
        "A: b\0",
        "A: b\u{1}c",
        "A: b\u{8}",
        "A: b\u{b}c",
        "A: \u{1b}[0m",
        "A: b\u{7f}",
        "=: b\r\n@: c",
    ] {
        refused(&with(lines), Reason::BadRequest);
    }
    accepted(&with("!#$%&'*+-.^_`|~09az: \t!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \u{e9}\u{ff}\t"));
}

#[test]
fn the_first_line_is_method_target_version_with_one_space_between() {
    for line in [
        "GET /",
        "GET",
        "",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / http/1.1",
        "GET / HTTP/1,1",
        "GET / HTTP/ 1.1",
        "GET / XTTP/1.1",
        "GET /  HTTP/1.1",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET HTTP/1.1",
        "G(T / HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET\u{e9} / HTTP/1.1",
        "get / HTTP/1.1",
        "Get / HTTP/1.1",
        "head / HTTP/1.1",
        "GE!T / HTTP/1.1",
    ] {
        refused(&first(line), Reason::BadRequest);
    }
    for method in ["GET", "POST", "M-SEARCH", "BASELINE-CONTROL", "X_1"] {
        accepted(&first(&format!("{method} / HTTP/1.1")));
    }
}

#[test]
fn names_that_some_read_as_others_are_refused_and_only_those() {
    for name in
        ["Content_Length", "TRANSFER_ENCODING", "X_Forwarded_For", "x-forwarded_host", "X_FORWARDED-PROTO"]
    {
        refused(&with(&format!("{name}: 1")), Reason::BadRequest);
    }
    accepted(&with("X_Plan: gold\r\nuser_agent: x\r\nContent_Lengths: 5\r\nX_Forwarded: a"));
}

#[test]
fn options_of_the_connection_are_read_from_every_list() {
    let head = |lines: &str| accepted(&with(lines));

    assert!(head("A: b").keep_alive);
    for close in [
        "Connection: close",
        "Connection: a, CLOSE ,b",
        "Connection: a\r\nconnection: close",
        "Connection: keep-alive, close",
    ] {
        assert!(!head(close).keep_alive, "{close}");
    }
    assert!(head("Connection: closed, x-close").keep_alive);
    assert!(head("Connection: Upgrade\r\nUpgrade: websocket").upgrade);
    assert!(head("Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0").upgrade);
    assert!(head("Connection: upgrade\r\nUpgrade: IRC/6.9, h2cx, HTTP/2.0, ,x").upgrade);
    for no in [
        "Upgrade: websocket",
        "Connection: upgrade",
        "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1",
        "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Connection: upgrade\r\nUpgrade: websocket, H2C",
        "Connection: upgrade\r\nUpgrade: h2c/1, foo",
        "Connection: upgrade\r\nUpgrade: foo\r\nUpgrade: H2c/2.0",
        "Connection: upgrade\r\nUpgrade: \"h2c\", h2c;x",
        "Connection: upgrade\r\nUpgrade: foo, h2c /1",
        "Connection: upgrade\r\nUpgrade: foo/",
        "Connection: upgrade\r\nUpgrade: /h2c",
    ] {
        assert!(!head(no).upgrade, "{no}");
    }
}

#[test]
fn only_one_expectation_is_known() {
    assert!(accepted(&with("Expect: 100-Continue\r\nContent-Length: 1")).expects_continue);
    for lines in [
        "Expect: x",
        "Expect:",
        "Expect: 100-continue, x",
        "Expect: y 100-continue",
        "Expect: 100-continue\r\nExpect: 100-continue",
    ] {
        refused(&with(lines), Reason::ExpectationFailed);
    }
}

#[test]
fn limits_hold_to_the_byte_and_to_the_field() {
    let padded = |size: usize| with(&format!("A: {}", "x".repeat(size - with("A: ").len())));

    assert_eq!(accepted(&padded(LIMITS.bytes)).size, LIMITS.bytes);
    refused(&padded(LIMITS.bytes + 1), Reason::HeadersTooLarge);
    refused(&padded(LIMITS.bytes + 1)[..LIMITS.bytes], Reason::HeadersTooLarge);
    assert!(matches!(request(&padded(LIMITS.bytes + 1)[..LIMITS.bytes - 1]), Ok(None)));
    let long = format!("GET /{}", "a".repeat(LIMITS.bytes));
    refused(long.as_bytes(), Reason::UriTooLong);

    let many = |fields: usize| with("A: b\r\n".repeat(fields - 1).trim_end());
    assert_eq!(accepted(&many(LIMITS.fields)).fields.len(), LIMITS.fields);
    refused(&many(LIMITS.fields + 1), Reason::HeadersTooLarge);
    let roomy = Limits { bytes: 65_536, fields: 1_000 };
    let mut head = RequestHead::default();
    assert_eq!(head.read(&many(1_000), roomy), Ok(true));
    assert_eq!(head.read(&many(1_001), roomy).map_err(Reason::from), Err(Reason::HeadersTooLarge));
}

#[test]
fn a_head_is_incomplete_until_its_last_byte_and_remembers_nothing() {
    let bytes = with("Content-Length: 5\r\nConnection: close");
    let mut head = RequestHead::default();
    for end in 0..bytes.len() {
        assert_eq!(head.read(&bytes[..end], LIMITS), Ok(false), "{end}");
    }
    assert_eq!(head.read(&bytes, LIMITS), Ok(true));
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(5), false));

    let next = first("GET /next HTTP/1.1");
    assert_eq!(head.read(&next, LIMITS), Ok(true));
    assert_eq!((head.framing, head.keep_alive, head.fields.len()), (Framing::None, true, 1));
    assert!(!head.fields.has(Known::ContentLength));
}

//! Heads of answers, rule by rule.

use ayad::h1::{Framing, ResponseHead};

use super::kit::{LIMITS, response, response_to};

fn with(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n").into_bytes()
}

fn first(line: &str) -> Vec<u8> {
    format!("{line}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn refused(bytes: &[u8]) {
    assert!(response(bytes).is_err(), "{} was accepted", bytes.escape_ascii());
}

fn accepted(bytes: &[u8]) -> ResponseHead {
    match response(bytes) {
        Ok(Some(head)) => head,
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn an_ordinary_answer_is_spans_into_its_bytes() {
    let bytes = b"HTTP/1.1 404 Not  Found\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc";
    let head = accepted(bytes);

    assert_eq!((head.status, head.reason.of(bytes)), (404, &b"Not  Found"[..]));
    assert_eq!((head.framing, head.keep_alive, head.http_1_0), (Framing::Length(3), true, false));
    assert_eq!((head.size, head.fields.len()), (bytes.len() - 3, 2));
}

#[test]
fn a_status_has_three_digits_in_range_and_any_phrase() {
    for (line, reason) in [
        ("HTTP/1.1 200", &b""[..]),
        ("HTTP/1.1 200 ", b""),
        ("HTTP/1.1 200  ", b" "),
        ("HTTP/1.1 599 \u{e9}\t(x)", "\u{e9}\t(x)".as_bytes()),
        ("HTTP/1.0 999", b""),
    ] {
        let bytes = first(line);
        if line.contains("999") {
            refused(&bytes);
        } else {
            assert_eq!(accepted(&bytes).reason.of(&bytes), reason, "{line}");
        }
    }
    for line in [
        "HTTP/1.1 099 x",
        "HTTP/1.1 000 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 20 x",
        "HTTP/1.1 2000 x",
        "HTTP/1.1 2x0 x",
        "HTTP/1.1 -20 x",
        "HTTP/1.1 +200 x",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 O\u{7f}K",
        "HTTP/1.1 200 O\u{1b}K",
        "HTTP/1.2 200 OK",
        "HTTP/2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "200 OK",
        "HTTP/1.1",
    ] {
        refused(&first(line));
    }
}

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    for bytes in [
        &b"HTTP/1.1 200 OK\nA: b\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nA: b\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\n",
        b"HTTP/1.1 200\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\n\r\n",
        b"HTTP/1.1 200 OK\r\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ] {
        refused(bytes);
    }
}

#[test]
fn a_length_that_two_readers_could_read_differently_is_refused() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        refused(&with(lines));
        for method in ["HEAD", "GET"] {
            assert!(response_to(method, &with(lines)).is_err(), "{method} {lines}");
        }
    }
    refused(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn where_a_body_ends_follows_from_method_status_and_fields() {
    for (method, head, framing) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5)),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked),
        ("GET", "HTTP/1.1 200 OK\r\n\r\n", Framing::UntilClose),
        ("GET", "HTTP/1.0 200 OK\r\n\r\n", Framing::UntilClose),
        ("GET", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", Framing::None),
        ("GET", "HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::None),
        ("GET", "HTTP/1.1 204 x\r\n\r\n", Framing::None),
        ("GET", "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", Framing::None),
        ("GET", "HTTP/1.1 100 x\r\n\r\n", Framing::None),
        ("GET", "HTTP/1.1 101 x\r\n\r\n", Framing::None),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::None),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::None),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", Framing::None),
    ] {
        let read = response_to(method, head.as_bytes()).unwrap().unwrap();
        assert_eq!(read.framing, framing, "{method} {head}");
        assert_eq!(read.keep_alive, framing != Framing::UntilClose && !read.http_1_0, "{method} {head}");
    }
}

#[test]
fn an_answer_without_a_body_must_not_announce_one() {
    for status in ["100 x", "101 x", "103 x", "204 x"] {
        for lines in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            refused(format!("HTTP/1.1 {status}\r\n{lines}\r\n\r\n").as_bytes());
        }
    }
}

#[test]
fn a_connection_is_kept_unless_somebody_says_no() {
    let keeps = |version: &str, lines: &str| {
        accepted(format!("{version} 200 OK\r\nContent-Length: 0\r\n{lines}\r\n").as_bytes()).keep_alive
    };

    assert!(keeps("HTTP/1.1", "") && keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps("HTTP/1.0", "") && !keeps("HTTP/1.1", "Connection: x, close\r\n"));
    assert!(!keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
}

#[test]
fn interim_answers_are_those_that_another_one_follows() {
    let is_interim = |status: &str| accepted(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes()).is_interim();

    assert!(is_interim("100") && is_interim("103") && is_interim("199"));
    assert!(!is_interim("101") && !is_interim("200"));
}

#[test]
fn limits_hold_to_the_byte_and_to_the_field() {
    let padded = |size: usize| with(&format!("A: {}", "x".repeat(size - with("A: ").len())));

    assert_eq!(accepted(&padded(LIMITS.bytes)).size, LIMITS.bytes);
    refused(&padded(LIMITS.bytes + 1));
    refused(&padded(LIMITS.bytes + 1)[..LIMITS.bytes]);
    assert!(matches!(response(&padded(LIMITS.bytes + 1)[..LIMITS.bytes - 1]), Ok(None)));
    accepted(&with(&vec!["A: b"; LIMITS.fields].join("\r\n")));
    refused(&with(&vec!["A: b"; LIMITS.fields + 1].join("\r\n")));
}

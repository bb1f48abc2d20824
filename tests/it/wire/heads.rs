//! Heads of requests: what two parsers could read differently is refused, everything else arrives as it came.

use super::{Bench, Case, Outcome, case, passed};

const BAD: Outcome = Outcome::Refused(400, "bad-request");

fn bad(name: &str, sent: impl AsRef<[u8]>) -> Case {
    case(name, sent, BAD)
}

/// A request with this line among its fields.
fn with_line(line: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\nx: y\r\n\r\n")
}

/// A request with this first line.
fn with_first(line: &str) -> String {
    format!("{line}\r\nhost: a\r\n\r\n")
}

#[test]
fn a_line_that_does_not_end_with_crlf_is_refused() {
    Bench::new().play(&[
        bad("LF alone", "GET / HTTP/1.1\nhost: a\n\n"),
        bad("LF behind the request line", "GET / HTTP/1.1\nhost: a\r\n\r\n"),
        bad("LF behind a field", "GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n"),
        bad("LF behind the last field", "GET / HTTP/1.1\r\nhost: a\n\r\n"),
        bad("LF as the empty line", "GET / HTTP/1.1\r\nhost: a\r\n\n"),
        bad("CR in the request line", "GET /\r HTTP/1.1\r\nhost: a\r\n\r\n"),
        bad("CR behind the version", "GET / HTTP/1.1\r\r\nhost: a\r\n\r\n"),
        bad("CR in a value", with_line("b: c\rd")),
        bad("CR at the end of a value", with_line("b: c\r")),
        bad("CR in a name", with_line("b\rc: d")),
        bad("CR before a name", with_line("\rb: c")),
        bad("CR alone between lines", "GET / HTTP/1.1\rhost: a\r\r\n\r\n"),
        bad("LF before the request", "\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        bad("CR before the request", "\rGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        bad("more empty lines than old clients send", "\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ]);
}

#[test]
fn fields_that_are_not_a_name_a_colon_and_a_value_are_refused() {
    let mut cases = vec![
        bad("folded with a space", with_line("b: c\r\n d")),
        bad("folded with a tab", with_line("b: c\r\n\td")),
        bad("folded into framing", with_line("b: c\r\n content-length: 5")),
        bad("the first field is folded", "GET / HTTP/1.1\r\n x: y\r\nhost: a\r\n\r\n"),
        bad("space before the colon", with_line("b : c")),
        bad("tab before the colon", with_line("b\t: c")),
        bad("space before the colon of a length", with_line("content-length : 5")),
        bad("no name", with_line(": c")),
        bad("no colon", with_line("b c")),
        bad("only a name", with_line("b")),
        bad("a line of spaces", with_line("  ")),
        // Servers that hand fields on as variables read these as the real ones.
        bad("a coding with an underscore", with_line("transfer_encoding: chunked")),
        bad("a length with an underscore", with_line("Content_Length: 5")),
    ];
    for byte in
        [b' ', b'"', b'(', b')', b',', b'/', b';', b'<', b'=', b'>', b'@', b'[', b'\\', b']', b'{', b'}']
    {
        let name = format!("b{}c: d", byte as char);
        cases.push(bad(&format!("{} in a name", byte as char), with_line(&name)));
    }
    Bench::new().play(&cases);
}

#[test]
fn control_characters_are_refused_wherever_they_stand() {
    let mut cases = Vec::new();
    for byte in [0_u8, 1, 7, 8, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f] {
        for (place, before, after) in [
            ("the method", "GE", "T / HTTP/1.1\r\nhost: a\r\n\r\n"),
            ("the target", "GET /x", "y HTTP/1.1\r\nhost: a\r\n\r\n"),
            ("a name", "GET / HTTP/1.1\r\nhost: a\r\nb", "c: d\r\n\r\n"),
            ("a value", "GET / HTTP/1.1\r\nhost: a\r\nb: c", "d\r\n\r\n"),
        ] {
            let sent = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            cases.push(bad(&format!("{byte:#04x} in {place}"), sent));
        }
    }
    for byte in [0x80_u8, 0xc3, 0xff] {
        let target = [b"GET /x".as_slice(), &[byte], b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
        cases.push(bad(&format!("{byte:#04x} in the target"), target));
        let name = [b"GET / HTTP/1.1\r\nhost: a\r\nb".as_slice(), &[byte], b": c\r\n\r\n"].concat();
        cases.push(bad(&format!("{byte:#04x} in a name"), name));
    }
    Bench::new().play(&cases);
}

#[test]
fn request_lines_that_are_not_three_words_are_refused() {
    Bench::new().play(&[
        bad("no target", with_first("GET HTTP/1.1")),
        bad("no version", with_first("GET /")),
        bad("two spaces before the target", with_first("GET  / HTTP/1.1")),
        bad("two spaces before the version", with_first("GET /  HTTP/1.1")),
        bad("a tab before the target", with_first("GET\t/ HTTP/1.1")),
        bad("a tab before the version", with_first("GET /\tHTTP/1.1")),
        bad("a space at the start", with_first(" GET / HTTP/1.1")),
        bad("a space behind the version", with_first("GET / HTTP/1.1 ")),
        bad("a fourth word", with_first("GET / x HTTP/1.1")),
        bad("no method", with_first(" / HTTP/1.1")),
        bad("a method that is no token", with_first("G(ET / HTTP/1.1")),
        bad("a method in lower case", with_first("get / HTTP/1.1")),
        bad("lower case version", with_first("GET / http/1.1")),
        bad("HTTP/0.9", with_first("GET / HTTP/0.9")),
        bad("HTTP/1.2", with_first("GET / HTTP/1.2")),
        bad("HTTP/1.10", with_first("GET / HTTP/1.10")),
        bad("HTTP/01.1", with_first("GET / HTTP/01.1")),
        bad("HTTP/2.0", with_first("GET / HTTP/2.0")),
        bad("HTTP/1", with_first("GET / HTTP/1")),
        bad("HTTP/1.", with_first("GET / HTTP/1.")),
        bad("another protocol", with_first("GET / RTSP/1.0")),
        bad("a response", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        bad("another language", "EHLO mail.example\r\n\r\n"),
    ]);
}

#[test]
fn unusual_heads_arrive_as_they_came() {
    let same = |name: &str, sent: &str| case(name, sent, passed(sent));
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nb: {}\r\n\r\n", "c".repeat(15_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "n: 1\r\n".repeat(99));
    Bench::new().play(&[
        same("order and case stay", "GET / HTTP/1.1\r\nB: 1\r\nHOST: a\r\nA: 2\r\nb: 3\r\n\r\n"),
        same("an empty value", "GET / HTTP/1.1\r\nhost: a\r\nb:\r\n\r\n"),
        same("no space behind the colon", "GET / HTTP/1.1\r\nhost:a\r\nb:c\r\n\r\n"),
        same("spaces around a value", "GET / HTTP/1.1\r\nhost:   a  \r\nb: \t c \t\r\n\r\n"),
        same("tabs inside a value", "GET / HTTP/1.1\r\nhost: a\r\nb: c\td\r\n\r\n"),
        same("UTF-8 in a value", "GET / HTTP/1.1\r\nhost: a\r\nb: ä€\r\n\r\n"),
        same("every character of a name", "GET / HTTP/1.1\r\nhost: a\r\n!#$%&'*+-.^_`|~09azAZ: c\r\n\r\n"),
        same("a method of its own", "M-SEARCH_2 / HTTP/1.1\r\nhost: a\r\n\r\n"),
        same("a field of 15,000 bytes", &long),
        same("a hundred fields", &many),
        case(
            "an empty line before the request",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            passed("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ),
    ]);
}

//! How long a body is: one clear statement, or the connection ends.

use super::{Bench, Case, Outcome, case, passed};

/// A request with these fields, and behind it what a laxer reader would take for another one.
fn post(fields: &str) -> String {
    format!(
        "POST /a HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
    )
}

fn refused(fields: &str, status: u16, reason: &'static str) -> Case {
    case(fields.escape_debug().to_string(), post(fields), Outcome::Refused(status, reason))
}

#[test]
fn lengths_in_doubt_are_refused() {
    let fields = [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: chunked\r\ncontent-length: 0",
        "content-length: 5\r\ncontent-length: 5",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5\r\nContent-Length: 0",
        "content-length: 5, 5",
        "content-length: 5,",
        "content-length: ,5",
        "content-length: +5",
        "content-length: -5",
        "content-length: -0",
        "content-length: 0x5",
        "content-length: 5.0",
        "content-length: 5e0",
        "content-length: 5 5",
        "content-length: 5;x",
        "content-length: five",
        "content-length: \"5\"",
        "content-length: ５",
        "content-length:",
        "content-length: 18446744073709551616",
        "content-length: 99999999999999999999",
        "content-length: 5\r\ntransfer-encoding: identity",
        "content-length: 5\r\ntransfer-encoding:",
    ];
    Bench::new().play(&fields.map(|fields| refused(fields, 400, "bad-request")));
}

#[test]
fn codings_other_than_chunked_are_refused() {
    let bad = [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: chunked,",
        "transfer-encoding: ,chunked",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunkedx",
        "transfer-encoding: chunk",
        "transfer-encoding: chunked chunked",
        "transfer-encoding:",
        "transfer-encoding: ,",
    ];
    let unknown = [
        "transfer-encoding: gzip",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: deflate\r\ntransfer-encoding: chunked",
    ];
    let mut cases: Vec<_> = bad.map(|fields| refused(fields, 400, "bad-request")).into();
    cases.extend(unknown.map(|fields| refused(fields, 501, "not-implemented")));
    Bench::new().play(&cases);
}

#[test]
fn http_1_0_has_no_chunks() {
    let old = |fields: &str| format!("POST / HTTP/1.0\r\nhost: a\r\n{fields}\r\n\r\n0\r\n\r\n");
    Bench::new().play(&[
        case("chunked", old("transfer-encoding: chunked"), Outcome::Refused(400, "bad-request")),
        case(
            "chunked, kept",
            old("connection: keep-alive\r\ntransfer-encoding: chunked"),
            Outcome::Refused(400, "bad-request"),
        ),
    ]);
}

#[test]
fn bodies_whose_length_is_clear_arrive_as_they_came() {
    let same = |name: &str, sent: &str| case(name, sent, passed(sent));
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}");
    Bench::new().play(&[
        same("a length", &post("content-length: 5", "hello")),
        same("a length with zeros", &post("content-length: 0005", "hello")),
        same("a length of nothing", &post("content-length: 0", "")),
        same("a length of a GET", "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"),
        same("no length", "POST / HTTP/1.1\r\nhost: a\r\n\r\n"),
        same("chunks", &post("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")),
        same("chunks in capitals", &post("Transfer-Encoding: CHUNKED", "5\r\nhello\r\n0\r\n\r\n")),
        same("no chunk", &post("transfer-encoding: chunked", "0\r\n\r\n")),
        same("a body that looks like a request", &post("content-length: 20", "GET /x HTTP/1.1\r\n\r\n\n")),
    ]);
}

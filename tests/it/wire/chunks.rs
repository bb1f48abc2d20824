//! Chunks of requests: the sizes, what stands beside them, and the trailers.

use super::{Bench, Case, Outcome, case, passed};

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
}

fn bad(name: &str, body: &str) -> Case {
    case(name, chunked(body), Outcome::Refused(400, "bad-request"))
}

#[test]
fn chunks_that_cannot_be_read_in_one_way_only_are_refused() {
    Bench::new().play(&[
        bad("no size", "\r\nhello\r\n0\r\n\r\n"),
        bad("no digits", "g\r\nhello\r\n0\r\n\r\n"),
        bad("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        bad("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        bad("a minus", "-5\r\nhello\r\n0\r\n\r\n"),
        bad("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        bad("a space behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
        bad("a tab behind the size", "5\t\r\nhello\r\n0\r\n\r\n"),
        bad("a space before the extension", "5 ;x\r\nhello\r\n0\r\n\r\n"),
        bad("a comma", "5,5\r\nhello\r\n0\r\n\r\n"),
        bad("a size of 16 digits", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        bad("a size of 17 digits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("zeros without end", "000000000000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        bad("CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        bad("two CR behind the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        bad("LF behind the chunk", "5\r\nhello\n0\r\n\r\n"),
        bad("nothing behind the chunk", "5\r\nhello0\r\n\r\n"),
        bad("a chunk that is longer", "4\r\nhello\r\n0\r\n\r\n"),
        bad("a chunk that is shorter", "6\r\nhello\r\n0\r\n\r\n"),
        bad("LF behind the last size", "5\r\nhello\r\n0\n\r\n"),
        bad("LF at the end", "5\r\nhello\r\n0\r\n\n"),
        bad("CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        bad("LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        bad("NUL in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        bad("an extension without its semicolon", "5 a=b\r\nhello\r\n0\r\n\r\n"),
        bad("a long extension", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(300))),
        bad("many extensions", &format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "y".repeat(200)).repeat(30))),
    ]);
}

#[test]
fn trailers_that_cannot_be_read_in_one_way_only_are_refused() {
    let trailers = |text: &str| format!("5\r\nhello\r\n0\r\n{text}\r\n\r\n");
    Bench::new().play(&[
        bad("no colon", &trailers("b")),
        bad("a space before the colon", &trailers("b : c")),
        bad("folded", &trailers("b: c\r\n d")),
        bad("LF behind a trailer", "5\r\nhello\r\n0\r\nb: c\n\r\n"),
        bad("CR in a trailer", &trailers("b: c\rd")),
        bad("NUL in a trailer", &trailers("b: c\0d")),
        bad("trailers of 10,000 bytes", &trailers(&format!("b: {}", "c".repeat(10_000)))),
        bad("a length in disguise", &trailers("content_length: 5")),
        bad("a coding in disguise", &trailers("Transfer_Encoding: chunked")),
        bad("an address in disguise", &trailers("x_forwarded_for: 1.2.3.4")),
        bad("fifty trailers", &trailers(&vec!["b: c"; 50].join("\r\n"))),
    ]);
}

#[test]
fn chunks_that_are_clear_arrive_as_they_came() {
    let same = |name: &str, body: &str| case(name, chunked(body), passed(chunked(body)));
    Bench::new().play(&[
        same("several", "5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\n\r\n"),
        same("digits of both cases", "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"),
        same("zeros before the size", "00005\r\nhello\r\n0\r\n\r\n"),
        same("an extension", "5;a=\"b c\";d\r\nhello\r\n0\r\n\r\n"),
        same("a trailer", "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"),
        same("line ends inside", "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
        same("an end of chunks inside", "7\r\n0\r\n\r\nab\r\n0\r\n\r\n"),
    ]);
}

/// It is written anew, once what is behind it is known.
#[test]
fn the_last_chunk_has_one_form() {
    let last = |line: &str| chunked(&format!("5\r\nhello\r\n{line}\r\n\r\n"));
    let lines = ["0", "000", "0;e", "0;a=\"b\";c"];
    let cases: Vec<_> = lines.iter().map(|line| case(*line, last(line), passed(last("0")))).collect();
    Bench::new().play(&cases);
}

#[test]
fn trailers_that_would_frame_or_route_a_message_do_not_arrive() {
    let body = |trailers: &str| chunked(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n"));
    let named = [
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "host: b\r\n",
        "connection: close\r\n",
        "te: x\r\n",
        "authorization: x\r\n",
        "set_cookie: a=b\r\n",
        "x_aya_reason: x\r\n",
        "x-forwarded-for: 1.2.3.4\r\n",
        "set-cookie: a=b\r\n",
        "content-type: x\r\n",
        "cookie: a=b\r\n",
        "expect: 100-continue\r\n",
        "upgrade: x\r\n",
        "x-aya-reason: x\r\n",
    ];
    let cases: Vec<_> = named
        .iter()
        .map(|line| {
            case(line.trim(), body(&format!("b: c\r\n{line}d: e\r\n")), passed(body("b: c\r\nd: e\r\n")))
        })
        .collect();
    Bench::new().play(&cases);
}

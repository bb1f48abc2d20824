//! Answers of backends are held to the same rules as requests: what cannot be read in one way only is a 502.

use aya_tests::backend::Then;
use aya_tests::client::Client;
use aya_tests::tape::Reply;

use super::{Bench, Case, Outcome, answered};

const BAD: Outcome = Outcome::Replaced(502, "bad-response");

fn bad(name: &str, reply: impl AsRef<[u8]>) -> Case {
    answered(name, Reply { then: Then::Close, ..Reply::new(reply) }, BAD)
}

/// An answer with this first line.
fn first(line: &str) -> String {
    format!("{line}\r\ncontent-length: 2\r\n\r\nok")
}

/// An answer with this line among its fields.
fn with_line(line: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 2\r\n\r\nok")
}

/// An answer whose length is said so.
fn framed(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n2\r\nok\r\n0\r\n\r\n")
}

#[test]
fn status_lines_that_are_none_are_answered_with_502() {
    Bench::new().play(&[
        bad("another version", first("HTTP/2.0 200 OK")),
        bad("HTTP/1.2", first("HTTP/1.2 200 OK")),
        bad("lower case", first("http/1.1 200 OK")),
        bad("another protocol", first("ICY 200 OK")),
        bad("no status", first("HTTP/1.1")),
        bad("no digits", first("HTTP/1.1 abc OK")),
        bad("two digits", first("HTTP/1.1 20 OK")),
        bad("four digits", first("HTTP/1.1 2000 OK")),
        bad("a sign", first("HTTP/1.1 +20 OK")),
        bad("below 100", first("HTTP/1.1 099 OK")),
        bad("above 599", first("HTTP/1.1 600 OK")),
        bad("two spaces", first("HTTP/1.1  200 OK")),
        bad("a tab", first("HTTP/1.1\t200 OK")),
        bad("a space at the start", first(" HTTP/1.1 200 OK")),
        bad("an empty line before it", first("\r\nHTTP/1.1 200 OK")),
        bad("NUL in the phrase", first("HTTP/1.1 200 O\0K")),
        bad("CR in the phrase", first("HTTP/1.1 200 O\rK")),
        bad("LF behind it", "HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok"),
        bad("a request", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        bad("only a body", "hello\r\n\r\n"),
        bad("TLS", "\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{16}\r\n\r\n"),
        bad(
            "another protocol unasked",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        ),
    ]);
}

#[test]
fn fields_of_an_answer_that_are_none_are_answered_with_502() {
    Bench::new().play(&[
        bad("folded", with_line("b: c\r\n d")),
        bad("space before the colon", with_line("b : c")),
        bad("no colon", with_line("b c")),
        bad("no name", with_line(": c")),
        bad("space in a name", with_line("b c: d")),
        bad("NUL in a value", with_line("b: c\0d")),
        bad("CR in a value", with_line("b: c\rd")),
        bad("DEL in a value", with_line("b: c\u{7f}d")),
        bad("LF behind a field", "HTTP/1.1 200 OK\r\nb: c\ncontent-length: 2\r\n\r\nok"),
        bad("LF as the empty line", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok"),
        bad("129 fields", with_line(&vec!["b: c"; 129].join("\r\n"))),
        bad("70 KiB of fields", with_line(&format!("b: {}", "c".repeat(70 << 10)))),
    ]);
}

#[test]
fn answers_whose_length_is_in_doubt_are_answered_with_502() {
    let fields = [
        "content-length: 2\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 2",
        "content-length: 2\r\ncontent-length: 2",
        "content-length: 2\r\ncontent-length: 3",
        "content-length: 2, 2",
        "content-length: +2",
        "content-length: -2",
        "content-length: 0x2",
        "content-length: two",
        "content-length:",
        "content-length: 99999999999999999999",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding:",
    ];
    let mut cases: Vec<_> = fields.iter().map(|fields| bad(fields, framed(fields))).collect();
    for fields in ["content-length: 2", "transfer-encoding: chunked"] {
        let reply = format!("HTTP/1.1 204 No Content\r\n{fields}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        cases.push(bad(&format!("204 with {fields}"), reply));
    }
    cases.push(bad(
        "chunks in HTTP/1.0",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ));
    Bench::new().play(&cases);
}

#[test]
fn a_backend_that_says_nothing_is_answered_for() {
    let early = |name: &str, reply: &str| {
        let reply = Reply { then: Then::Close, ..Reply::new(reply) };
        answered(name, reply, Outcome::Replaced(502, "closed-early"))
    };
    Bench::new().play(&[
        early("nothing", ""),
        early("half a line", "HTTP/1.1 2"),
        early("a line", "HTTP/1.1 200 OK\r\n"),
        early("half a head", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"),
        early("only an interim answer", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n"),
    ]);
}

#[test]
fn answers_arrive_as_they_came() {
    let same = |name: &str, answer: &str| {
        answered(name, Reply::new(answer), Outcome::Exactly { answer: answer.into(), goes_on: true })
    };
    Bench::new().play(&[
        same("a length", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        same("order and case", "HTTP/1.1 200 OK\r\nB: 1\r\nContent-Length: 2\r\nA: 2\r\nb: 3\r\n\r\nok"),
        same("no phrase", "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"),
        same("a phrase of its own", "HTTP/1.1 200 Ça va\r\ncontent-length: 2\r\n\r\nok"),
        same("an empty value", "HTTP/1.1 200 OK\r\nb:\r\ncontent-length: 2\r\n\r\nok"),
        same("a status of its own", "HTTP/1.1 299 Odd\r\ncontent-length: 2\r\n\r\nok"),
        same("an error", "HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nok"),
        same(
            "cookies",
            "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok",
        ),
        same("no body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        same("204", "HTTP/1.1 204 No Content\r\netag: x\r\n\r\n"),
        same("304 with a length", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"),
    ]);
}

/// What a backend says before it goes, and what the client gets of it.
fn becomes(name: &str, reply: impl AsRef<[u8]>, answer: impl Into<String>) -> Case {
    let reply = Reply { then: Then::Close, ..Reply::new(reply) };
    answered(name, reply, Outcome::Exactly { answer: answer.into(), goes_on: true })
}

#[test]
fn chunks_arrive_without_what_may_not_trail_them() {
    let head = "HTTP/1.1 200 OK\r\nb: c\r\ntransfer-encoding: chunked\r\n\r\n";
    let same = |name: &str, body: &str| becomes(name, format!("{head}{body}"), format!("{head}{body}"));
    Bench::new().play(&[
        same("chunks", "2\r\nok\r\n0\r\n\r\n"),
        same("an extension", "2;x=y\r\nok\r\n0\r\n\r\n"),
        same("trailers", "2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"),
        becomes(
            "trailers that frame",
            format!("{head}2\r\nok\r\n0\r\ncontent-length: 9\r\nset-cookie: a=b\r\n\r\n"),
            format!("{head}2\r\nok\r\n0\r\n\r\n"),
        ),
        becomes(
            "more than its chunks",
            format!("{head}0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            format!("{head}0\r\n\r\n"),
        ),
    ]);
}

#[test]
fn answers_are_framed_for_the_client() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let none = "HTTP/1.1 204 No Content\r\n\r\n";
    Bench::new().play(&[
        becomes("HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", ok),
        becomes("more than its length", format!("{ok}HTTP/1.1 200 OK\r\n\r\n"), ok),
        becomes(
            "no phrase and no space",
            "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
        ),
        becomes("nothing with 204", "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", none),
        becomes(
            "a body with 304",
            "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
        ),
        becomes(
            "fields of the connection",
            "HTTP/1.1 200 OK\r\nconnection: close, b\r\nb: c\r\nkeep-alive: x\r\ncontent-length: 2\r\n\r\nok",
            ok,
        ),
        becomes(
            "a reason that is ours to say",
            "HTTP/1.1 200 OK\r\nx-aya-reason: no-route\r\ncontent-length: 2\r\n\r\nok",
            ok,
        ),
    ]);
}

#[test]
fn interim_answers_arrive_and_have_an_end() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let same = |name: &str, answer: String| {
        answered(name, Reply::new(&answer), Outcome::Exactly { answer, goes_on: true })
    };
    let mut old = answered(
        "an HTTP/1.0 client",
        Reply::new(format!("{hints}{ok}")),
        Outcome::Exactly {
            answer: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".into(),
            goes_on: false,
        },
    );
    old.sent = b"GET / HTTP/1.0\r\n\r\n".to_vec();
    Bench::new().play(&[
        same("100", format!("HTTP/1.1 100 Continue\r\n\r\n{ok}")),
        same("103", format!("{hints}{ok}")),
        same("three", format!("HTTP/1.1 102 Processing\r\n\r\n{hints}{hints}{ok}")),
        same("as many as there may be", format!("{}{ok}", hints.repeat(64))),
        old,
    ]);
}

#[test]
fn a_flood_of_interim_answers_ends_with_502() {
    let bench = Bench::new();
    bench
        .tape
        .play(Reply { then: Then::Close, ..Reply::new("HTTP/1.1 102 Processing\r\n\r\n".repeat(1000)) });
    let mut client = Client::connect(bench.daemon.address());

    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut interim = 0;
    let last = loop {
        let answer = client.answer();
        if answer.status >= 200 {
            break answer;
        }
        interim += 1;
    };

    assert_eq!((last.status, last.reason()), (502, Some("bad-response")));
    assert!(interim < 100, "{interim} interim answers were passed on");
    bench.expect_sound().expect("the daemon goes on");
}

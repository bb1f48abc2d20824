//! An answer that breaks off is never completed: whoever reads it can tell that something is missing.

use aya_tests::backend::Then;
use aya_tests::tape::Reply;

use super::{Bench, Case, Outcome, answered, case};

/// What a backend says before it goes, and the beginning of what the client gets of it.
fn cut(name: &str, reply: impl AsRef<[u8]>, start: &'static str) -> Case {
    answered(name, Reply { then: Then::Close, ..Reply::new(reply) }, Outcome::Cut(start))
}

/// The same for a client of HTTP/1.0.
fn cut_old(name: &str, fields: &str, reply: impl AsRef<[u8]>) -> Case {
    let sent = format!("GET / HTTP/1.0\r\n{fields}\r\n");
    Case {
        reply: Reply { then: Then::Close, ..Reply::new(reply) },
        ..case(name, sent, Outcome::Cut("HTTP/1.1 200 OK\r\n"))
    }
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn a_truncated_answer_is_told_to_a_client_of_http_1_1() {
    let chunks = |body: &str| format!("{CHUNKS}{body}");
    Bench::new().play(&[
        cut("no byte of a length", LENGTH, LENGTH),
        cut("half a length", format!("{LENGTH}hello"), "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
        cut("all but one byte", format!("{LENGTH}123456789"), LENGTH),
        cut("no chunk", CHUNKS, CHUNKS),
        cut("half a size", chunks("1"), CHUNKS),
        cut("a size", chunks("5\r\n"), CHUNKS),
        cut("half a chunk", chunks("5\r\nhe"), CHUNKS),
        cut("a chunk without its end", chunks("5\r\nhello"), CHUNKS),
        cut("a chunk", chunks("5\r\nhello\r\n"), CHUNKS),
        cut("the last size", chunks("5\r\nhello\r\n0\r\n"), CHUNKS),
        cut("half a trailer", chunks("5\r\nhello\r\n0\r\nx: y"), CHUNKS),
        cut("a trailer", chunks("5\r\nhello\r\n0\r\nx: y\r\n"), CHUNKS),
        cut("a last line without its LF", chunks("5\r\nhello\r\n0\r\n\r"), CHUNKS),
    ]);
}

#[test]
fn an_answer_whose_chunks_cannot_be_read_is_cut() {
    let chunks = |body: &str| format!("{CHUNKS}5\r\nhello\r\n{body}0\r\n\r\n");
    Bench::new().play(&[
        cut("no size", chunks("\r\n"), CHUNKS),
        cut("no digits", chunks("x\r\n"), CHUNKS),
        cut("a size too large", chunks("fffffffffffffffff\r\n"), CHUNKS),
        cut("a longer chunk", chunks("1\r\nabc\r\n"), CHUNKS),
        cut("LF behind a size", chunks("1\na\r\n"), CHUNKS),
        cut("a long extension", chunks(&format!("1;{}\r\na\r\n", "x".repeat(300))), CHUNKS),
        cut("a trailer without a colon", format!("{CHUNKS}0\r\nx\r\n\r\n"), CHUNKS),
        cut("a trailer of 10,000 bytes", format!("{CHUNKS}0\r\nx: {}\r\n\r\n", "y".repeat(10_000)), CHUNKS),
    ]);
}

#[test]
fn a_truncated_answer_is_told_to_a_client_of_http_1_0() {
    Bench::new().play(&[
        cut_old("half a length", "", format!("{LENGTH}hello")),
        cut_old("no chunk", "", CHUNKS),
        cut_old("half a chunk", "", format!("{CHUNKS}5\r\nhe")),
        cut_old("a chunk", "", format!("{CHUNKS}5\r\nhello\r\n")),
        cut_old("the last size", "", format!("{CHUNKS}5\r\nhello\r\n0\r\n")),
        cut_old(
            "a chunk for a client that stays",
            "connection: keep-alive\r\n",
            format!("{CHUNKS}5\r\nhello\r\n"),
        ),
        cut_old("chunks that cannot be read", "", format!("{CHUNKS}5\r\nhello\r\nzz\r\n")),
    ]);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let until_close = |name: &str, head: &str, answer: &str| {
        let reply = Reply { then: Then::Close, ..Reply::new(format!("{head}\r\n\r\nhello")) };
        answered(name, reply, Outcome::Exactly { answer: answer.into(), goes_on: true })
    };
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let bench = Bench::new();
    // How the bytes are cut into chunks is the proxy's choice when they come one by one.
    for case in [
        until_close("HTTP/1.1", "HTTP/1.1 200 OK", chunked),
        until_close("HTTP/1.0", "HTTP/1.0 200 OK", chunked),
    ] {
        bench.play_one(&case, aya_tests::tape::Pieces::Whole).expect("an answer of unknown length arrives");
    }
    let mut old = until_close(
        "an HTTP/1.0 client",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
    );
    old.sent = b"GET / HTTP/1.0\r\n\r\n".to_vec();
    if let Outcome::Exactly { goes_on, .. } = &mut old.outcome {
        *goes_on = false;
    }
    bench.play(&[old]);
}

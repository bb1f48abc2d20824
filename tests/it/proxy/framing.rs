//! Lengths and codings: one clear meaning passes, everything else is refused on either side.

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Answer, Client, get, request};
use aya_tests::message::chunk;

use super::before;

/// A backend that answers every request with these fields and, except to HEAD, this body.
fn answering(fields: &str, body: &str) -> Backend {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let body = body.to_owned();
    Backend::with(move |visit| {
        let body = if visit.head.word(0) == "HEAD" { "" } else { &body };
        visit.raw_answer(format!("{head}{body}"))
    })
}

fn head(backend: &Backend) -> Answer {
    let daemon = before(backend);
    let mut client = Client::connect(daemon.address());
    client.send(request("HEAD", "/", &[]));
    client.answer_to_head()
}

fn expect_bad_response(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.reason()), (502, Some("bad-response")), "{what}: {:?}", answer.head);
}

#[test]
fn an_answer_with_a_length_beside_chunks_is_answered_with_502() {
    for fields in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "content-length: 50\r\ntransfer-encoding: chunked",
    ] {
        let backend = answering(fields, "5\r\nhello\r\n0\r\n\r\n");
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), fields);
        backend.expect_no_connections();
    }
}

#[test]
fn an_answer_whose_lengths_differ_is_answered_with_502() {
    for fields in ["content-length: 5\r\ncontent-length: 6", "content-length: 5, 6"] {
        let backend = answering(fields, "hello");
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), fields);
        expect_bad_response(&head(&backend), &format!("HEAD, {fields}"));
    }
}

#[test]
fn an_answer_whose_length_is_no_number_is_answered_with_502() {
    for length in ["-2", "+5", "5x", "0x5", "five", "18446744073709551616"] {
        let fields = format!("content-length: {length}");
        let backend = answering(&fields, "hello");
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), &fields);
        expect_bad_response(&head(&backend), &format!("HEAD, {fields}"));
    }
}

#[test]
fn an_answer_that_says_its_length_twice_is_answered_with_502() {
    for fields in ["content-length: 5\r\ncontent-length: 5", "content-length: 5, 5"] {
        let backend = answering(fields, "hello");
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), fields);
        expect_bad_response(&head(&backend), &format!("HEAD, {fields}"));
    }
}

#[test]
fn an_answer_in_a_coding_besides_chunks_is_answered_with_502() {
    for coding in [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: identity, chunked",
    ] {
        let backend = answering(coding, "5\r\nhello\r\n0\r\n\r\n");
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), coding);
    }
}

#[test]
fn an_answer_in_another_coding_than_chunks_is_answered_with_502() {
    for coding in ["gzip", "identity", "chunked, gzip", "xchunked"] {
        let backend = Backend::with(move |visit| {
            visit.write(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\nhello"))?;
            Ok(Then::Close)
        });
        let daemon = before(&backend);

        expect_bad_response(&get(daemon.address(), "/"), coding);
    }
}

#[test]
fn a_request_in_another_coding_than_chunks_is_refused() {
    let backend = Backend::echo();
    let daemon = before(&backend);

    for coding in [
        "transfer-encoding: gzip",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: xchunked",
    ] {
        let mut client = Client::connect(daemon.address());
        // The proxy may refuse and close before it has read everything.
        drop(
            client.try_send(format!(
                "POST / HTTP/1.1\r\nhost: test\r\n{coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            )),
        );
        let answer = client.answer();

        let told = (answer.status, answer.reason());
        assert!(
            matches!(told, (400, Some("bad-request")) | (501, Some("not-implemented"))),
            "{coding}: {told:?}"
        );
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn the_name_of_the_chunked_coding_has_no_case() {
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n")?;
        visit.write(chunk(&body.bytes))?;
        visit.raw_answer("0\r\n\r\n")
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("transfer-encoding", "CHUNKED")]) + "5\r\nhello\r\n0\r\n\r\n");

    assert_eq!(client.answer().text(), "hello");
}

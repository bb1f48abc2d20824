//! Nothing that came waits for more to come: each event, chunk and byte goes on as soon as it is there.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc;

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, request};
use aya_tests::daemon::Daemon;
use aya_tests::message::chunk;
use aya_tests::wait::DEADLINE;

const EVENTS: usize = 50;

/// A backend that makes the next event only when it is told that the last one was seen.
fn events(head: &'static str, chunked: bool) -> (Backend, mpsc::Sender<()>) {
    let (seen, told) = mpsc::channel();
    let told = Mutex::new(told);
    let backend = Backend::with(move |visit| {
        visit.write(head)?;
        for n in 0..EVENTS {
            let event = format!("data: {n}\n\n");
            visit.write(if chunked { chunk(event.as_bytes()) } else { event.into_bytes() })?;
            let told = told.lock().expect("no thread panics with it");
            told.recv_timeout(DEADLINE).map_err(std::io::Error::other)?;
        }
        Ok(Then::Close)
    });
    (backend, seen)
}

#[test]
fn an_event_arrives_before_the_next_one_is_made() {
    let (by_chunks, seen) = events(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        true,
    );
    let daemon = Daemon::balancing(&[("one", by_chunks.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    client.head();
    for n in 0..EVENTS {
        let event = chunk(format!("data: {n}\n\n").as_bytes());
        assert_eq!(client.bytes(event.len()), event);
        seen.send(()).expect("the backend waits");
    }
}

#[test]
fn an_event_without_chunks_arrives_before_the_next_one_is_made() {
    let (until_close, seen) = events("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", false);
    let daemon = Daemon::balancing(&[("one", until_close.address)], "");
    for fields in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut client = Client::connect(daemon.address());
        client.send(fields);
        let is_chunked = client.head().lists("transfer-encoding", "chunked");
        assert_eq!(is_chunked, fields.contains("1.1"));
        for n in 0..EVENTS {
            let event = format!("data: {n}\n\n").into_bytes();
            let event = if is_chunked { chunk(&event) } else { event };
            assert_eq!(client.bytes(event.len()), event);
            seen.send(()).expect("the backend waits");
        }
        if is_chunked {
            assert_eq!(client.bytes(5), b"0\r\n\r\n");
        } else {
            client.expect_close();
        }
    }
}

#[test]
fn request_and_answer_may_be_a_conversation() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for _ in 0..EVENTS {
            let word = visit.bytes(chunk(b"ping").len())?;
            visit.write(word)?;
        }
        visit.bytes(5)?;
        visit.write("0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("transfer-encoding", "chunked")]));
    client.head();
    for _ in 0..EVENTS {
        client.send(chunk(b"ping"));
        assert_eq!(client.bytes(9), chunk(b"ping"));
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.bytes(5), b"0\r\n\r\n");

    client.send(request("GET", "/", &[("connection", "close")]));
    assert_eq!(client.head().word(1), "200");
}

#[test]
fn a_mebibyte_passes_byte_by_byte_readers_and_writers_unharmed() {
    const SIZE: usize = 1 << 20;
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        visit.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.bytes.len()))?;
        for piece in body.bytes.chunks(7) {
            visit.socket().write_all(piece)?;
        }
        Ok(Then::Keep)
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    let mut client = Client::connect(daemon.address());
    client.send(request("POST", "/", &[("content-length", &SIZE.to_string())]));
    for piece in body.chunks(11) {
        client.send(piece);
    }
    client.head();
    let (mut got, mut piece) = (Vec::new(), [0; 13]);
    while got.len() < SIZE {
        let count = client.reader().read(&mut piece).expect("the answer goes on");
        assert!(count > 0, "the answer ends early");
        got.extend_from_slice(&piece[..count]);
    }
    assert!(got == body, "the bytes that came back are others");
}

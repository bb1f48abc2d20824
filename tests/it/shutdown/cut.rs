//! What is cut when the time to stop is over is in the access log and in no other way than what ended by itself.

use std::io::ErrorKind;
use std::path::Path;

use aya_tests::backend::{Backend, Then, Visit};
use aya_tests::client::{Client, FILLING, request};
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::h2::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Raw, frame, get};

use crate::tcp::logged;

/// More than the sockets on the way hold.
const ANSWER: usize = 24 << 20;

/// Answers as the path says, but never to the end.
fn unending(visit: &mut Visit<'_>) -> std::io::Result<Then> {
    match visit.target() {
        "/slow" => {
            visit.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n"))?;
            visit.write(vec![FILLING; ANSWER])?;
        }
        "/socket" => {
            visit
                .write("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")?;
        }
        "/silent" | "/upload" => {}
        // Nobody says how long it is.
        _ => visit.write("HTTP/1.1 200 OK\r\n\r\nhello")?,
    }
    visit.wait_for_close();
    Ok(Then::Close)
}

/// A client of each kind, with a request that is being served.
struct Busy {
    slow: Client,
    socket: Client,
    old: Client,
    silent: Client,
    upload: Client,
    h2: Raw,
}

fn busy(daemon: &Daemon, backend: &Backend) -> Busy {
    let begin = |bytes: &str| {
        let mut client = Client::connect(daemon.address());
        client.send(bytes);
        client
    };
    let mut slow = begin(&request("GET", "/slow", &[]));
    assert_eq!(slow.head().word(1), "200");
    let mut socket =
        begin(&request("GET", "/socket", &[("connection", "upgrade"), ("upgrade", "websocket")]));
    assert_eq!(socket.head().word(1), "101");
    socket.send("abc");
    assert_eq!(socket.bytes(5), b"hello");
    let mut old = begin("GET /old HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(old.head().word(1), "200");
    assert_eq!(old.bytes(5), b"hello");
    let silent = begin(&request("GET", "/silent", &[]));
    let upload = begin("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    let mut h2 = Raw::connect(daemon.address());
    h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/h2", &[])));
    assert_eq!(h2.until(DATA, 1).expect("the answer begins").payload, b"hello");
    backend.expect_requests(6);
    Busy { slow, socket, old, silent, upload, h2 }
}

/// Path, status, reason and bytes received of every request in the log, in order of their paths.
fn told(log: &Path) -> Vec<(String, u64, String, u64)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    let mut told: Vec<_> = logged(log, 6)
        .iter()
        .map(|line| {
            assert_eq!(line["backend"], "one", "{line}");
            assert_eq!(line["pool"], "main", "{line}");
            (
                text(&line["uri"]),
                number(&line["status"]),
                text(&line["reason"]),
                number(&line["bytes_received"]),
            )
        })
        .collect();
    told.sort();
    told
}

fn expect_told(log: &Path) {
    let expected = [
        ("/h2", 200, 0),
        ("/old", 200, 0),
        ("/silent", 0, 0),
        ("/slow", 200, 0),
        ("/socket", 101, 3),
        ("/upload", 0, 4),
    ];
    let expected = expected.map(|(path, status, got)| (path.to_owned(), status, "stopping".to_owned(), got));
    assert_eq!(told(log), expected);
    for line in logged(log, 6) {
        let sent = line["bytes_sent"].as_u64().expect("a number") as usize;
        match line["uri"].as_str().expect("a path") {
            "/slow" => assert!((1..ANSWER).contains(&sent), "{line}"),
            "/silent" | "/upload" => assert_eq!(sent, 0, "{line}"),
            _ => assert_eq!(sent, 5, "{line}"),
        }
    }
}

#[test]
fn requests_that_are_cut_at_the_deadline_are_recorded_each_once() {
    let backend = Backend::with(unending);
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let log = setup.folder().join("access.log");
    let keys = format!("shutdown_timeout = \"200ms\"\naccess_log = \"{}\"", log.display());
    let daemon = setup.daemon(&keys).start();
    let kept = daemon.keep_setup();
    let mut busy = busy(&daemon, &backend);

    let ended = daemon.stop();

    assert_eq!(ended.code, Some(5));
    assert!(!ended.log.contains("panic"), "{}", ended.log);
    expect_told(&log);
    let end = busy.old.try_byte().expect_err("an answer without a length is not ended as if it were whole");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    let end = busy.socket.try_byte().expect_err("nor is a WebSocket");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    assert!(busy.silent.try_answer().is_err() && busy.upload.try_answer().is_err());
    assert!(busy.slow.try_rest().map_or(true, |rest| rest.len() < ANSWER));
    assert!(std::iter::from_fn(|| busy.h2.read()).all(|frame| frame.flags & END_STREAM == 0));
    drop(kept);
}

#[test]
fn requests_that_are_cut_after_an_upgrade_are_recorded_each_once() {
    let backend = Backend::with(unending);
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let log = setup.folder().join("access.log");
    let keys = format!("shutdown_timeout = \"200ms\"\naccess_log = \"{}\"", log.display());
    let mut daemon = setup.daemon(&keys).start();
    let busy = busy(&daemon, &backend);

    daemon.upgrade();

    assert_eq!(daemon.expect_first_ended(), Some(5));
    expect_told(&log);
    drop(busy);
}

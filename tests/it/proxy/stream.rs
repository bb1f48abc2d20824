//! Bodies stream: nothing is held as a whole, and who does not read is not written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, FILLING, pour, request};
use aya_tests::message::chunk;
use aya_tests::wait::{self, Gate};

use super::before;

/// More than all socket buffers between two ends can hold.
const LARGE: usize = 96 << 20;
/// What the sockets on the way may hold altogether: twice the kernel's largest buffers, on two connections.
const BUFFERED: usize = 48 << 20;
/// Growth of the daemon's memory that a body in transit may cause.
const MEMORY: u64 = 12 << 20;

#[test]
fn the_first_chunk_arrives_before_the_second_is_made() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        visit.write(chunk(b"first"))?;
        opened.pass();
        visit.raw_answer("6\r\nsecond\r\n0\r\n\r\n")
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    client.head();
    assert_eq!(client.bytes(10), chunk(b"first"));
    gate.open();

    assert_eq!(client.bytes(16), b"6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn a_request_body_arrives_piece_by_piece() {
    let got = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&got);
    let backend = Backend::with(move |visit| {
        for _ in 0..3 {
            visit.bytes(4)?;
            count.fetch_add(4, Ordering::SeqCst);
        }
        visit.answer(200, "all of it")
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("content-length", "12")]));
    for piece in 1..=3 {
        client.send("abcd");
        wait::until_true("the piece is at the backend", || got.load(Ordering::SeqCst) == piece * 4);
    }

    assert_eq!(client.answer().text(), "all of it");
}

#[test]
fn a_large_body_passes_both_ways_unharmed() {
    const SIZE: usize = 4 << 20;
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.bytes.len());
        visit.raw_answer([head.as_bytes(), &body.bytes].concat())
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    client.send(request("POST", "/", &[("content-length", &SIZE.to_string())]));
    client.send(&body);

    assert!(client.answer().body.bytes == body, "the bytes that came back are others");
}

#[test]
fn a_client_that_does_not_read_stops_the_backend() {
    let (taken, full) = (Arc::new(AtomicUsize::new(0)), Arc::new(Gate::default()));
    let (count, is_full) = (Arc::clone(&taken), Arc::clone(&full));
    let backend = Backend::with(move |visit| {
        visit.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"))?;
        pour(visit.socket(), LARGE, &count, &is_full)?;
        Ok(Then::Keep)
    });
    let daemon = before(&backend);
    let resident = || daemon.control.status().daemon.resident_bytes.expect("Linux tells");
    let at_first = resident();
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    full.pass();
    let stopped_at = taken.load(Ordering::SeqCst);
    let grown = resident().saturating_sub(at_first);

    assert!(stopped_at < BUFFERED, "{stopped_at} bytes were taken though nobody reads");
    assert!(grown < MEMORY, "the daemon holds {grown} bytes more");
    client.head();
    assert!(client.bytes(LARGE).iter().all(|byte| *byte == FILLING));
}

#[test]
fn a_backend_that_does_not_read_stops_the_client() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        opened.pass();
        let body = visit.body()?;
        visit.answer(200, &body.bytes.len().to_string())
    });
    let daemon = before(&backend);
    let resident = || daemon.control.status().daemon.resident_bytes.expect("Linux tells");
    let at_first = resident();
    let taken = AtomicUsize::new(0);
    let full = Gate::default();
    let mut client = Client::connect(daemon.address());
    client.send(request("POST", "/", &[("content-length", &LARGE.to_string())]));

    std::thread::scope(|scope| {
        let (client, taken, full) = (&mut client, &taken, &full);
        let pouring = scope.spawn(move || client.pour(LARGE, taken, full));
        full.pass();
        let stopped_at = taken.load(Ordering::SeqCst);
        let grown = resident().saturating_sub(at_first);
        gate.open();
        pouring.join().expect("pouring does not panic").expect("everything is taken");
        assert!(stopped_at < BUFFERED, "{stopped_at} bytes were taken though nobody reads");
        assert!(grown < MEMORY, "the daemon holds {grown} bytes more");
    });

    assert_eq!(client.answer().text(), LARGE.to_string());
}

/// Lets the time pass in which the end of a client's half still belongs to its request.
fn later() {
    Gate::default().linger(Duration::from_millis(50));
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let backend = Backend::silent();
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    backend.expect_requests(1);
    later();
    drop(client);

    backend.expect_no_connections();
    wait::until_true("the request is no longer in flight", || {
        daemon.control.backend("main/one").traffic.in_flight == 0
    });
    assert_eq!(super::refusals(&daemon, "client-gone"), 1);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_stops_it() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n")?;
        visit.wait_for_close();
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    client.head();
    client.bytes(9);
    later();
    drop(client);

    backend.expect_no_connections();
    wait::until_true("the request is recorded", || super::refusals(&daemon, "client-gone") == 1);
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0, "it was not the backend's doing");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_takes_the_request_along() {
    let backend = Backend::with(|visit| {
        visit.body()?;
        visit.answer(200, "never")
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("content-length", "100")]) + "some of it");
    backend.expect_requests(1);
    drop(client);

    backend.expect_no_connections();
    wait::until_true("the request is recorded", || super::refusals(&daemon, "client-gone") == 1);
}

//! Large bodies of requests, which go from socket to socket: not a byte of them is lost, moved or made up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, request};
use aya_tests::daemon::Daemon;
use aya_tests::message::chunk;
use aya_tests::wait::{DEADLINE, Gate};

/// Bytes that a piece in the wrong place would show in.
fn counted(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

#[test]
fn large_uploads_arrive_as_they_were_sent_and_the_connection_goes_on() {
    const SIZE: usize = 5 << 20;
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        let verdict = if body.bytes == counted(SIZE) { "the same" } else { "another" };
        visit.answer(200, &format!("{verdict}, {}", visit.head.word(1)))
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    let body = counted(SIZE);
    let by_length = request("PUT", "/length", &[("content-length", &SIZE.to_string())]);
    for _ in 0..2 {
        client.send(&by_length);
        client.send(&body);
        assert_eq!(client.answer().text(), "the same, /length");

        client.send(request("PUT", "/chunks", &[("transfer-encoding", "chunked")]));
        for part in [&body[..1], &body[1..100], &body[100..1 << 20], &body[1 << 20..]] {
            client.send(chunk(part));
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.answer().text(), "the same, /chunks");
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_large_upload_that_breaks_off_is_never_completed() {
    const SIZE: usize = 4 << 20;
    let (sender, read) = mpsc::channel();
    let backend = Backend::with(move |visit| {
        sender.send(visit.body().map(|body| body.bytes.len()).is_ok()).map_err(std::io::Error::other)?;
        Ok(Then::Close)
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send(request("PUT", "/", &[("content-length", &SIZE.to_string())]));
    client.send(&counted(SIZE)[..SIZE - 1]);
    drop(client);

    assert_eq!(read.recv_timeout(DEADLINE), Ok(false));
    backend.expect_no_connections();
}

#[test]
fn a_large_upload_goes_no_faster_than_its_backend_reads() {
    const SIZE: usize = 64 << 20;
    let gate = Arc::new(Gate::default());
    let opens = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        gate.pass();
        let body = visit.body()?;
        visit.answer(200, &body.bytes.len().to_string())
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send(request("PUT", "/", &[("content-length", &SIZE.to_string())]));
    let (taken, full) = (AtomicUsize::new(0), Gate::default());

    std::thread::scope(|scope| {
        let (client, taken, full) = (&mut client, &taken, &full);
        let pouring = scope.spawn(move || client.pour(SIZE, taken, full));
        full.pass();
        assert!(taken.load(Ordering::SeqCst) < SIZE, "it all went somewhere");
        opens.open();
        pouring.join().expect("it does not panic").expect("it is taken");
    });

    assert_eq!(client.answer().text(), SIZE.to_string());
}

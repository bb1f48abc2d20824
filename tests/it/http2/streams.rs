//! Requests that live long: what flows, who waits, and who is told when somebody goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aya_tests::backend::{Backend, Then};
use aya_tests::client;
use aya_tests::daemon::Daemon;
use aya_tests::h2::{self, Client, Incoming, Server, request, run};
use aya_tests::wait::{self, Gate};
use bytes::Bytes;
use http::Response;
use tokio::sync::Notify;

use super::{before_h1, before_h2, refusals};

const EVENTS: usize = 5;

/// Sends an event whenever the one before has arrived.
fn events_h1(arrived: &Arc<Gates>) -> Backend {
    let arrived = Arc::clone(arrived);
    Backend::with(move |visit| {
        visit.write(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        for gate in &arrived.0 {
            visit.write("9\r\ndata: x\n\n\r\n")?;
            gate.pass();
        }
        visit.raw_answer("0\r\n\r\n")
    })
}

fn events_h2(arrived: &Arc<Gates>) -> Server {
    let arrived = Arc::clone(arrived);
    Server::with(move |mut incoming: Incoming| {
        let arrived = Arc::clone(&arrived);
        async move {
            let response = Response::builder()
                .header("content-type", "text/event-stream")
                .body(())
                .expect("it is valid");
            let mut send = incoming.respond.send_response(response, false).expect("the other side is there");
            for index in 0..EVENTS {
                send.send_data(Bytes::from_static(b"data: x\n\n"), false).expect("the other side is there");
                let arrived = Arc::clone(&arrived);
                tokio::task::spawn_blocking(move || arrived.0[index].pass())
                    .await
                    .expect("the other side is there");
            }
            send.send_data(Bytes::new(), true).expect("the other side is there");
        }
    })
}

#[derive(Default)]
struct Gates([Gate; EVENTS]);

/// Reads events by HTTP/2, and lets the next one be sent after each.
fn read_h2(daemon: &Daemon, arrived: &Gates) {
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, _) = client.begin(request("GET", "/events"), true).await;
        let mut recv = response.await.expect("the other side is there").into_body();
        for gate in &arrived.0 {
            assert_eq!(
                h2::next(&mut recv).await.expect("the other side is there").expect("the other side is there"),
                "data: x\n\n"
            );
            gate.open();
        }
        assert!(h2::next(&mut recv).await.expect("the other side is there").is_none());
    });
}

fn read_h1(daemon: &Daemon, arrived: &Gates) {
    let mut client = client::Client::connect(daemon.address());
    client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    for gate in &arrived.0 {
        assert_eq!(client.bytes(14), b"9\r\ndata: x\n\n\r\n");
        gate.open();
    }
    assert_eq!(client.bytes(5), b"0\r\n\r\n");
}

#[test]
fn each_event_arrives_before_the_next_is_made_in_every_mix() {
    let arrived = Arc::default();
    let backend = events_h1(&arrived);
    read_h2(&before_h1(backend.address), &arrived);

    let arrived = Arc::default();
    let backend = events_h2(&arrived);
    read_h2(&before_h2(backend.address), &arrived);

    let arrived = Arc::default();
    let backend = events_h2(&arrived);
    read_h1(&before_h2(backend.address), &arrived);
}

#[test]
fn both_directions_flow_at_the_same_time() {
    let backend = Server::with(|mut incoming: Incoming| async move {
        let mut send = incoming.respond.send_response(Response::new(()), false).unwrap();
        let recv = incoming.request.body_mut();
        while let Some(part) = h2::next(recv).await.unwrap() {
            h2::send_all(&mut send, &part, false).await.unwrap();
        }
        send.send_data(Bytes::new(), true).unwrap();
    });
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, mut send) = client.begin(request("POST", "/chat"), false).await;
        let mut recv = response.await.unwrap().into_body();
        for word in ["one", "two", "three"] {
            send.send_data(Bytes::copy_from_slice(word.as_bytes()), false).unwrap();
            assert_eq!(h2::next(&mut recv).await.unwrap().unwrap(), word);
        }
        send.send_data(Bytes::new(), true).unwrap();
        assert!(h2::next(&mut recv).await.unwrap().is_none());
    });
}

#[test]
fn many_requests_share_a_connection_on_both_sides() {
    let backend = Server::saying("hello");
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let mut begun = Vec::new();
        for _ in 0..90 {
            begun.push(client.begin(request("GET", "/"), true).await);
        }
        for (response, _) in begun {
            assert_eq!(h2::whole(response.await.unwrap()).await.unwrap().text(), "hello");
        }
    });
    assert_eq!((backend.requests(), backend.connections()), (90, 1));
    assert_eq!(daemon.control.listeners()[0].accepted, 1);
}

#[test]
fn a_client_that_gives_up_cancels_its_request_and_no_other() {
    let reset = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reset);
    let two = Server::with(move |mut incoming: Incoming| {
        let counted = Arc::clone(&counted);
        async move {
            if incoming.request.uri().path() == "/stays" {
                return incoming.answer(200, "stays");
            }
            assert_eq!(h2::reset(&mut incoming.respond).await, ::h2::Reason::CANCEL);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let one = Backend::with(|visit| {
        if visit.target() == "/stays" {
            return visit.answer(200, "stays");
        }
        visit.wait_for_close();
        Ok(Then::Close)
    });
    for daemon in [before_h2(two.address), before_h1(one.address)] {
        let address = daemon.address();
        run(async {
            let client = Client::connect(address).await;
            let (response, mut send) = client.begin(request("POST", "/goes"), false).await;
            while one.requests() + two.requests() == 0 {
                tokio::task::yield_now().await;
            }
            send.send_reset(::h2::Reason::CANCEL);
            assert!(response.await.is_err());
            assert_eq!(client.get("/stays").await.text(), "stays");
        });
        wait::until_true("the request is recorded", || refusals(&daemon, "client-gone") == 1);
    }
    wait::until_true("the backend's request is reset", || reset.load(Ordering::SeqCst) == 1);
    one.expect_no_connections();
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let full = Arc::new(Gate::default());
    let is_full = Arc::clone(&full);
    let backend = Backend::with(move |visit| {
        if visit.target() == "/small" {
            return visit.answer(200, "small");
        }
        visit.write("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")?;
        client::pour(visit.socket(), 100_000_000, &count, &is_full)?;
        Ok(Then::Close)
    });
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        // Room for more than the one answer that is not read.
        let mut settings = ::h2::client::Builder::new();
        settings.initial_connection_window_size(1 << 20);
        let client = Client::configured(address, &settings).await;
        let (response, _) = client.begin(request("GET", "/large"), true).await;
        let stuck = response.await.unwrap();
        let full = Arc::clone(&full);
        tokio::task::spawn_blocking(move || full.pass()).await.unwrap();
        assert!(written.load(Ordering::SeqCst) < 20_000_000, "what nobody reads is not read");
        assert_eq!(client.get("/small").await.text(), "small");
        drop(stuck);
    });
}

#[test]
fn a_daemon_that_stops_finishes_requests_and_says_goodbye() {
    let go_on = Arc::new(Notify::new());
    let notified = Arc::clone(&go_on);
    let backend = Server::with(move |incoming: Incoming| {
        let notified = Arc::clone(&notified);
        async move {
            notified.notified().await;
            incoming.answer(200, "last");
        }
    });
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, _) = client.begin(request("GET", "/"), true).await;
        while backend.requests() == 0 {
            tokio::task::yield_now().await;
        }
        daemon.signal("TERM");
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        assert_eq!(h2::whole(response.await.unwrap()).await.unwrap().text(), "last");
        client.ended.await.unwrap().expect("the connection ends in peace");
    });
    assert_eq!(daemon.ended().code, Some(0));
}

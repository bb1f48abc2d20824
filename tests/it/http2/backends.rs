//! Backends that speak HTTP/2: how many connections they get, and what becomes of requests they do not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aya_tests::client;
use aya_tests::daemon::Daemon;
use aya_tests::h2::{self, Client, Incoming, Server, request, run};
use aya_tests::wait;
use h2::send_all;
use tokio::sync::Semaphore;

use super::before_h2;

#[test]
fn a_backend_gets_no_more_requests_at_once_than_it_takes() {
    let gate = Arc::new(Semaphore::new(0));
    let (waits, inside) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let entered = Arc::clone(&inside);
    let mut settings = ::h2::server::Builder::new();
    settings.max_concurrent_streams(3);
    let backend = Server::configured(
        settings,
        |_, _| {},
        move |incoming: Incoming| {
            let (waits, entered) = (Arc::clone(&waits), Arc::clone(&entered));
            async move {
                entered.fetch_add(1, Ordering::SeqCst);
                drop(waits.acquire().await);
                incoming.answer(200, "ok");
            }
        },
    );
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let mut begun = Vec::new();
        for _ in 0..9 {
            begun.push(client.begin(request("GET", "/"), true).await);
        }
        while inside.load(Ordering::SeqCst) < 9 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(9);
        for (response, _) in begun {
            assert_eq!(h2::whole(response.await.unwrap()).await.unwrap().text(), "ok");
        }
    });
    assert_eq!(backend.connections(), 3, "three requests each");
}

#[test]
fn a_request_that_was_refused_goes_elsewhere_whatever_it_asks() {
    let refuses = Server::with(|mut incoming: Incoming| async move {
        incoming.respond.send_reset(::h2::Reason::REFUSED_STREAM);
    });
    let takes = Server::saying("taken");
    let backends = [("refuses", refuses.address), ("takes", takes.address)];
    let daemon = Daemon::balancing(&backends, "protocol = \"h2\"\nalgorithm = \"round-robin\"");
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        for _ in 0..2 {
            assert_eq!(client.ask(request("DELETE", "/"), b"").await.text(), "taken");
        }
    });
    assert_eq!(takes.requests(), 2);
    assert!(refuses.requests() > 0);
}

#[test]
fn a_connection_that_says_goodbye_finishes_its_requests_and_gets_no_more() {
    let backend = Server::configured(
        ::h2::server::Builder::new(),
        |connection, nth| {
            if nth == 0 {
                connection.graceful_shutdown();
            }
        },
        |incoming: Incoming| async move { incoming.answer(200, "ok") },
    );
    let daemon = before_h2(backend.address);
    let mut client = client::Client::connect(daemon.address());
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!((backend.requests(), backend.connections()), (3, 2));
}

#[test]
fn a_backend_that_is_no_http2_is_a_failed_connection() {
    let backend = aya_tests::backend::Backend::saying("HTTP/1.1 only");
    let daemon = Daemon::balancing(&[("one", backend.address)], "protocol = \"h2\"\nattempts = 1");
    let mut client = client::Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.reason()), (502, Some("connect-failed")));
}

#[test]
fn connections_to_a_backend_end_with_its_pool() {
    let backend = Server::saying("ok");
    let other = Server::saying("other");
    let mut daemon = before_h2(backend.address);
    let mut client = client::Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "ok");

    let keys = "protocol = \"h2\"";
    daemon.reconfigure(&aya_tests::daemon::pool(&[("two", other.address)], keys));
    backend.expect_no_connections();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "other");
}

#[test]
fn a_body_waits_until_the_backend_takes_it() {
    let gate = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let backend = Server::with(move |mut incoming: Incoming| {
        let waits = Arc::clone(&waits);
        async move {
            drop(waits.acquire().await);
            let body = h2::read_all(incoming.request.body_mut()).await.unwrap();
            incoming.answer(200, &body.len().to_string());
        }
    });
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, mut send) = client.begin(request("POST", "/"), false).await;
        let body = vec![1; 5_000_000];
        let sent = tokio::spawn(async move { send_all(&mut send, &body, true).await });
        while backend.requests() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!sent.is_finished(), "five megabytes are in nobody's buffers");
        gate.add_permits(1);
        assert_eq!(h2::whole(response.await.unwrap()).await.unwrap().text(), "5000000");
        sent.await.unwrap().unwrap();
    });
    wait::until_true("the request is over", || {
        daemon.control.backends().iter().all(|backend| backend.traffic.in_flight == 0)
    });
}

#[test]
fn a_body_where_none_may_be_is_not_read_as_the_next_answer() {
    const FORGED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let backend = Server::with(|incoming: Incoming| async move {
        let path = incoming.request.uri().path();
        let status = path.trim_start_matches('/').parse().unwrap_or(200);
        incoming.answer(status, FORGED);
    });
    let daemon = before_h2(backend.address);
    for (method, path) in [("GET", "/204"), ("GET", "/304"), ("HEAD", "/200")] {
        let mut client = client::Client::connect(daemon.address());
        client.send(client::request(method, path, &[]));
        let all = client.rest();
        let text = String::from_utf8_lossy(&all);
        assert!(text.ends_with("\r\n\r\n") && !text.contains("forged"), "{method} {path}: {text}");
    }
}

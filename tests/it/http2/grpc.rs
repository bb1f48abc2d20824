//! gRPC: calls pass with their trailers, and what the proxy itself has to say is said in gRPC.

use std::net::SocketAddr;

use aya_tests::backend::Backend;
use aya_tests::client;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::h2::{self, Answer, Client, Incoming, Server, run};
use aya_tests::wait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::before_h2;
use crate::tcp::logged;

const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";

fn call(path: &str) -> Request<()> {
    let request = Request::post(format!("http://test.example{path}"));
    request.header("content-type", "application/grpc").header("te", "trailers").body(()).expect("it is valid")
}

/// Repeats the message, and ends with the status that the path names.
async fn serve(mut incoming: Incoming) {
    assert_eq!(incoming.request.headers()["te"], "trailers");
    let status = incoming.request.uri().path()[1..].to_owned();
    let head = Response::builder().header("content-type", "application/grpc");
    let body = h2::read_all(incoming.request.body_mut()).await.expect("the other side is there");
    if body.is_empty() {
        let only = head.header("grpc-status", status).body(()).expect("it is valid");
        incoming.respond.send_response(only, true).expect("the other side is there");
        return;
    }
    let mut send =
        incoming.respond.send_response(head.body(()).expect("it is valid"), false).expect("it is valid");
    send.send_data(Bytes::from(body), false).expect("the other side is there");
    let trailers = [("grpc-status".parse().expect("it is valid"), status.parse().expect("it is valid"))];
    send.send_trailers(HeaderMap::from_iter(trailers)).expect("the other side is there");
}

async fn ask(address: SocketAddr, path: &str, body: &[u8]) -> Answer {
    let client = Client::connect(address).await;
    let (response, mut send) = client.begin(call(path), false).await;
    h2::send_all(&mut send, body, true).await.expect("the other side is there");
    if body.is_empty() {
        send.send_data(Bytes::new(), true).expect("the other side is there");
    }
    h2::whole(response.await.expect("the other side is there")).await.expect("the other side is there")
}

#[test]
fn a_call_passes_with_its_messages_and_its_status() {
    let backend = Server::with(serve);
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let answer = ask(address, "/0", MESSAGE).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, MESSAGE));
        assert_eq!((answer.trailer("grpc-status"), answer.field("grpc-status")), (Some("0"), None));

        let answer = ask(address, "/5", b"").await;
        assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("5")));
    });
}

#[test]
fn a_call_whose_status_blames_the_backend_is_a_failure_of_it() {
    let backend = Server::with(serve);
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        for (path, body) in [("/0", MESSAGE), ("/5", MESSAGE), ("/14", MESSAGE), ("/13", b""), ("/2", b"")] {
            ask(address, path, body).await;
        }
    });
    wait::until_true("the calls are recorded", || daemon.control.backends()[0].traffic.requests == 5);
    assert_eq!(daemon.control.backends()[0].traffic.failures, 2);
}

#[test]
fn the_access_log_says_how_calls_ended() {
    let backend = Server::with(serve);
    let setup = Setup::new(&pool(&[("one", backend.address)], "protocol = \"h2\""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let address = daemon.address();

    run(async {
        for (path, body) in [("/0", MESSAGE), ("/14", MESSAGE), ("/5", b"")] {
            ask(address, path, body).await;
        }
    });
    drop(backend);
    run(async { ask(address, "/0", MESSAGE).await });

    let lines = logged(&log, 4);
    let told: Vec<_> = lines.iter().map(|line| line["grpc_status"].as_u64()).collect();
    assert_eq!(told, [Some(0), Some(14), Some(5), Some(14)]);
    assert!(lines.iter().all(|line| line["protocol"] == "HTTP/2"), "{lines:?}");
}

#[test]
fn what_the_proxy_itself_answers_is_an_answer_in_grpc() {
    let gone = Backend::refusing();
    let daemon = Daemon::balancing(&[("one", gone.address)], "protocol = \"h2\"");
    let address = daemon.address();
    run(async {
        let answer = ask(address, "/0", MESSAGE).await;
        assert_eq!((answer.status, answer.text()), (200, String::new()));
        assert_eq!(answer.field("content-type"), Some("application/grpc"));
        assert_eq!(answer.field("grpc-status"), Some("14"));
        assert_eq!(answer.field("grpc-message"), answer.field("x-aya-reason"));
        assert_eq!(answer.field("x-aya-reason"), Some("connect-refused"));
    });
    // Browsers speak it over HTTP/1.1, and know the type by which they asked.
    for (asked, told) in [
        ("application/grpc-web+proto", "application/grpc-web"),
        ("application/grpcx", "text/plain; charset=utf-8"),
    ] {
        let answer = client::ask(address, client::request("GET", "/0", &[("content-type", asked)]));
        assert_eq!(answer.field("content-type"), Some(told));
    }
}

#[test]
fn a_call_to_a_backend_that_speaks_http1_keeps_its_trailers() {
    let backend = Backend::with(|visit| {
        visit.body()?;
        visit.raw_answer(
            "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\nx\r\n0\r\ngrpc-status: 3\r\n\r\n",
        )
    });
    let daemon = super::before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let answer = ask(address, "/0", MESSAGE).await;
        assert_eq!((answer.text().as_str(), answer.trailer("grpc-status")), ("x", Some("3")));
    });
    assert!(backend.heads()[0].lists("te", "trailers"));
}

//! A WebSocket over HTTP/2 (RFC 8441), to either kind of backend, and from HTTP/1.1.

use std::net::SocketAddr;

use aya_tests::backend::{Backend, Then};
use aya_tests::client;
use aya_tests::h2::{self, Answer, Client, Incoming, Server, run};
use bytes::Bytes;
use h2::{next, send_all};
use http::{Request, Response};

use super::{before_h1, before_h2};

/// The example of RFC 6455.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn connect(protocol: &'static str) -> Request<()> {
    let request = Request::builder().method("CONNECT").uri("http://test.example/chat");
    let request = request.extension(::h2::ext::Protocol::from_static(protocol));
    request.header("sec-websocket-version", "13").body(()).expect("it is valid")
}

/// Repeats what it is told.
async fn repeat(mut incoming: Incoming) {
    assert_eq!(incoming.request.method(), "CONNECT");
    assert_eq!(
        incoming.request.extensions().get::<::h2::ext::Protocol>().expect("the other side is there").as_str(),
        "websocket"
    );
    assert!(!incoming.request.headers().contains_key("sec-websocket-key"));
    let mut send = incoming.respond.send_response(Response::new(()), false).expect("the other side is there");
    while let Some(part) = next(incoming.request.body_mut()).await.expect("the other side is there") {
        send_all(&mut send, &part, false).await.expect("the other side is there");
    }
    send.send_data(Bytes::new(), true).expect("the other side is there");
}

fn server() -> Server {
    let mut settings = ::h2::server::Builder::new();
    settings.enable_connect_protocol();
    Server::configured(settings, |_, _| {}, repeat)
}

/// Opens a WebSocket by HTTP/2, and says three words.
async fn talk(client: &Client) {
    let (response, mut send) = client.begin(connect("websocket"), false).await;
    let response = response.await.expect("the other side is there");
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut recv = response.into_body();
    for word in ["one", "two", "three"] {
        send_all(&mut send, word.as_bytes(), false).await.expect("the other side is there");
        assert_eq!(
            next(&mut recv).await.expect("the other side is there").expect("the other side is there"),
            word
        );
    }
    send.send_data(Bytes::new(), true).expect("the other side is there");
    assert!(next(&mut recv).await.expect("the other side is there").is_none());
}

async fn connected(address: SocketAddr) -> Client {
    let client = Client::connect(address).await;
    while !client.allows_websockets().await {
        tokio::task::yield_now().await;
    }
    client
}

#[test]
fn a_websocket_by_http2_reaches_a_backend_that_speaks_http1() {
    let backend = Backend::with(|visit| {
        assert_eq!((visit.head.word(0), visit.head.field("upgrade")), ("GET", Some("websocket")));
        assert_eq!(visit.head.field("sec-websocket-version"), Some("13"));
        let key = visit.head.field("sec-websocket-key").unwrap();
        let proof = proof(key);
        visit.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {proof}\r\n\r\n"
        ))?;
        for word in ["one", "two", "three"] {
            let said = visit.bytes(word.len())?;
            visit.write(said)?;
        }
        Ok(Then::Close)
    });
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async { talk(&connected(address).await).await });
}

/// RFC 6455, 4.2.2, by the tool that everybody has.
fn proof(key: &str) -> String {
    ayad::http2::websocket::proof(key.as_bytes())
}

#[test]
fn a_websocket_passes_between_two_sides_of_http2() {
    let backend = server();
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async { talk(&connected(address).await).await });
}

#[test]
fn a_websocket_by_http1_reaches_a_backend_that_speaks_http2() {
    let backend = server();
    let daemon = before_h2(backend.address);
    let mut client = client::Client::connect(daemon.address());
    client.send(format!(
        "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n\r\n"
    ));
    let head = client.head();
    assert_eq!((head.word(1), head.field("sec-websocket-accept")), ("101", Some(PROOF)));
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    client.finish_sending();
    client.expect_close();
}

async fn refused(client: &Client, request: Request<()>) -> Answer {
    let (response, _send) = client.begin(request, false).await;
    h2::whole(response.await.expect("the other side is there")).await.expect("the other side is there")
}

#[test]
fn an_answer_that_opens_no_websocket_does_not_look_as_if_it_did() {
    let wrong = Backend::with(|visit| {
        visit.raw_answer("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n")
    });
    let none = Backend::saying("a page");
    let forbids = Backend::with(|visit| visit.answer(403, "no"));
    for (backend, status, reason) in
        [(wrong, 502, Some("bad-response")), (none, 502, Some("bad-response")), (forbids, 403, None)]
    {
        let daemon = before_h1(backend.address);
        let address = daemon.address();
        run(async {
            let client = connected(address).await;
            let answer = refused(&client, connect("websocket")).await;
            assert_eq!((answer.status, answer.field("x-aya-reason")), (status, reason));
        });
    }
}

#[test]
fn other_uses_of_connect_are_not_done() {
    let backend = Backend::saying("a page");
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let client = connected(address).await;
        let answer = refused(&client, connect("connect-udp")).await;
        assert_eq!((answer.status, answer.field("x-aya-reason")), (501, Some("not-implemented")));
        let plain = Request::builder().method("CONNECT").uri("test.example:80").body(()).unwrap();
        assert_eq!(refused(&client, plain).await.status, 501);
    });
    assert_eq!(backend.requests(), 0);
}

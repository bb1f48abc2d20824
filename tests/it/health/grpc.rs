//! Checks that call grpc.health.v1.

use std::sync::{Arc, Mutex};

use aya_api::axis::Health;
use aya_tests::backend::{Backend, Then};
use aya_tests::certs::Authority;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::h2::{Incoming, Server};
use aya_tests::tls::server_config;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{expect_down, patient};

/// How a call is answered: a message and how it ended, or only how it ended.
type Answer = (u16, Option<Vec<u8>>, &'static [(&'static str, &'static str)]);

const ENDED_WELL: &[(&str, &str)] = &[("grpc-status", "0")];

fn status(status: u8) -> Answer {
    (200, Some(vec![0, 0, 0, 0, 2, 8, status]), ENDED_WELL)
}

fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    pairs.iter().copied().map(field).collect()
}

async fn serve(mut incoming: Incoming, (status, message, ends): Answer, asked: &Mutex<Vec<String>>) {
    let mut said = format!("{} ", incoming.request.uri());
    let body = incoming.request.body_mut();
    while let Some(data) = body.data().await {
        said.push_str(&data.map_or_else(|error| error.to_string(), |data| format!("{data:?}")));
    }
    asked.lock().expect("nobody panics with it").push(said);
    let response = Response::builder().status(status).header("content-type", "application/grpc");
    let mut response = response.body(()).expect("a plain answer is valid");
    // Checks that have seen enough are gone, which is what some tests are about.
    let Some(message) = message else {
        response.headers_mut().extend(fields(ends));
        drop(incoming.respond.send_response(response, true));
        return;
    };
    if let Ok(mut send) = incoming.respond.send_response(response, false) {
        drop(send.send_data(Bytes::from(message), false));
        drop(send.send_trailers(fields(ends)));
    }
}

/// What was asked, in the order of the calls.
type Asked = Arc<Mutex<Vec<String>>>;

/// A server whose answer can be changed, and what it was asked.
fn server(first: Answer) -> (Server, Arc<Mutex<Answer>>, Asked) {
    let (answer, asked) = (Arc::new(Mutex::new(first)), Asked::default());
    let (current, asks) = (Arc::clone(&answer), Arc::clone(&asked));
    let server = Server::with(move |incoming| {
        let (answer, asks) = (current.lock().expect("nobody panics with it").clone(), Arc::clone(&asks));
        async move { serve(incoming, answer, &asks).await }
    });
    (server, answer, asked)
}

#[test]
fn a_service_is_up_while_it_says_that_it_serves() {
    let (server, answer, asked) = server(status(1));
    let keys = patient("kind = \"grpc\", service = \"shop.v1.Shop\", host = \"shop.test\"");
    let daemon = Daemon::balancing(&[("one", server.address)], &keys);
    daemon.control.expect_health("main/one", Health::Up);
    let question = asked.lock().unwrap()[0].clone();
    assert!(question.starts_with("http://shop.test/grpc.health.v1.Health/Check "), "{question}");
    assert!(question.ends_with("\\x0e\\n\\x0cshop.v1.Shop\""), "{question}");

    *answer.lock().unwrap() = status(2);
    expect_down(&daemon, "says NOT_SERVING");
    *answer.lock().unwrap() = status(1);
    daemon.control.expect_health("main/one", Health::Up);

    let unknown = &[("grpc-status", "5"), ("grpc-message", "unknown%20service")];
    *answer.lock().unwrap() = (200, None, unknown);
    expect_down(&daemon, "says NOT_FOUND unknown service");
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let cases: [(Answer, &str); 6] = [
        ((503, None, &[]), "status 503"),
        ((200, None, &[]), "garbage"),
        ((200, Some(vec![0, 0, 0, 0, 2, 8, 1]), &[]), "garbage"),
        ((200, Some(vec![0, 255, 255, 255, 255, 8, 1]), ENDED_WELL), "garbage"),
        ((200, Some(vec![0; 9000]), ENDED_WELL), "garbage"),
        ((200, Some(vec![0, 0, 0, 0, 2, 8, 1]), &[("grpc-status", "14")]), "says UNAVAILABLE"),
    ];
    for (answer, cause) in cases {
        let (server, ..) = server(answer);
        let daemon = Daemon::balancing(&[("one", server.address)], &patient("service = \"a.B\""));
        expect_down(&daemon, cause);
    }
}

#[test]
fn a_server_of_another_protocol_is_no_grpc_server() {
    let http1 = Backend::raw(|mut stream| {
        use std::io::{Read, Write};
        let mut buffer = [0; 1024];
        drop(stream.read(&mut buffer));
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        while let Ok(1..) = stream.read(&mut buffer) {}
    });
    let closing = Backend::with(|_| Ok(Then::Close));
    for (backend, cause) in [(http1, "garbage"), (closing, "closed early")] {
        let daemon = Daemon::balancing(&[("one", backend.address)], &patient("kind = \"grpc\""));
        expect_down(&daemon, cause);
    }
}

/// A gRPC server inside TLS that always serves.
fn inside_tls(config: rustls::ServerConfig) -> Backend {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Backend::raw(move |stream| {
        let acceptor = acceptor.clone();
        let session = async move {
            stream.set_nonblocking(true).ok()?;
            let stream = tokio::net::TcpStream::from_std(stream).ok()?;
            let stream = acceptor.accept(stream).await.ok()?;
            let mut connection = h2::server::handshake(stream).await.ok()?;
            while let Some(Ok((request, respond))) = connection.accept().await {
                let asked = Mutex::new(Vec::new());
                tokio::spawn(
                    async move { serve(Incoming { request, respond, nth: 0 }, status(1), &asked).await },
                );
            }
            Some(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Broken connections end it as well.
        let _ = runtime.expect("a runtime can be made").block_on(session);
    })
}

#[test]
fn grpc_is_asked_inside_tls_where_the_pool_has_it() {
    let authority = Authority::new("inside");
    let mut config = server_config(&authority.server(&["127.0.0.1"]), None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let backend = inside_tls(config);
    let keys = patient("kind = \"grpc\"") + "\nprotocol = \"h2\"\ntls = { ca = \"inside.pem\" }";
    let setup = Setup::new(&pool(&[("one", backend.address)], &keys));
    authority.write(setup.folder(), "inside.pem");
    let daemon = setup.start();

    daemon.control.expect_health("main/one", Health::Up);
}

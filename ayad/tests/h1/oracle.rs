//! A reader nobody here wrote sees the same message in whatever the codec accepts, and the next one in the same
//! place. That is what makes smuggling impossible between us and such a reader.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;

use ayad::h1::{RequestHead, ResponseHead};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, Version};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::kit::{body, fields, request, requests, response_to, responses};

/// Follows the message under test; an oracle that sees it where we do agrees on the length of what came before.
const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: s\r\n\r\n";

/// More than any message here, so that writing never waits for reading.
const ROOM: usize = 1 << 20;

/// What a reader makes of a message.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    first: String,
    is_1_0: bool,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

/// In order of name, because hyper keeps only the order among fields of one name.
fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

fn of_map(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    sorted(map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect())
}

/// The requests that hyper reads from bytes after which the client closes.
async fn requests_by_hyper(bytes: &[u8]) -> Vec<Seen> {
    let (mut client, server) = duplex(ROOM);
    client.write_all(bytes).await.expect("there is room");
    client.shutdown().await.expect("it can be closed");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else { return Ok(Response::new(Full::<Bytes>::default())) };
            seen.borrow_mut().push(Seen {
                first: format!("{} {}", head.method, head.uri),
                is_1_0: head.version == Version::HTTP_10,
                fields: of_map(&head.headers),
                body: body.to_bytes().to_vec(),
            });
            Ok::<_, Infallible>(Response::new(Full::default()))
        }
    });
    let mut server_side = hyper::server::conn::http1::Builder::new();
    server_side.half_close(true);
    let _ = server_side.serve_connection(TokioIo::new(server), service).await;
    drop(client);
    seen.take()
}

/// What hyper makes of an answer to this method, the connection closing after it.
async fn response_by_hyper(method: &str, bytes: &[u8]) -> Option<Seen> {
    let (client, server) = duplex(ROOM);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.ok()?;
    let request =
        Request::builder().method(method).uri("/").header("host", "a").body(Full::<Bytes>::default()).ok()?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes().to_vec();
        let is_1_0 = head.version == Version::HTTP_10;
        Some(Seen { first: head.status.as_str().to_owned(), is_1_0, fields: of_map(&head.headers), body })
    };
    let (seen, _, ()) = tokio::join!(exchange, connection, answer(server, bytes));
    seen
}

/// Reads a request, answers it with these bytes, and closes.
async fn answer(mut server: DuplexStream, bytes: &[u8]) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        if server.read_buf(&mut asked).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let _ = server.write_all(bytes).await;
}

/// hyper takes fewer targets: RFC 3986 has no place for these, and browsers escape most of them.
fn is_plain(target: &[u8]) -> bool {
    !target.iter().any(|byte| b"\"<>\\^`{|}".contains(byte))
}

/// The message as we read it, and its length; `None` when it is refused or not complete.
fn request_by_us(bytes: &[u8]) -> Option<(RequestHead, Seen, usize)> {
    let head = request(bytes).ok()??;
    let body = body(head.framing, &bytes[head.size..], &[]).ok().filter(|body| body.is_over)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seen = Seen {
        first: format!("{} {}", text(head.method.of(bytes)), text(head.target.of(bytes))),
        is_1_0: head.http_1_0,
        fields: sorted(fields(bytes, &head.fields)),
        body: body.payload,
    };
    let size = head.size + body.size;
    Some((head, seen, size))
}

fn response_by_us(method: &str, bytes: &[u8]) -> Option<(ResponseHead, Seen)> {
    let head = response_to(method, bytes).ok()??;
    let framing = head.framing;
    let body = body(framing, &bytes[head.size..], &[]).ok()?;
    let is_whole = body.is_over || framing == ayad::h1::Framing::UntilClose;
    let seen = Seen {
        first: head.status.to_string(),
        is_1_0: head.http_1_0,
        fields: sorted(fields(bytes, &head.fields)),
        body: body.payload,
    };
    is_whole.then_some((head, seen))
}

/// hyper writes a target its own way where it means the same.
fn same_target(text: &str) -> String {
    let text = text.replacen(" HTTP://", " http://", 1).replacen(" HTTPS://", " https://", 1);
    match text.split_once("://") {
        Some((_, rest)) if !rest.contains('/') && !rest.contains('?') => format!("{text}/"),
        Some((scheme, rest)) if !rest.split('?').next().unwrap_or_default().contains('/') => {
            format!("{scheme}://{}", rest.replacen('?', "/?", 1))
        }
        _ => text,
    }
}

fn check_request(bytes: &[u8]) {
    let Some((head, mut ours, size)) = request_by_us(bytes) else { return };
    if !is_plain(head.target.of(bytes)) {
        return;
    }
    ours.first = same_target(&ours.first);
    let mut stream = bytes[..size].to_vec();
    stream.extend(SENTINEL);
    let mut theirs = run(requests_by_hyper(&stream)).into_iter();

    let first = theirs.next().map(|seen| Seen { first: same_target(&seen.first), ..seen });
    assert_eq!(first, Some(ours), "{}", bytes.escape_ascii());
    let next = theirs.next().map(|seen| seen.first);
    let expected = head.keep_alive.then(|| "GET /sentinel".to_owned());
    assert_eq!(next, expected, "{}", bytes.escape_ascii());
    assert!(theirs.next().is_none(), "{}", bytes.escape_ascii());
}

fn check_response(method: &str, bytes: &[u8]) {
    let Some((head, ours)) = response_by_us(method, bytes) else { return };
    // What follows an interim answer is another message, and hyper waits for it.
    if head.status < 200 {
        return;
    }
    let theirs = run(response_by_hyper(method, bytes));
    assert_eq!(theirs, Some(ours), "{method} {}", bytes.escape_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn hyper_reads_the_same_request_and_finds_the_next_one(bytes in requests()) {
        check_request(&bytes);
    }

    #[test]
    fn hyper_reads_the_same_answer(bytes in responses(), to_head in any::<bool>()) {
        check_response(if to_head { "HEAD" } else { "GET" }, &bytes);
    }
}

#[test]
fn the_oracle_would_notice() {
    let smuggled = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let seen = run(requests_by_hyper(&[&smuggled[..], SENTINEL].concat()));
    assert_eq!(seen.iter().map(|seen| seen.first.as_str()).collect::<Vec<_>>(), ["POST /", "GET /sentinel"]);

    let (head, ours, size) = request_by_us(smuggled).unwrap();
    assert_eq!((seen[0].fields.clone(), size, head.keep_alive), (ours.fields, smuggled.len(), true));
    let seen = run(response_by_hyper("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    assert_eq!(seen.map(|seen| (seen.first, seen.body)), Some(("200".into(), b"ok".to_vec())));
    check_request(b"GET http://a.example?q HTTP/1.1\r\nHost: a.example\r\n\r\n");
    check_request(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: x\r\n\r\n",
    );
}

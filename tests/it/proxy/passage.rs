//! What a backend gets is exactly what a strict reader finds in what the client sent: the same requests, in the same
//! order, with the same bodies, and not one that was hidden in another.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use aya_core::path::{Normal, normalise};
use aya_tests::backend::Backend;
use aya_tests::client::Client;
use ayad::h1::RequestHead;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::before;
use crate::strict::{LIMITS, body};

/// Fields whose way through the proxy is compared: they are no business of any proxy.
const COMPARED: &[&str] = &["a", "x-b", "cookie", "content-length", "transfer-encoding", "expect"];

/// One request as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    host: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

enum Found {
    Request(Box<Seen>, usize, bool),
    /// Not all of it is there.
    Part,
    Refused,
}

/// Reads the first request of a stream.
fn first(bytes: &[u8]) -> Found {
    let mut head = RequestHead::default();
    match head.read(bytes, LIMITS) {
        Ok(true) => {}
        Ok(false) => return Found::Part,
        Err(_) => return Found::Refused,
    }
    let Some((body, size)) = body(head.framing, &bytes[head.size..]) else { return Found::Refused };
    let Some(size) = size else { return Found::Part };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Some(path) = path(&head, bytes) else { return Found::Refused };
    let fields = head
        .fields
        .iter()
        .map(|field| (text(field.name.of(bytes)).to_lowercase(), field.value.of(bytes).to_vec()));
    let seen = Seen {
        line: format!("{} {path}{}", text(head.method.of(bytes)), text(head.query.of(bytes))),
        host: text(head.host.of(bytes)).to_lowercase(),
        fields: fields.filter(|(name, _)| COMPARED.contains(&name.as_str())).collect(),
        body,
    };
    Found::Request(Box::new(seen), head.size + size, head.keep_alive)
}

/// The path that the backend is to see.
fn path(head: &RequestHead, bytes: &[u8]) -> Option<String> {
    let path = head.path.of(bytes);
    let mut out = Vec::new();
    let normal = match path {
        [] if head.is_absolute && head.method.of(bytes) != b"OPTIONS" => b"/",
        [] => b"*",
        path if normalise(path, &mut out).ok()? == Normal::AsIs => path,
        _ => out.as_slice(),
    };
    Some(String::from_utf8_lossy(normal).into_owned())
}

/// What a stream holds, up to the first request that ends the connection.
struct Whole {
    requests: Vec<Seen>,
    /// Nothing more can come of it: the proxy closes the connection.
    ends: bool,
}

fn whole(mut bytes: &[u8]) -> Whole {
    let mut requests = Vec::new();
    loop {
        match first(bytes) {
            Found::Request(seen, size, keep_alive) => {
                requests.push(*seen);
                bytes = &bytes[size..];
                if !keep_alive {
                    return Whole { requests, ends: true };
                }
            }
            Found::Part => return Whole { requests, ends: false },
            Found::Refused => return Whole { requests, ends: true },
        }
    }
}

/// What a backend saw, and what it could not read.
#[derive(Debug, Default)]
struct Log {
    seen: Vec<Seen>,
    unreadable: Vec<String>,
}

/// A backend that reads as strictly as can be, answers whole requests and writes them down.
fn strict(log: &Arc<Mutex<Log>>) -> Backend {
    let log = Arc::clone(log);
    Backend::raw(move |mut stream: TcpStream| {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match first(&bytes) {
                Found::Request(seen, size, _) => {
                    bytes.drain(..size);
                    log.lock().expect("no test panics while it holds the log").seen.push(*seen);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                        return;
                    }
                }
                Found::Part => match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                },
                Found::Refused => {
                    log.lock()
                        .expect("no test panics while it holds the log")
                        .unreadable
                        .push(bytes.escape_ascii().to_string());
                    return;
                }
            }
        }
    })
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(texts)
}

const LINES: &[&str] = &[
    "GET / HTTP/1.1",
    "POST /a/../b?c HTTP/1.1",
    "POST //x/%7e/%2f HTTP/1.1",
    "PUT http://A.example:80/y HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "POST / HTTP/1.0",
    "GET http://a.example?q HTTP/1.1",
    "GET /../x HTTP/1.1",
    "POST /%00 HTTP/1.1",
    "get / HTTP/1.1",
    "GET * HTTP/1.1",
];
const FIELDS: &[&str] = &[
    "Content-Length: 5",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "A: b",
    "x-B:\t c ",
    "Cookie: d",
    "Connection: close",
    "Connection: keep-alive, X-B",
    "Connection: Content-Length, Transfer-Encoding, Host",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Connection: upgrade\r\nUpgrade: h2c",
    "Keep-Alive: 5",
    "TE: trailers, gzip",
    "Trailer: T",
    "X-Forwarded-For: 6.6.6.6",
    "Content-Length: 6",
    "Content_Length: 6",
    "Transfer-Encoding: xchunked",
    "A: b\r\n folded",
    "A : b",
    "A: b\nC: d",
    "Content-Length: 5\r",
    "Via: 1.0 x",
    "X-Request-Id: \u{e9}",
];
const REST: &[&str] = &[
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x=\"y\"\r\nhello\r\n00\r\nT: x\r\nContent-Length: 3\r\n\r\n",
    "0\r\n\r\n",
    "",
    "5\r\nhelloo\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello\r\n0\r\n",
    "hell",
    "\r\n",
    "5\r\nhello\r\n0\r\n\nGET /hidden HTTP/1.1\r\nHost: h.example\r\n\r\n",
    "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h.example\r\n\r\n",
];

/// What a client may send: a few requests one after the other, nearly right.
fn streams() -> impl Strategy<Value = String> {
    let fields = prop::collection::vec(one_of(FIELDS), 0..3).prop_map(|fields| fields.join("\r\n"));
    let host = prop_oneof![9 => Just("Host: a.example"), 1 => Just("Host: a.example\r\nHost: b.example")];
    let request = (one_of(LINES), host, fields, one_of(REST)).prop_map(|(line, host, fields, rest)| {
        let end = if fields.is_empty() { "" } else { "\r\n" };
        format!("{line}\r\n{host}\r\n{fields}{end}\r\n{rest}")
    });
    let sentinel = "GET /sentinel HTTP/1.1\r\nHost: s.example\r\nA: last\r\n\r\n";
    prop::collection::vec(request, 1..3).prop_map(move |requests| requests.concat() + sentinel)
}

/// Without the field that the client named in `Connection`.
fn passed_on(seen: &Seen, names_x_b: bool) -> Seen {
    let mut seen = seen.clone();
    seen.fields.retain(|(name, _)| !names_x_b || name != "x-b");
    seen
}

#[test]
fn a_backend_gets_the_requests_that_a_strict_reader_finds_and_no_other() {
    let log = Arc::default();
    let backend = strict(&log);
    let daemon = before(&backend);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });

    let (cases, expected_in_all) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&streams(), |text| {
        let case = cases.get();
        cases.set(case + 1);
        let tag = format!(".case-{case}");
        let text = text.replace(".example", &tag);
        let names_x_b = text.contains("keep-alive, X-B");
        let Whole { requests, ends } = whole(text.as_bytes());
        expected_in_all.set(expected_in_all.get() + requests.len());
        let mut client = Client::connect(daemon.address());
        // The proxy may refuse the first of them and close before it has them all.
        let _ = client.try_send(&text);
        for request in &requests {
            let answer = client.try_answer().map(|answer| answer.status);
            prop_assert_eq!(answer.ok(), Some(200), "{} of {:?}", request.line, text);
        }
        if ends {
            client.rest();
        }

        let log = log.lock().expect("no test panics while it holds the log");
        let is_ours = |seen: &&Seen| seen.host.ends_with(&tag);
        let seen: Vec<_> = log.seen.iter().filter(is_ours).map(|seen| passed_on(seen, names_x_b)).collect();
        let expected: Vec<_> = requests.iter().map(|seen| passed_on(seen, names_x_b)).collect();
        prop_assert_eq!(&log.unreadable, &Vec::<String>::new(), "{:?}", text);
        prop_assert_eq!(seen, expected, "{:?}", text);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let seen = log.lock().expect("no test panics while it holds the log").seen.len();
    assert_eq!(seen, expected_in_all.get(), "something came after its connection was over");
}

//! Why a request, or an answer, cannot be read: in the access log, in words of ours.

use aya_tests::backend::Backend;
use aya_tests::client::{Client, request};
use aya_tests::daemon::{Daemon, Setup, pool};

use crate::tcp::logged;

/// What the access log says of one connection on which this is sent: status, reason, detail.
fn told(daemon: &Daemon, sent: &[u8], line: usize) -> (u64, String, String) {
    let log = daemon.folder().join("access.log");
    let mut client = Client::connect(daemon.address());
    client.send(sent);
    drop(client.try_answer());
    let line = &logged(&log, line + 1)[line];
    let text = |name: &str| line[name].as_str().unwrap_or("none").to_owned();
    (line["status"].as_u64().expect("a number"), text("reason"), text("detail"))
}

fn before(backend: &Backend) -> Daemon {
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let log = setup.folder().join("access.log");
    setup.daemon(&format!("access_log = \"{}\"", log.display())).start()
}

#[test]
fn the_access_log_says_which_rule_a_request_broke() {
    let backend = Backend::saying("one");
    let daemon = before(&backend);
    let with = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n");
    let cases = [
        ("\x16\x03\x01\x02\0\x01\0".to_owned(), "a TLS handshake in place of a request"),
        (with("content-length: 1\r\ncontent-length: 1"), "content-length twice"),
        (with("foo : x"), "whitespace between the name of a field and its colon"),
        (with("foo: x\nbar: y"), "a line that does not end with CRLF"),
        ("GET /../x HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "a path that leads above its root"),
        (with("transfer-encoding: chunked\r\n\r\n2\r\nabc"), "a chunk is longer than it says"),
        (with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz"), "a chunk has no size"),
    ];
    for (index, (sent, rule)) in cases.iter().enumerate() {
        let (_, reason, detail) = told(&daemon, sent.as_bytes(), index);
        assert_eq!((reason.as_str(), detail.as_str()), ("bad-request", *rule), "{sent:?}");
    }
}

#[test]
fn the_access_log_says_which_rule_an_answer_broke() {
    let backend = Backend::with(|visit| match visit.target() {
        "/length" => visit.raw_answer("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na"),
        "/204" => visit.raw_answer("HTTP/1.1 204 No\r\ncontent-length: 1\r\n\r\na"),
        "/switch" => visit.raw_answer("HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
        _ => visit.raw_answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"),
    });
    let daemon = before(&backend);
    let cases = [
        ("/length", 502, "content-length twice"),
        ("/204", 502, "an answer that has no body announces one"),
        ("/switch", 502, "it does not answer how another protocol was asked for"),
        ("/body", 200, "a chunk has no size"),
    ];
    for (index, (path, status, rule)) in cases.into_iter().enumerate() {
        let told = told(&daemon, request("GET", path, &[]).as_bytes(), index);
        assert_eq!(told, (status, "bad-response".to_owned(), rule.to_owned()), "{path}");
    }
}

#[test]
fn a_refusal_over_http2_is_in_the_access_log_too() {
    use aya_tests::h2::frames::{END_HEADERS, END_STREAM, HEADERS, Raw, frame, get};
    let backend = Backend::saying("one");
    let daemon = before(&backend);
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/../x", &[])));
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &get("/", &[("content_length", "1")])));
    let lines = logged(&daemon.folder().join("access.log"), 2);
    let mut details: Vec<_> = lines.iter().map(|line| line["detail"].as_str().expect("a text")).collect();
    details.sort_unstable();
    assert_eq!(
        details,
        ["a name that looks like that of a field with a meaning", "a path that leads above its root"]
    );
}

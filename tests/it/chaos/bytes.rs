//! Faults that act on bytes, and on TCP connections.

use std::time::Duration;

use tokio::time::Instant;

use aya_tests::backend::Backend;
use aya_tests::client::{Client, get, request};

use super::{Inside, fault};
use crate::tcp::{echo, greeting};

const BODY: &str = "a body of some length, so that there is something to cut, change and slice";

fn asked(json: &str) -> (Inside, Backend) {
    let backend = Backend::saying(BODY);
    let daemon = Inside::http(&[("one", backend.address)], "retry = { attempts = 1 }");
    daemon.all(fault(json));
    (daemon, backend)
}

/// The bytes that come before the connection ends, however it does.
fn cut(daemon: &Inside) -> Vec<u8> {
    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    let mut bytes = Vec::new();
    while let Ok(byte) = client.try_byte() {
        bytes.push(byte);
    }
    bytes
}

#[test]
fn sliced_and_slowed_answers_are_whole() {
    for json in [
        r#"{"kind":"slice","bytes":10,"spread":3,"pause_us":2000}"#,
        r#"{"kind":"bandwidth","down":2000,"up":2000}"#,
        r#"{"kind":"slow-close","delay_ms":100}"#,
    ] {
        let (daemon, _backend) = asked(json);
        let begun = Instant::now();
        let answer = get(daemon.address(), "/");
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY), "{json}");
        assert!(begun.elapsed() >= Duration::from_millis(15), "{json}");
    }
}

#[test]
fn a_truncated_answer_is_cut_for_the_client_too() {
    for json in
        [r#"{"kind":"truncate","after_bytes":100}"#, r#"{"kind":"reset","phase":"inside","after_bytes":100}"#]
    {
        let (daemon, _backend) = asked(json);
        let bytes = cut(&daemon);
        assert!(bytes.starts_with(b"HTTP/1.1 200") && !bytes.ends_with(BODY.as_bytes()), "{json}");
    }
}

#[test]
fn a_corrupt_body_has_its_length() {
    let (daemon, _backend) = asked(r#"{"kind":"corrupt","one_in":10}"#);
    let answer = get(daemon.address(), "/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.bytes.len(), BODY.len());
    assert_ne!(answer.body.bytes, BODY.as_bytes());
}

#[test]
fn a_shaped_connection_is_not_kept() {
    let (daemon, backend) = asked(r#"{"kind":"slice","bytes":10}"#);
    assert_eq!(get(daemon.address(), "/").text(), BODY);
    daemon.calm();
    assert_eq!(get(daemon.address(), "/").text(), BODY);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn tcp_connections_are_hit_too() {
    let backend = greeting("one");
    let keys = "retry = { attempts = 1 }";
    for json in [r#"{"kind":"reset"}"#, r#"{"kind":"refuse"}"#, r#"{"kind":"truncate","after_bytes":0}"#] {
        let daemon = Inside::tcp(&[("one", backend.address)], keys);
        daemon.all(fault(json));
        // It may be turned away before `connect` has returned.
        let byte = Client::try_connect(daemon.address()).and_then(|mut client| client.try_byte());
        assert!(byte.is_err(), "{json}");
    }
    for json in [
        r#"{"kind":"latency","mean_ms":50}"#,
        r#"{"kind":"slice","bytes":1,"pause_us":1000}"#,
        r#"{"kind":"bandwidth","down":100}"#,
        r#"{"kind":"slow-close","delay_ms":20}"#,
    ] {
        let daemon = Inside::tcp(&[("one", backend.address)], keys);
        daemon.all(fault(json));
        assert_eq!(Client::connect(daemon.address()).line(), "one", "{json}");
    }
}

#[test]
fn a_tcp_stream_is_corrupted() {
    let backend = echo();
    let daemon = Inside::tcp(&[("one", backend.address)], "");
    daemon.all(fault(r#"{"kind":"corrupt","one_in":1}"#));
    let mut client = Client::connect(daemon.address());
    client.send("hello");
    assert_ne!(client.bytes(5), b"hello");
}

//! Frames in, allowed outcomes: what no honest client sends is refused on its stream or ends its connection, and
//! nothing of it reaches a backend as something else.

use aya_tests::backend::Backend;
use aya_tests::h2::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RESET, Raw, SETTINGS, frame,
    get, literals,
};
use aya_tests::h2::{Client, run};

use super::before_h1;

/// `:status: 400`, from the table of HPACK (RFC 7541, appendix A).
const STATUS_400: u8 = 0x8c;
const WHOLE: u8 = END_STREAM | END_HEADERS;
const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// What the proxy may do about a case.
#[derive(Debug)]
enum Allowed {
    /// The request is answered with 400, its stream reset, or the connection ended, as anybody may who would reset a
    /// stream (RFC 9113, 5.4.2).
    Refusal,
    /// The connection ends with one of these codes.
    Connection(&'static [u32]),
}

/// The first thing the proxy says about it: a head or a reset of stream 1, or the end.
fn outcome(raw: &mut Raw) -> Option<Frame> {
    std::iter::from_fn(|| raw.read())
        .find(|frame| frame.kind == GOAWAY || frame.stream == 1 && matches!(frame.kind, HEADERS | RESET))
}

fn check(name: &str, sent: &[u8], allowed: &Allowed) {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    raw.send(sent);
    let outcome = outcome(&mut raw);
    let code = |frame: &Frame, at| {
        u32::from_be_bytes(frame.payload[at..at + 4].try_into().expect("the other side is there"))
    };
    let is_allowed = match (allowed, &outcome) {
        (Allowed::Refusal, Some(goaway)) if goaway.kind == GOAWAY => code(goaway, 4) == PROTOCOL_ERROR,
        (Allowed::Refusal, Some(reset)) if reset.kind == RESET => code(reset, 0) == PROTOCOL_ERROR,
        (Allowed::Refusal, Some(head)) if head.kind == HEADERS => head.payload[0] == STATUS_400,
        (Allowed::Connection(codes), Some(goaway)) if goaway.kind == GOAWAY => {
            codes.contains(&code(goaway, 4))
        }
        _ => false,
    };
    assert!(is_allowed, "{name}: {outcome:?}, {allowed:?}");
    assert_eq!(backend.requests(), 0, "{name}");
    let address = daemon.address();
    run(async { assert_eq!(Client::connect(address).await.get("/").await.text(), "hello", "{name}") });
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &literals(fields))
}

const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test.example")];

fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    head(&[&GOOD[..], fields].concat())
}

#[test]
fn malformed_requests_are_refused_and_never_reach_a_backend() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no method", head(&[(":scheme", "http"), (":path", "/"), (":authority", "a")])),
        ("no path", head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        (
            "an empty path",
            head(&[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")]),
        ),
        ("no scheme", head(&[(":method", "GET"), (":path", "/"), (":authority", "a")])),
        ("no host at all", head(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])),
        ("two paths", with(&[(":path", "/b")])),
        ("an unknown pseudo-field", with(&[(":sneaky", "1")])),
        ("a status", with(&[(":status", "200")])),
        (
            "a pseudo-field behind a field",
            head(&[(":method", "GET"), ("x", "y"), (":scheme", "http"), (":path", "/")]),
        ),
        ("a name in upper case", with(&[("X-Upper", "1")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "timeout=1")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te other than trailers", with(&[("te", "gzip")])),
        ("two hosts", with(&[("host", "test.example"), ("host", "test.example")])),
        ("another host", with(&[("host", "other.example")])),
        ("a user in the authority", head(&[GOOD[0], GOOD[1], GOOD[2], (":authority", "u@a")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "1")])),
        ("a length with a sign", with(&[("content-length", "+0")])),
        ("a length without a body", with(&[("content-length", "5")])),
        ("a space in the path", head(&[GOOD[0], GOOD[1], (":path", "/ HTTP/1.1\r\nx: y"), GOOD[3]])),
        ("a space in the method", head(&[(":method", "GET /x"), GOOD[1], GOOD[2], GOOD[3]])),
    ];
    for (name, sent) in cases {
        check(name, &sent, &Allowed::Refusal);
    }
}

#[test]
fn a_value_that_would_end_its_line_never_reaches_a_backend() {
    for value in ["a\r\nx: y", "a\nx: y", "a\0b", "a\rb"] {
        let backend = Backend::saying("hello");
        let daemon = before_h1(backend.address);
        let mut raw = Raw::connect(daemon.address());
        raw.send(&with(&[("x-field", value)]));
        let outcome = outcome(&mut raw).expect("it is told");
        assert!(matches!(outcome.kind, RESET | GOAWAY), "{value:?}: {outcome:?}");
        assert_eq!(backend.requests(), 0, "{value:?}");
    }
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_not_passed_on_as_whole() {
    for (length, body) in [("2", "abc"), ("5", "abc")] {
        let backend = Backend::echo();
        let daemon = before_h1(backend.address);
        let mut raw = Raw::connect(daemon.address());
        let fields = [(":method", "POST"), GOOD[1], GOOD[2], GOOD[3], ("content-length", length)];
        raw.send(&frame(HEADERS, END_HEADERS, 1, &literals(&fields)));
        raw.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
        let outcome = outcome(&mut raw).expect("it is told");
        let is_refused = outcome.kind == RESET || outcome.kind == HEADERS && outcome.payload[0] == STATUS_400;
        assert!(is_refused, "{length}: {outcome:?}");
    }
}

#[test]
fn a_trailer_that_looks_like_framing_is_refused() {
    for name in ["content_length", "transfer_encoding", "x_forwarded_for"] {
        let backend = Backend::echo();
        let daemon = before_h1(backend.address);
        let mut raw = Raw::connect(daemon.address());
        let fields = [(":method", "POST"), GOOD[1], GOOD[2], GOOD[3]];
        raw.send(&frame(HEADERS, END_HEADERS, 1, &literals(&fields)));
        raw.send(&frame(DATA, 0, 1, b"abc"));
        raw.send(&frame(HEADERS, WHOLE, 1, &literals(&[(name, "5")])));
        let outcome = outcome(&mut raw).expect("it is told");
        assert!(outcome.kind == HEADERS && outcome.payload[0] == STATUS_400, "{name}: {outcome:?}");
    }
}

#[test]
fn frames_that_break_the_protocol_end_the_connection() {
    const PROTOCOL: Allowed = Allowed::Connection(&[PROTOCOL_ERROR]);
    const SIZE: Allowed = Allowed::Connection(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]);
    let begun = frame(HEADERS, END_STREAM, 1, &get("/", &[]));
    let cases: Vec<(&str, Vec<u8>, Allowed)> = vec![
        ("data on an idle stream", frame(DATA, 0, 1, b"x"), PROTOCOL),
        ("data on no stream", frame(DATA, 0, 0, b"x"), PROTOCOL),
        ("a head on no stream", frame(HEADERS, WHOLE, 0, &get("/", &[])), PROTOCOL),
        ("a head on a stream of ours", frame(HEADERS, WHOLE, 2, &get("/", &[])), PROTOCOL),
        ("something inside a head", [begun.clone(), frame(PING, 0, 0, &[0; 8])].concat(), PROTOCOL),
        ("the rest of another head", [begun, frame(CONTINUATION, 4, 3, &[])].concat(), PROTOCOL),
        ("the rest of no head", frame(CONTINUATION, 4, 1, &[]), PROTOCOL),
        ("a reset of an idle stream", frame(RESET, 0, 9, &[0; 4]), PROTOCOL),
        ("a ping on a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL),
        ("a promise", frame(5, 4, 1, &[0, 0, 0, 2]), PROTOCOL),
        ("padding longer than its frame", frame(DATA, 8, 1, &[255, 0]), PROTOCOL),
        ("a short ping", frame(PING, 0, 0, &[0; 7]), SIZE),
        ("a large frame", frame(DATA, 0, 1, &[0; 16_385]), SIZE),
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), SIZE),
        (
            "a head that cannot be unpacked",
            frame(HEADERS, WHOLE, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Allowed::Connection(&[PROTOCOL_ERROR, COMPRESSION_ERROR]),
        ),
    ];
    for (name, sent, allowed) in cases {
        check(name, &sent, &allowed);
    }
}

#[test]
fn a_connection_that_does_not_begin_with_settings_ends() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::silent(daemon.address());
    raw.send(&[aya_tests::h2::frames::PREFACE, &frame(PING, 0, 0, &[0; 8])].concat());
    assert_eq!(raw.goaway(), Some(PROTOCOL_ERROR));
}

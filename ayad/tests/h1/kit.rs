//! Reads whole messages with the codec, and makes messages that are nearly right.

use aya_core::reason::Reason;
use ayad::h1::{
    BadBody, BadResponse, BodyReader, Fields, Framing, Limits, RequestHead, ResponseHead, Span, Step,
};
use proptest::prelude::*;

/// What heads may be in these tests.
pub(crate) const LIMITS: Limits = Limits { bytes: 4096, fields: 32 };

/// Reads the head of a request; `None` while it is not complete.
pub(crate) fn request(bytes: &[u8]) -> Result<Option<RequestHead>, Reason> {
    let mut head = RequestHead::default();
    Ok(head.read(bytes, LIMITS)?.then_some(head))
}

/// Reads the head of an answer to a `GET`.
pub(crate) fn response(bytes: &[u8]) -> Result<Option<ResponseHead>, BadResponse> {
    response_to("GET", bytes)
}

/// Reads the head of an answer.
pub(crate) fn response_to(method: &str, bytes: &[u8]) -> Result<Option<ResponseHead>, BadResponse> {
    let mut head = ResponseHead::default();
    Ok(head.read(bytes, method == "HEAD", LIMITS)?.then_some(head))
}

/// Names in lower case, and values.
pub(crate) fn fields(bytes: &[u8], fields: &Fields) -> Vec<(String, Vec<u8>)> {
    let pair = |name: Span, value: Span| {
        (
            String::from_utf8(name.of(bytes).to_ascii_lowercase()).expect("names are ASCII"),
            value.of(bytes).to_vec(),
        )
    };
    fields.iter().map(|field| pair(field.name, field.value)).collect()
}

/// What was read of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) payload: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Bytes that belong to the body.
    pub(crate) size: usize,
    /// Whether nothing is missing.
    pub(crate) is_over: bool,
}

/// Reads a body of which `arrived` bytes came at a time: the last number repeats.
pub(crate) fn body(framing: Framing, bytes: &[u8], arrived: &[usize]) -> Result<Body, (BadBody, Body)> {
    let mut reader = BodyReader::new(framing);
    let mut body = Body::default();
    let (mut there, mut pieces) = (0, arrived.iter().copied());
    let mut piece = bytes.len().max(1);
    loop {
        match more(&mut reader, &bytes[..there], &mut body) {
            Err(bad) => return Err((bad, body)),
            Ok(false) if there < bytes.len() => {
                piece = pieces.next().unwrap_or(piece).max(1);
                there = bytes.len().min(there + piece);
            }
            Ok(_) => {
                body.is_over = reader.is_done();
                return Ok(body);
            }
        }
    }
}

/// Reads on with what is there; true once the body is over.
fn more(reader: &mut BodyReader, bytes: &[u8], body: &mut Body) -> Result<bool, BadBody> {
    loop {
        let rest = &bytes[body.size..];
        match reader.look(rest)? {
            Step::Done => return Ok(true),
            Step::More => return Ok(false),
            Step::Data(count) => {
                reader.take(&rest[..count])?;
                body.payload.extend(&rest[..count]);
                body.size += count;
            }
            Step::Framing(count) | Step::Last(count) => {
                reader.take(&rest[..count])?;
                body.size += count;
            }
            Step::Trailers => {
                let mut found = Fields::default();
                let Some(size) = reader.trailers(rest, &mut found)? else { return Ok(false) };
                body.trailers = fields(rest, &found);
                body.size += size;
            }
        }
    }
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(texts)
}

const METHODS: &[&str] =
    &["GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "M-SEARCH", "get", "CONNECT", "PRI", "G T", ""];
const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d",
    "/a",
    "*",
    "http://a.example/x",
    "http://b.example/",
    "HTTP://a.example:80",
    "http://u@a.example/",
    "a.example:80",
    "//x",
    "/%41",
    "/a b",
    "/\u{e9}",
    "/#",
    "http:///",
    "https://a.example?q",
    "?",
    "",
];
const VERSIONS: &[&str] = &[
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "http/1.1",
    "HTTP/1.1 ",
    "",
];
const STATUSES: &[&str] = &[
    "200 OK",
    "200 OK",
    "200 OK",
    "200",
    "200 ",
    "204 No",
    "304 Same",
    "101 On",
    "100 Go",
    "404 \u{e9}",
    "500 x\ty",
    "099 x",
    "600 x",
    "20 x",
    "2000 x",
    "-200 x",
    "200\tOK",
    "200  OK",
];
const LINES: &[&str] = &[
    "Content-Length: 5",
    "Content-Length: 5",
    "Content-Length: 0",
    "content-length: 05",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x5",
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "Content-Length : 5",
    "Content_Length: 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding:\tChunked\t",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding:",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "Expect: x",
    "Host: b.example",
    "host: a.example:80",
    "A: b",
    "A:",
    "a:\t x \t",
    "A: \u{e9}",
    "A: \u{1}",
    "A: b\u{7f}",
    "A: b\rc",
    " folded",
    "\tfolded",
    "no colon",
    ": empty",
    "A\u{e9}: b",
    "A(: b",
    "A: b\n B: c",
    "A: b\0",
];
const GOOD_LINES: &[&str] = &[
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Accept: */*",
    "accept: \t, x ",
    "X-\u{61}!: \u{e9}",
    "Cookie:",
];
const GOOD_BODIES: &[&str] = &[
    "hello",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x=y\r\nhello\r\n00a\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
];
const ENDS: &[&str] =
    &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", " \r\n", ""];
const BODIES: &[&str] = &[
    "hello",
    "5\r\nhello\r\n",
    "5\r\nhello\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "\r\n",
    "A;x=y\r\n0123456789\r\n",
    "05\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "5;\n\r\nhello\r\n",
    "-1\r\n",
    "0x5\r\n",
    "5\nhello\n",
    "5\r\nhelloo\r\n",
    "5\r\nhell\r\n",
    "fffffffffffffffff\r\n",
    "fffffffffffffff\r\n",
    "\r\n\r\n",
    "T: trailer\r\n",
    "Content-Length: 3\r\n",
    "T : x\r\n",
    "T: x\n",
    "0;ext\r\n\r\n",
    "0\r\nT: x\r\n\r\n",
    "GET /evil HTTP/1.1\r\nHost: e\r\n\r\n",
];

/// Bytes of a head with `first` for its first line.
fn head(first: impl Strategy<Value = String>, host: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let good_end = prop_oneof![30 => Just("\r\n"), 1 => one_of(ENDS)];
    let line = prop_oneof![4 => one_of(GOOD_LINES), 1 => one_of(LINES)];
    let line = (line, good_end.clone()).prop_map(|(line, end)| format!("{line}{end}"));
    let host = prop_oneof![9 => Just(host), 1 => Just("")];
    (first, good_end.clone(), host, prop::collection::vec(line, 0..4), good_end).prop_map(
        |(first, end, host, lines, last)| format!("{first}{end}{host}{}{last}", lines.concat()).into_bytes(),
    )
}

/// With one byte changed, now and then.
fn scratched(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        Just(b'\r'),
        Just(b'\n'),
        Just(b' '),
        Just(0),
        Just(b':'),
        Just(b','),
        Just(0x80),
        any::<u8>()
    ];
    (bytes, prop::option::weighted(0.2, (any::<prop::sample::Index>(), odd))).prop_map(
        |(mut bytes, scratch)| {
            if let Some((at, byte)) = scratch.filter(|_| !bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

/// Something like a body.
pub(crate) fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::collection::vec(one_of(BODIES), 0..5).prop_map(|parts| parts.concat().into_bytes());
    let good = one_of(GOOD_BODIES).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![good, scratched(parts)]
}

/// Something like a request, and its body.
pub(crate) fn requests() -> impl Strategy<Value = Vec<u8>> {
    let lead = prop_oneof![12 => Just(""), 1 => Just("\r\n"), 1 => Just("\r\n\r\n\r\n"), 1 => Just("\n")];
    let method = prop_oneof![6 => Just("POST"), 1 => one_of(METHODS)];
    let target = prop_oneof![6 => Just("/a?b"), 2 => one_of(TARGETS)];
    let version = prop_oneof![6 => Just("HTTP/1.1"), 1 => one_of(VERSIONS)];
    let first = (lead, method, target, version)
        .prop_map(|(lead, method, target, version)| format!("{lead}{method} {target} {version}"));
    (scratched(head(first, "Host: a.example\r\n")), bodies()).prop_map(|(head, body)| [head, body].concat())
}

/// Something like an answer, and its body.
pub(crate) fn responses() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![8 => Just("HTTP/1.1"), 1 => one_of(VERSIONS)];
    let status = prop_oneof![3 => Just("200 OK"), 1 => one_of(STATUSES)];
    let first = (version, status).prop_map(|(version, status)| format!("{version} {status}"));
    (scratched(head(first, "")), bodies()).prop_map(|(head, body)| [head, body].concat())
}

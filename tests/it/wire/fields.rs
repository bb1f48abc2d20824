//! Fields that belong to one connection end there; what frames or directs a message cannot be named away.

use aya_tests::tape::Reply;

use super::{Bench, Case, case, passed};

/// A request with these lines, of which these arrive.
fn fields(name: &str, sent: &str, arrive: &str) -> Case {
    let request = |lines: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}x: y\r\n\r\n");
    case(name, request(sent), passed(request(arrive)))
}

#[test]
fn fields_of_a_connection_do_not_arrive() {
    Bench::new().play(&[
        fields("keep-alive", "connection: keep-alive\r\nkeep-alive: timeout=5\r\n", ""),
        fields("named", "connection: b\r\nb: c\r\n", ""),
        fields("named in another case", "Connection: B\r\nb: c\r\nB: d\r\n", ""),
        fields("named before", "b: c\r\nconnection: b\r\n", ""),
        fields(
            "several",
            "connection: b, c\r\nconnection: d\r\nb: 1\r\nc: 2\r\nd: 3\r\ne: 4\r\n",
            "e: 4\r\n",
        ),
        fields("empty elements", "connection: , b,,\r\nb: c\r\n", ""),
        fields("not present", "connection: b\r\n", ""),
        fields(
            "proxy fields",
            "proxy-connection: keep-alive\r\nproxy-authorization: x\r\nproxy-authenticate: y\r\n",
            "",
        ),
        fields("te", "te: gzip\r\n", ""),
        fields("an upgrade without its connection", "upgrade: websocket\r\n", ""),
        fields("settings of HTTP/2", "http2-settings: AAMAAABk\r\n", ""),
        fields(
            "ours, claimed",
            "x-forwarded-for: 1.2.3.4\r\nforwarded: for=1.2.3.4\r\nx-forwarded-proto: https\r\n",
            "",
        ),
    ]);
}

#[test]
fn what_frames_or_directs_a_message_cannot_be_named_away() {
    let kept =
        |name: &str| fields(name, &format!("connection: {name}\r\n{name}: z\r\n"), &format!("{name}: z\r\n"));
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}content-length: 2\r\n\r\nok");
    let chunks = |fields: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{fields}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        )
    };
    Bench::new().play(&[
        case(
            "host",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: host\r\n\r\n",
            passed("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ),
        case("content-length", post("connection: content-length\r\n"), passed(post(""))),
        case(
            "content-length, close",
            post("connection: close, Content-Length\r\n"),
            super::Outcome::Passed { heard: vec![post("")], goes_on: false },
        ),
        case("transfer-encoding", chunks("connection: transfer-encoding\r\n"), passed(chunks(""))),
        kept("cookie"),
        kept("trailer"),
    ]);
}

#[test]
fn fields_that_the_proxy_writes_cannot_be_named_away() {
    let bench = Bench::new();
    let ours =
        ["x-forwarded-for", "forwarded", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "via"];
    for name in ours {
        bench.tape.play(Reply::ok());
        let sent = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: {name}\r\n\r\n");
        assert_eq!(aya_tests::client::ask(bench.daemon.address(), sent).status, 200);
        let heard = String::from_utf8_lossy(&bench.tape.heard()[0]).into_owned();
        assert_eq!(heard.matches(&format!("\r\n{name}: ")).count(), 1, "{heard}");
    }
}

#[test]
fn via_says_what_a_request_was_received_in() {
    let bench = Bench::new();
    for version in ["1.0", "1.1"] {
        bench.tape.play(Reply::ok());
        let sent = format!("GET / HTTP/{version}\r\nhost: a\r\nvia: 2 other\r\n\r\n");
        assert_eq!(aya_tests::client::ask(bench.daemon.address(), sent).status, 200);
        let heard = String::from_utf8_lossy(&bench.tape.heard()[0]).into_owned();
        assert!(heard.contains("\r\nvia: 2 other\r\n"), "{heard}");
        assert!(heard.contains(&format!("\r\nvia: {version} ayad\r\n")), "{heard}");
    }
}

#[test]
fn te_says_nothing_but_trailers() {
    Bench::new().play(&[
        fields("trailers", "te: trailers\r\n", "").arriving("te: trailers\r\nconnection: te\r\n"),
        fields("trailers among others", "te: gzip;q=0.5, Trailers\r\n", "")
            .arriving("te: trailers\r\nconnection: te\r\n"),
    ]);
}

impl Case {
    /// These lines arrive behind all that the client sent.
    fn arriving(self, lines: &str) -> Self {
        let heard = format!("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n{lines}\r\n");
        Self { outcome: passed(heard), ..self }
    }
}

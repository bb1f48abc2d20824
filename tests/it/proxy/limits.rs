//! What the proxy refuses by itself, with which status, reason and words.

use std::net::SocketAddr;
use std::time::Duration;

use aya_tests::backend::Backend;
use aya_tests::client::{Answer, Client, ask, get, request};
use aya_tests::daemon::{Daemon, ROUTE, members};
use aya_tests::wait::{self, Gate};

use super::{before, refusals};

/// A daemon whose listener has these further keys.
fn limited(backend: &Backend, keys: &str) -> Daemon {
    let members = members(&[("one", backend.address)]);
    Daemon::start(&format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\n{keys}\n\
         [pool.main]\nhealth = {{ kind = \"none\" }}\nbackends = {members}\n{ROUTE}"
    ))
}

fn expect(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.reason()), (status, Some(reason)), "{:?}", answer.head);
    assert!(answer.text().contains(reason), "{}", answer.text());
}

/// Sends bytes, expects a refusal and the end of the connection.
fn expect_refusal(address: SocketAddr, bytes: impl AsRef<[u8]>, status: u16, reason: &str) {
    let mut client = Client::connect(address);
    // The proxy may refuse and close before it has read everything.
    drop(client.try_send(bytes));
    expect(&client.answer(), status, reason);
    client.rest();
}

#[test]
fn what_is_no_http_is_answered_with_400() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);

    for garbage in [
        "garbage\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nbad field: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nno-colon\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{a5}\u{1}\0\0\u{a1}\u{3}\u{3}\r\n\r\n",
    ] {
        expect_refusal(daemon.address(), garbage, 400, "bad-request");
    }
    assert_eq!(backend.requests(), 0);
    assert_eq!(refusals(&daemon, "bad-request"), 9);
}

#[test]
fn chunks_that_cannot_be_read_are_answered_with_400() {
    let backend = Backend::echo();
    let daemon = before(&backend);

    let chunks = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    expect_refusal(daemon.address(), chunks, 400, "bad-request");
}

#[test]
fn a_length_beside_chunks_never_reaches_the_backend() {
    let backend = Backend::echo();
    let daemon = before(&backend);

    let smuggled = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut client = Client::connect(daemon.address());
    client.send(smuggled);
    client.answer();

    for head in backend.heads() {
        let framings = head.all("content-length").len() + head.all("transfer-encoding").len();
        assert!(framings < 2, "{head:?}");
    }
}

#[test]
fn a_request_without_one_clear_host_is_answered_with_400() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);

    for fields in ["", "host: a\r\nhost: b\r\n", "host: a b\r\n", "host: a/b\r\n", "host: :80\r\n"] {
        let answer = ask(daemon.address(), format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        expect(&answer, 400, "bad-host");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn connect_is_answered_with_501() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);

    let answer = ask(daemon.address(), "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n");

    expect(&answer, 501, "not-implemented");
}

#[test]
fn a_target_in_authority_form_is_answered_with_400() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);

    let answer = ask(daemon.address(), "GET a.example:80 HTTP/1.1\r\nhost: a.example\r\n\r\n");

    expect(&answer, 400, "bad-request");
    assert_eq!(backend.requests(), 0);
}

#[test]
fn what_no_route_matches_is_answered_with_404_or_405() {
    let backend = Backend::saying("found");
    let members = members(&[("one", backend.address)]);
    let daemon = Daemon::start(&format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\n[pool.main]\nbackends = {members}\n\
         [route.main]\nmatch = {{ host = \"test\", path = \"/here/*\", method = \"GET\" }}\npool = \"main\""
    ));

    expect(&get(daemon.address(), "/there"), 404, "no-route");
    expect(&ask(daemon.address(), request("GET", "/here", &[("host", "other")])), 404, "no-route");
    expect(&ask(daemon.address(), request("DELETE", "/here", &[])), 405, "no-method");
    assert_eq!(get(daemon.address(), "/here/and/below").text(), "found");
}

#[test]
fn an_error_is_told_in_the_type_the_client_accepts() {
    let daemon = Daemon::balancing(&[("one", Backend::refusing().address)], "");
    let told = |accept: &str| ask(daemon.address(), request("GET", "/", &[("accept", accept)]));

    let json = told("application/json");
    assert_eq!(json.field("content-type"), Some("application/json"));
    assert_eq!(json.json()["status"], json.status);
    assert_eq!(json.json()["reason"], json.reason().expect("a refusal has a reason"));
    assert_eq!(json.json()["request_id"], json.field("x-request-id").expect("a refusal has an id"));

    let html = told("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    assert_eq!(html.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(html.text().starts_with("<!doctype html>"));

    for plain in ["text/plain", "*/*", "image/png"] {
        assert_eq!(told(plain).field("content-type"), Some("text/plain; charset=utf-8"), "{plain}");
    }
}

#[test]
fn an_error_to_head_has_no_body() {
    let daemon = Daemon::balancing(&[("one", Backend::refusing().address)], "");
    let mut client = Client::connect(daemon.address());

    for _ in 0..2 {
        client.send(request("HEAD", "/", &[]));
        assert!(client.answer_to_head().status >= 500);
    }
}

#[test]
fn a_head_that_does_not_come_is_answered_with_408() {
    let backend = Backend::saying("never");
    let daemon = limited(&backend, "timeouts = { header = \"150ms\" }");
    let mut client = Client::connect(daemon.address());

    client.send("GET / HTTP/1.1\r\nhost:");

    expect(&client.answer(), 408, "header-timeout");
    client.expect_close();
    assert_eq!(refusals(&daemon, "header-timeout"), 1);
}

#[test]
fn a_connection_without_any_request_is_closed() {
    let backend = Backend::saying("once");
    let daemon = limited(&backend, "timeouts = { idle = \"150ms\" }");
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    client.answer();

    client.expect_close();
    wait::until_true("it is no longer counted", || daemon.control.listeners()[0].connections == 0);
}

#[test]
fn a_body_that_does_not_come_is_answered_with_408() {
    let backend = Backend::with(|visit| {
        visit.body()?;
        visit.answer(200, "never")
    });
    let daemon = limited(&backend, "timeouts = { body = \"150ms\" }");
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("content-length", "10")]) + "half");

    expect(&client.answer(), 408, "body-timeout");
    client.expect_close();
    backend.expect_no_connections();
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0, "it was the client's doing");
}

/// Sends a byte every few milliseconds, until the proxy gives up on the body.
fn trickle(client: &mut Client, backend: &Backend) {
    let never = Gate::default();
    backend.expect_requests(1);
    wait::repeat_until(|| {
        never.linger(Duration::from_millis(5));
        client.try_send("x").is_err() || backend.open_connections() == 0
    });
}

#[test]
fn a_body_that_trickles_is_answered_with_408_however_steady_it_is() {
    let backend = Backend::with(|visit| {
        visit.body()?;
        visit.answer(200, "never")
    });
    let keys = "timeouts = { body = \"150ms\" }\nlimits = { body_rate = \"1MiB/s\" }";
    let daemon = limited(&backend, keys);
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("content-length", "1000000")]));
    trickle(&mut client, &backend);

    expect(&client.answer(), 408, "body-timeout");
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0, "it was the client's doing");
}

#[test]
fn a_body_may_trickle_where_no_rate_is_asked_for_and_in_grpc() {
    for (rate, kind) in [("none", "text/plain"), ("1MiB/s", "application/grpc+proto")] {
        let backend = Backend::echo();
        let keys = format!("timeouts = {{ body = \"150ms\" }}\nlimits = {{ body_rate = \"{rate}\" }}");
        let daemon = limited(&backend, &keys);
        let mut client = Client::connect(daemon.address());
        let never = Gate::default();

        client.send(request("POST", "/", &[("content-length", "40"), ("content-type", kind)]));
        for _ in 0..40 {
            never.linger(Duration::from_millis(10));
            client.send("x");
        }

        assert_eq!(client.answer().status, 200, "{kind}");
    }
}

#[test]
fn a_body_announced_too_large_is_answered_with_413_at_once() {
    let backend = Backend::saying("fits");
    let daemon = limited(&backend, "limits = { body = \"1KiB\" }");
    let post = |length: usize| request("POST", "/", &[("content-length", &length.to_string())]);

    expect(&ask(daemon.address(), post(1025)), 413, "body-too-large");
    assert_eq!(backend.requests(), 0);
    assert_eq!(ask(daemon.address(), post(1024) + &"x".repeat(1024)).text(), "fits");
}

#[test]
fn a_body_that_turns_out_too_large_is_answered_with_413() {
    let backend = Backend::with(|visit| {
        visit.body()?;
        visit.answer(200, "never")
    });
    let daemon = limited(&backend, "limits = { body = \"1KiB\" }");
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("transfer-encoding", "chunked")]));
    client.send(format!("400\r\n{}\r\n", "x".repeat(1024)));
    client.send("1\r\nx\r\n");

    expect(&client.answer(), 413, "body-too-large");
    backend.expect_no_connections();
}

#[test]
fn a_long_request_line_is_answered_with_414() {
    let backend = Backend::saying("never");
    for (header_bytes, length) in [("8KiB", 9_000), ("128KiB", 140_000)] {
        let daemon = limited(&backend, &format!("limits = {{ header_bytes = \"{header_bytes}\" }}"));
        let long = "x".repeat(length);

        expect_refusal(daemon.address(), request("GET", &format!("/{long}"), &[]), 414, "uri-too-long");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn the_limit_of_a_head_holds_to_the_byte() {
    const LIMIT: usize = 8 << 10;
    let backend = Backend::saying("fits");
    let daemon = limited(&backend, "limits = { header_bytes = \"8KiB\" }");
    let with = |size: usize| {
        let bare = request("GET", "/", &[("x", "")]).len();
        request("GET", "/", &[("x", &"x".repeat(size - bare))])
    };

    assert_eq!(with(LIMIT).len(), LIMIT);
    assert_eq!(ask(daemon.address(), with(LIMIT)).text(), "fits");
    expect_refusal(daemon.address(), with(LIMIT + 1), 431, "headers-too-large");
}

#[test]
fn too_many_bytes_of_head_are_answered_with_431() {
    let backend = Backend::saying("fits");
    let daemon = limited(&backend, "limits = { header_bytes = \"8KiB\" }");
    let with = |size: usize| request("GET", "/", &[("cookie", &"x".repeat(size))]);

    expect_refusal(daemon.address(), with(8192), 431, "headers-too-large");
    assert_eq!(backend.requests(), 0);
    assert_eq!(ask(daemon.address(), with(7000)).text(), "fits");
}

#[test]
fn too_many_fields_are_answered_with_431() {
    let backend = Backend::saying("fits");
    let daemon = limited(&backend, "limits = { headers = 20 }");
    let with = |count: usize| request("GET", "/", &vec![("x-n", "1"); count]);

    expect_refusal(daemon.address(), with(20), 431, "headers-too-large");
    assert_eq!(ask(daemon.address(), with(19)).text(), "fits");
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let backend = Backend::saying("inside");
    let daemon = limited(&backend, "max_connections = 2");
    let mut inside: Vec<Client> = (0..2).map(|_| Client::connect(daemon.address())).collect();
    for client in &mut inside {
        client.send(request("GET", "/", &[]));
        client.answer();
    }

    let mut outside = Client::connect(daemon.address());
    expect(&outside.answer(), 503, "too-many-connections");
    outside.expect_close();
    drop(inside);

    wait::until_true("there is room again", || daemon.control.listeners()[0].connections == 0);
    assert_eq!(get(daemon.address(), "/").text(), "inside");
    assert_eq!(daemon.control.listeners()[0].refused, 1);
}

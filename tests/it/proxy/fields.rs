//! Which fields are passed on, dropped, replaced and added.

use aya_tests::backend::Backend;
use aya_tests::client::{Client, ask, get, request};
use aya_tests::daemon::{Daemon, ROUTE, members};
use aya_tests::message::Head;

use super::before;

/// What the backend sees of a request with these fields.
fn seen(daemon: &Daemon, backend: &Backend, fields: &[(&str, &str)]) -> Head {
    let already = backend.requests();
    assert_eq!(ask(daemon.address(), request("GET", "/", fields)).status, 200);
    backend.heads()[already].clone()
}

fn trusting(backend: &Backend) -> Daemon {
    let members = members(&[("one", backend.address)]);
    Daemon::start(&format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [pool.main]\nhealth = {{ kind = \"none\" }}\nbackends = {members}\n{ROUTE}"
    ))
}

#[test]
fn fields_of_one_connection_are_not_passed_on() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let head = seen(
        &daemon,
        &backend,
        &[
            ("connection", "keep-alive, X-Mine"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "secret"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "gzip"),
            ("upgrade", "websocket"),
            ("x-theirs", "kept"),
        ],
    );

    for gone in ["keep-alive", "x-mine", "proxy-connection", "proxy-authorization", "te", "upgrade"] {
        assert_eq!(head.field(gone), None, "{gone} in {head:?}");
    }
    assert_eq!(head.field("x-theirs"), Some("kept"));
}

#[test]
fn fields_of_the_backends_connection_do_not_reach_the_client() {
    let backend = Backend::with(|visit| {
        visit.raw_answer(
            "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-inner\r\nkeep-alive: timeout=1\r\nx-inner: 1\r\n\
             proxy-authenticate: Basic\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok",
        )
    });
    let daemon = before(&backend);

    let answer = get(daemon.address(), "/");

    for gone in ["keep-alive", "x-inner", "proxy-authenticate"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn a_backend_cannot_speak_for_the_proxy() {
    let backend = Backend::with(|visit| {
        let status = visit.target().trim_start_matches('/').to_owned();
        visit.raw_answer(format!(
            "HTTP/1.1 {status} Scripted\r\nx-aya-reason: no-route\r\nX-Aya-Reason: made-up\r\n\
             content-length: 2\r\n\r\nok"
        ))
    });
    let daemon = before(&backend);

    for status in [200, 404, 503] {
        let answer = get(daemon.address(), &format!("/{status}"));

        assert_eq!((answer.status, answer.text().as_str()), (status, "ok"));
        assert_eq!(answer.head.all("x-aya-reason"), [""; 0]);
    }
}

#[test]
fn naming_the_host_in_connection_does_not_remove_it() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let head = seen(&daemon, &backend, &[("connection", "host, x-forwarded-for")]);

    assert_eq!(head.field("host"), Some("test"));
    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn claims_of_an_untrusted_client_are_replaced() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let head = seen(
        &daemon,
        &backend,
        &[
            ("x-forwarded-for", "10.9.8.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("forwarded", "for=10.9.8.7"),
        ],
    );

    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.field("x-forwarded-proto"), Some("http"));
    assert_eq!(head.field("x-forwarded-host"), Some("test"));
    assert_eq!(head.field("forwarded"), Some("for=127.0.0.1;proto=http;host=\"test\""));
}

#[test]
fn a_host_claimed_without_a_host_of_its_own_is_removed() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let answer = ask(
        daemon.address(),
        "GET / HTTP/1.0\r\nx-forwarded-host: bank.example\r\nforwarded: for=10.9.8.7;host=bank.example\r\n\r\n",
    );

    let head = &backend.heads()[0];
    assert_eq!(answer.status, 200);
    assert_eq!(head.field("x-forwarded-host"), None);
    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(!format!("{head:?}").contains("bank.example"), "{head:?}");
}

#[test]
fn claims_of_a_trusted_proxy_are_kept_and_added_to() {
    let backend = Backend::saying("ok");
    let daemon = trusting(&backend);

    let head = seen(
        &daemon,
        &backend,
        &[
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
            ("forwarded", "for=192.0.2.7"),
        ],
    );

    assert_eq!(head.field("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(head.field("x-forwarded-proto"), Some("https"));
    assert_eq!(head.field("x-forwarded-host"), Some("shop.example"));
    assert_eq!(head.field("forwarded"), Some("for=192.0.2.7, for=127.0.0.1;proto=http;host=\"test\""));
}

#[test]
fn a_trusted_proxy_that_claims_nothing_still_gets_the_fields() {
    let backend = Backend::saying("ok");
    let daemon = trusting(&backend);

    let head = seen(&daemon, &backend, &[]);

    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.field("x-forwarded-proto"), Some("http"));
    assert_eq!(head.field("x-forwarded-host"), Some("test"));
}

#[test]
fn every_request_has_an_id() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let first = seen(&daemon, &backend, &[]);
    let second = seen(&daemon, &backend, &[]);
    let own = seen(&daemon, &backend, &[("x-request-id", "mine-7")]);

    let id = |head: &Head| head.field("x-request-id").expect("a request has an id").to_owned();
    assert_eq!(id(&first).len(), 32);
    assert_ne!(id(&first), id(&second));
    assert_eq!(id(&own), "mine-7");
}

#[test]
fn an_id_of_unreasonable_length_is_replaced() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    let head = seen(&daemon, &backend, &[("x-request-id", &"x".repeat(129))]);

    assert_eq!(head.field("x-request-id").map(str::len), Some(32));
}

#[test]
fn an_http_1_0_request_without_a_host_gets_the_backends() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send("GET / HTTP/1.0\r\n\r\n");

    assert_eq!(client.answer().status, 200);
    assert_eq!(backend.heads()[0].field("host"), Some(backend.address.to_string().as_str()));
}

//! TLS to backends: whom the proxy believes, what it asks for and shows.

use std::io::Write;

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::certs::{Authority, Leaf};
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, members};
use aya_tests::tls::{backend, server_config};
use aya_tests::wait;

use crate::tcp::logged;

/// A backend that tells by which name it was asked for.
fn server(leaf: &Leaf, clients: Option<&Authority>) -> Backend {
    backend(server_config(leaf, clients), |head, _, name| {
        (Vec::new(), format!("{} by {}", head.line, name.unwrap_or("no name")))
    })
}

/// A daemon in front of it, with these keys in `tls` of the pool; `files` are written before.
fn before(backend: &Backend, tls: &str, health: &str, files: &[(&str, &str)]) -> Daemon {
    setup(backend, tls, health, files).start()
}

fn setup(backend: &Backend, tls: &str, health: &str, files: &[(&str, &str)]) -> Setup {
    let backends = members(&[("one", backend.address)]);
    let pool = format!("[pool.main]\nbackends = {backends}\n{health}\ntls = {{ {tls} }}\n");
    let setup = Setup::new(&format!("{LISTEN}{pool}{ROUTE}"));
    for (name, text) in files {
        std::fs::write(setup.folder().join(name), text).expect("the folder can be written to");
    }
    setup
}

const NO_CHECK: &str = "health = { kind = \"none\" }";

#[test]
fn a_backend_is_asked_for_by_name_and_believed_by_its_authority() {
    let authority = Authority::new("inside");
    let backend = server(&authority.server(&["app.inside.test"]), None);
    let tls = "ca = \"inside.pem\", server_name = \"app.inside.test\"";
    let daemon = before(&backend, tls, NO_CHECK, &[("inside.pem", &authority.pem())]);

    for _ in 0..2 {
        assert_eq!(get(daemon.address(), "/x").text(), "GET /x HTTP/1.1 by app.inside.test");
    }
    assert_eq!(backend.connections(), 1, "the connection is kept");
}

#[test]
fn without_a_name_the_address_must_be_in_the_certificate() {
    let authority = Authority::new("inside");
    let backend = server(&authority.server(&["127.0.0.1"]), None);
    let daemon = before(&backend, "ca = \"inside.pem\"", NO_CHECK, &[("inside.pem", &authority.pem())]);

    assert_eq!(get(daemon.address(), "/").text(), "GET / HTTP/1.1 by no name");
}

#[test]
fn a_backend_that_is_not_who_it_should_be_gets_no_request() {
    let (inside, outside) = (Authority::new("inside"), Authority::new("outside"));
    let named = "ca = \"inside.pem\", server_name = \"app.inside.test\"";
    let expired = inside.server_for(&["app.inside.test"], (-20 * 86_400, -86_400));
    let cases = [
        ("another authority", outside.server(&["app.inside.test"]), "UnknownIssuer"),
        ("another name", inside.server(&["other.inside.test"]), "not valid for name"),
        ("an expired certificate", expired, "expired"),
    ];
    for (what, leaf, told) in cases {
        let backend = server(&leaf, None);
        let setup = setup(&backend, named, NO_CHECK, &[("inside.pem", &inside.pem())]);
        let log = setup.folder().join("access.log");
        let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();

        let answer = get(daemon.address(), "/");

        assert_eq!((answer.status, answer.reason()), (502, Some("tls-failed")), "{what}");
        assert_eq!(backend.requests(), 0, "{what}");
        let line = &logged(&log, 1)[0];
        let detail = line["failed_attempts"][0]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(told) && detail.len() < 300, "{what}: {line}");
    }
}

#[test]
fn a_backend_that_does_not_speak_tls_is_told_as_such() {
    let backend = Backend::raw(|mut socket| {
        // It may be gone already; what counts is that this is no TLS.
        drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
    });
    let authority = Authority::new("inside").pem();
    let setup = setup(&backend, "ca = \"inside.pem\"", NO_CHECK, &[("inside.pem", &authority)]);
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();

    let answer = get(daemon.address(), "/");

    assert_eq!((answer.status, answer.reason()), (502, Some("tls-failed")));
    let line = &logged(&log, 1)[0];
    // No backend answered, and still it is known whose request this was.
    assert_eq!((&line["pool"], &line["backend"]), (&"main".into(), &serde_json::Value::Null), "{line}");
}

#[test]
fn without_verification_anybody_is_believed_and_the_configuration_warns() {
    let backend = server(&Authority::new("anybody").server(&["whoever.test"]), None);
    let daemon = before(&backend, "verify = false", NO_CHECK, &[]);

    assert_eq!(get(daemon.address(), "/").status, 200);
    let warned = daemon.control.events().into_iter().any(|e| e.cause.contains("are not verified"));
    assert!(warned);
}

#[test]
fn a_backend_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new("inside");
    let backend = server(&authority.server(&["127.0.0.1"]), Some(&authority));
    let proxy = authority.client("proxy", &[]);
    let files = [
        ("inside.pem", authority.pem()),
        ("proxy.pem", proxy.cert.clone()),
        ("proxy.key", proxy.key.clone()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let shown = "ca = \"inside.pem\", client_cert = \"proxy.pem\", client_key = \"proxy.key\"";

    let with = before(&backend, shown, NO_CHECK, &files);
    assert_eq!(get(with.address(), "/").status, 200);
    assert!(with.control.text("/metrics").contains("ayad_certificate_expiry_time_seconds{pool=\"main\""));
    let without = before(&backend, "ca = \"inside.pem\"", NO_CHECK, &files);
    let status = get(without.address(), "/").status;
    assert_eq!(status, 502);
}

#[test]
fn a_check_speaks_tls_too() {
    let authority = Authority::new("inside");
    let backend = server(&authority.server(&["127.0.0.1"]), None);
    let check = "health = { kind = \"http\", path = \"/healthz\", interval = \"300ms\", timeout = \"300ms\", rise = 1, fall = 1 }";
    let daemon = before(&backend, "ca = \"inside.pem\"", check, &[("inside.pem", &authority.pem())]);
    daemon.control.expect_health("main/one", Health::Up);

    let other = Authority::new("outside").pem();
    let refused = before(&backend, "ca = \"inside.pem\"", check, &[("inside.pem", &other)]);
    let down = refused.control.expect_health("main/one", Health::Down);
    assert_eq!(down.health.cause, "unreachable: certificate of an unknown authority");
}

#[test]
fn a_check_that_only_connects_shakes_hands_too() {
    let authority = Authority::new("inside");
    let backend = server(&authority.server(&["elsewhere.test"]), None);
    let check = "health = { kind = \"tcp\", interval = \"300ms\", timeout = \"300ms\", rise = 1, fall = 1 }";
    let files = [("inside.pem", authority.pem())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));

    let named = before(&backend, "ca = \"inside.pem\", server_name = \"elsewhere.test\"", check, &files);
    named.control.expect_health("main/one", Health::Up);

    let unnamed = before(&backend, "ca = \"inside.pem\"", check, &files);
    let down = unnamed.control.expect_health("main/one", Health::Down);
    assert_eq!(down.health.cause, "unreachable: certificate for another name");
}

#[test]
fn authorities_that_change_are_believed_without_a_reload() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let backend = server(&new.server(&["127.0.0.1"]), None);
    let daemon = before(&backend, "ca = \"inside.pem\"", NO_CHECK, &[("inside.pem", &old.pem())]);
    assert_eq!(get(daemon.address(), "/").status, 502);

    new.write(daemon.folder(), "inside.pem");

    wait::until_true("the backend is believed", || get(daemon.address(), "/").status == 200);
}

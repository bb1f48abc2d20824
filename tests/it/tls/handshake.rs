//! Versions, protocols, resumption, and bytes that are no TLS.

use std::io::{Read, Write};
use std::net::TcpStream;

use aya_tests::client::Client;
use aya_tests::daemon::Setup;
use aya_tests::tls::Caller;
use aya_tests::wait;
use aya_tests::wait::DEADLINE;

use super::{Scene, only};

#[test]
fn a_session_resumes_on_another_worker() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let daemon = scene.setup(&only("web"), &[("web", &leaf)]).workers(2).start();
        let caller = Caller::of_version(&scene.authority, version);
        let mut resumed = Vec::new();
        // Workers take turns by the hash of the client's port, so that among ten both have had some.
        for _ in 0..10 {
            let mut client = caller.connect(daemon.address(), "a.test").unwrap();
            client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
            assert_eq!(client.answer().status, 200);
            resumed.push(client.socket().is_resumed());
        }
        assert!(!resumed[0] && resumed[1..].iter().all(|is| *is), "{version:?}: {resumed:?}");
        let tls = daemon.control.listeners()[0].tls.clone().unwrap();
        assert_eq!((tls.full, tls.resumed, tls.failed), (1, 9, 0));
    }
}

#[test]
fn tls_1_2_can_be_left_out() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let daemon = scene.start(&format!("{}, min_version = \"1.3\"", only("web")), &[("web", &leaf)]);
    let speaks =
        |version| Caller::of_version(&scene.authority, version).get(daemon.address(), "a.test", "/").is_ok();

    assert!(speaks(&rustls::version::TLS13));
    assert!(!speaks(&rustls::version::TLS12));
}

/// A `ClientHello` of TLS 1.1: record 3.1, version 3.2, one suite, no extensions.
const HELLO_OF_1_1: &[u8] = &[
    0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 2, 0xc0, 0x13, 1, 0,
];

#[test]
fn tls_1_1_is_refused_with_an_alert() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let daemon = scene.start(&only("web"), &[("web", &leaf)]);

    let mut socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(HELLO_OF_1_1).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();

    // A fatal alert: protocol_version or handshake_failure (RFC 8446, 6.2).
    assert_eq!((answer[0], answer[5]), (0x15, 2), "{answer:?}");
    assert!(matches!(answer[6], 40 | 70), "{answer:?}");
}

#[test]
fn bytes_that_are_no_tls_end_that_connection_alone() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let daemon = scene.start(&only("web"), &[("web", &leaf)]);

    let mut plain = Client::connect(daemon.address());
    plain.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    let rest = plain.rest();
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    // Who only connects and leaves has not failed at anything.
    drop(Client::connect(daemon.address()));

    let answer = Caller::trusting(&scene.authority).get(daemon.address(), "a.test", "/").unwrap();
    assert_eq!(answer.status, 200);
    wait::until_true("the failure is counted", || {
        daemon.control.listeners()[0].tls.as_ref().is_some_and(|tls| tls.failed == 1)
    });
}

#[test]
fn a_protocol_nobody_offers_is_refused_and_none_is_http_1_1() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let daemon = scene.start(&only("web"), &[("web", &leaf)]);
    let caller = Caller::trusting(&scene.authority);

    assert!(caller.clone().offering(&["acme-tls/1"]).connect(daemon.address(), "a.test").is_err());
    assert_eq!(caller.clone().offering(&[]).get(daemon.address(), "a.test", "/").unwrap().status, 200);
    let both = caller.offering(&["h2", "http/1.1"]).connect(daemon.address(), "a.test").unwrap();
    assert_eq!(both.socket().protocol().as_deref(), Some("http/1.1"));
}

#[test]
fn a_handshake_that_does_not_end_is_ended() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let text = super::listen("main", &only("web")) + "timeouts = { header = \"200ms\" }\n" + &scene.pool();
    let setup = Setup::new(&text);
    scene.write(setup.folder(), &[("web", &leaf)]);
    let daemon = setup.start();

    let mut silent = Client::connect(daemon.address());
    silent.send(&HELLO_OF_1_1[..20]);
    silent.expect_close();
}

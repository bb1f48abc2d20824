//! Pools chosen by the name a TLS client asks for, with the hello of a real client.

use std::io::Read;
use std::sync::{Arc, Mutex};

use aya_tests::backend::Backend;
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, members};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{greeting, logged};

/// What a TLS client sends first when it wants this name.
fn hello(name: &str) -> Vec<u8> {
    let mut config =
        ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory takes it");
    bytes
}

/// A listener with pools for an exact name, a wildcard and, with `rest`, everybody else.
fn by_name(one: &Backend, wild: &Backend, rest: Option<&Backend>, listen_keys: &str) -> String {
    let mut text = format!("[listen.main]\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n{listen_keys}\n");
    let pools = [
        ("one", Some("one.example.com"), Some(one)),
        ("wild", Some("*.example.com"), Some(wild)),
        ("rest", None, rest),
    ];
    for (name, host, backend) in pools {
        let Some(backend) = backend else { continue };
        let host = host.map(|host| format!("match = {{ host = \"{host}\" }}\n")).unwrap_or_default();
        let backends = members(&[(name, backend.address)]);
        text.extend([
            format!("[pool.{name}]\nbackends = {backends}\nhealth = {{ kind = \"none\" }}\n"),
            format!("[route.{name}]\nlisten = \"main\"\n{host}pool = \"{name}\"\n"),
        ]);
    }
    text
}

#[test]
fn the_name_chooses_the_pool() {
    let (one, wild, rest) = (greeting("one"), greeting("wild"), greeting("rest"));
    let daemon = Daemon::start(&by_name(&one, &wild, Some(&rest), ""));

    for (name, wanted) in [
        ("one.example.com", "one"),
        ("ONE.example.com", "one"),
        ("two.example.com", "wild"),
        ("elsewhere.test", "rest"),
        ("127.0.0.1", "rest"),
    ] {
        let mut client = Client::connect(daemon.address());
        client.send(hello(name));
        assert_eq!(client.line(), wanted, "{name}");
    }
}

#[test]
fn a_hello_in_pieces_is_read_and_passed_on_as_it_came() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let takes = Arc::clone(&taken);
    let one = Backend::raw(move |mut stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the client ends");
        *takes.lock().expect("nobody panicked") = bytes;
    });
    let (wild, rest) = (greeting("wild"), greeting("rest"));
    let daemon = Daemon::start(&by_name(&one, &wild, Some(&rest), ""));
    let sent = [hello("one.example.com"), b"and what follows".to_vec()].concat();
    let mut client = Client::connect(daemon.address());

    for piece in sent.chunks(37) {
        client.send(piece);
    }
    client.finish_sending();
    client.expect_close();

    assert!(*taken.lock().unwrap() == sent);
}

#[test]
fn what_is_no_tls_goes_where_no_name_is_asked_for() {
    let (one, wild, rest) = (greeting("one"), greeting("wild"), greeting("rest"));
    let daemon = Daemon::start(&by_name(&one, &wild, Some(&rest), ""));
    // The second is how a client of PostgreSQL asks for TLS.
    for bytes in [&b"EHLO a\r\n"[..], b"\0\0\0\x08\x04\xd2\x16\x2f"] {
        let mut client = Client::connect(daemon.address());
        client.send(bytes);
        assert_eq!(client.line(), "rest");
    }
}

#[test]
fn a_client_that_waits_for_the_server_gets_there_too() {
    let (one, wild, rest) = (greeting("one"), greeting("wild"), greeting("rest"));
    let daemon = Daemon::start(&by_name(&one, &wild, Some(&rest), "timeouts = { header = \"50ms\" }"));

    assert_eq!(Client::connect(daemon.address()).line(), "rest");
}

#[test]
fn a_hello_that_is_begun_and_not_ended_is_given_up() {
    let (one, wild, rest) = (greeting("one"), greeting("wild"), greeting("rest"));
    let daemon = Daemon::start(&by_name(&one, &wild, Some(&rest), "timeouts = { header = \"50ms\" }"));
    let mut client = Client::connect(daemon.address());

    client.send(&hello("one.example.com")[..50]);

    assert!(client.try_byte().is_err());
}

#[test]
fn a_name_nobody_has_is_refused() {
    let (one, wild) = (greeting("one"), greeting("wild"));
    let setup = aya_tests::daemon::Setup::new(&by_name(&one, &wild, None, ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let mut client = Client::connect(daemon.address());

    client.send(hello("elsewhere.test"));

    assert!(client.try_byte().is_err());
    let line = &logged(&log, 1)[0];
    assert_eq!((&line["reason"], &line["host"]), (&"no-route".into(), &"elsewhere.test".into()));
    assert_eq!((one.connections(), wild.connections()), (0, 0));
}

//! The PROXY protocol, in and out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, Setup, members};
use aya_tests::h2::frames::{END_HEADERS, END_STREAM, HEADERS, Raw, frame, get as h2_get};
use aya_tests::wait::DEADLINE;
use ayad::proxy_protocol::{Addresses, Facts, Parsed, Version, parse, write_header};

use super::{config, greeting, logged};

const TRUSTED: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.0/8\"]";

/// Hands over all it is sent on each connection, at its end.
fn recording() -> (Backend, Receiver<Vec<u8>>) {
    let (sender, taken) = channel();
    let backend = Backend::raw(move |mut stream| {
        let mut bytes = Vec::new();
        // A check may reset.
        drop(stream.read_to_end(&mut bytes));
        drop(sender.send(bytes));
    });
    (backend, taken)
}

fn next(taken: &Receiver<Vec<u8>>) -> Vec<u8> {
    taken.recv_timeout(DEADLINE).expect("a connection ends")
}

/// The header that bytes begin with, and what follows it.
fn split(bytes: &[u8]) -> (Option<Addresses>, &[u8]) {
    match parse(bytes).expect("a header") {
        Parsed::Whole(length, addresses) => (addresses, &bytes[length..]),
        Parsed::More(_) => panic!("half a header: {}", bytes.escape_ascii()),
    }
}

fn send(daemon: &Daemon, bytes: &[u8]) -> SocketAddr {
    let mut client = Client::connect(daemon.address());
    let own = client.local_address();
    client.send(bytes);
    client.finish_sending();
    client.expect_close();
    own
}

#[test]
fn backends_are_told_who_the_client_is() {
    for version in ["v1", "v2"] {
        let (backend, taken) = recording();
        let keys = format!("proxy_protocol = \"{version}\"");
        let daemon = Daemon::start(&config(&[("one", backend.address)], "", &keys));

        let client = send(&daemon, b"payload");

        let bytes = next(&taken);
        let (told, rest) = split(&bytes);
        assert_eq!(told, Some(Addresses { source: client, destination: daemon.address() }), "{version}");
        assert_eq!(rest, b"payload");
        assert_eq!(bytes.starts_with(b"PROXY "), version == "v1");
    }
}

#[test]
fn who_is_named_to_us_is_who_we_name() {
    let told = Addresses {
        source: "192.0.2.7:1234".parse().unwrap(),
        destination: "[2001:db8::1]:443".parse().unwrap(),
    };
    let (backend, taken) = recording();
    let setup = Setup::new(&config(&[("one", backend.address)], TRUSTED, "proxy_protocol = \"v2\""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    for version in [Version::V1, Version::V2] {
        let mut bytes = Vec::new();
        write_header(version, Some(told), &Facts::default(), &mut bytes);
        bytes.extend_from_slice(b"payload");

        send(&daemon, &bytes);

        let bytes = next(&taken);
        let (passed_on, rest) = split(&bytes);
        let passed_on = passed_on.unwrap();
        assert_eq!(passed_on.source.ip().to_canonical(), told.source.ip());
        assert_eq!(passed_on.destination, told.destination);
        assert_eq!(rest, b"payload");
    }
    let lines = logged(&log, 2);
    assert!(
        lines.iter().all(|line| line["client"] == "192.0.2.7" && line["bytes_received"] == 7),
        "{lines:?}"
    );
}

#[test]
fn who_is_not_named_is_the_peer() {
    let (backend, taken) = recording();
    let daemon = Daemon::start(&config(&[("one", backend.address)], TRUSTED, "proxy_protocol = \"v1\""));

    let peer = send(&daemon, b"PROXY UNKNOWN\r\npayload");

    assert_eq!(split(&next(&taken)).0.unwrap().source, peer);
}

#[test]
fn a_peer_that_may_not_speak_for_others_is_refused() {
    let backend = greeting("in");
    let keys = TRUSTED.replace("127.0.0.0/8", "192.0.2.0/24");
    let setup = Setup::new(&config(&[("one", backend.address)], &keys, ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();

    // The reset may come before, or in the midst of, what is sent.
    let answer = Client::try_connect(daemon.address()).and_then(|mut client| {
        client.try_send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")?;
        client.try_byte()
    });

    assert!(answer.is_err());
    assert_eq!(logged(&log, 1)[0]["reason"], "untrusted-peer");
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_connection_without_a_header_is_refused() {
    let backend = greeting("in");
    let keys = format!("{TRUSTED}\ntimeouts = {{ header = \"100ms\" }}");
    let setup = Setup::new(&config(&[("one", backend.address)], &keys, ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();

    for (nth, (bytes, reason)) in
        [("GET / HTTP/1.1\r\n", "bad-proxy-header"), ("PROXY TCP4 1", "header-timeout")].iter().enumerate()
    {
        let mut client = Client::connect(daemon.address());
        client.send(bytes);
        assert!(client.try_byte().is_err());
        assert_eq!(logged(&log, nth + 1)[nth]["reason"], *reason);
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn checks_say_that_they_are_nobody() {
    for (version, header) in [("v1", &b"PROXY UNKNOWN\r\n"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")] {
        let (backend, taken) = recording();
        let keys =
            format!("proxy_protocol = \"{version}\"\nhealth = {{ kind = \"tcp\", interval = \"50ms\" }}");
        let daemon = Daemon::start(&config(&[("one", backend.address)], "", &keys));

        assert_eq!(next(&taken).escape_ascii().to_string(), header.escape_ascii().to_string());

        daemon.control.expect_health("main/one", Health::Up);
    }
}

#[test]
fn http_clients_are_who_the_load_balancer_names() {
    let backend = Backend::saying("hello");
    let text = format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\n{TRUSTED}\n[route.main]\npool = \"main\"\n\
         [pool.main]\nbackends = {}\nhealth = {{ kind = \"none\" }}\n",
        members(&[("one", backend.address)])
    );
    let daemon = Daemon::start(&text);
    let mut client = Client::connect(daemon.address());

    client.send("PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\nGET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.9.9.9\r\n\r\n");

    assert_eq!(client.answer().text(), "hello");
    assert_eq!(
        backend.heads()[0].field("x-forwarded-for"),
        Some("192.0.2.7"),
        "what it claims itself is not believed"
    );
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello", "the header comes once");
}

/// A backend that answers one request a connection, and hands over each head with what came before it.
fn telling() -> (Backend, Receiver<String>) {
    let (sender, heads) = channel();
    let backend = Backend::raw(move |stream| {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
        drop(sender.send(head));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        drop(reader.get_mut().write_all(answer));
        drop(reader.read_to_end(&mut Vec::new()));
    });
    (backend, heads)
}

#[test]
fn a_client_that_speaks_http2_is_named_as_well() {
    let (backend, heads) = telling();
    let daemon = Daemon::balancing(&[("one", backend.address)], "proxy_protocol = \"v1\"");
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &h2_get("/", &[])));

    let head = heads.recv_timeout(DEADLINE).expect("a request comes");
    let line = head.lines().next().unwrap_or_default();
    assert!(line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "), "{head}");
    assert!(line.ends_with(&format!(" {}", daemon.address().port())), "{head}");
}

#[test]
fn a_connection_that_names_its_client_carries_no_other() {
    let (backend, heads) = telling();
    let daemon = Daemon::balancing(&[("one", backend.address)], "proxy_protocol = \"v1\"");
    for _ in 0..2 {
        let mut client = Client::connect(daemon.address());

        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");

        assert_eq!(client.answer().text(), "hi");
        let (from, to) = (client.local_address().port(), daemon.address().port());
        let wanted = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\nGET / HTTP/1.1\r\n");
        let head = heads.recv_timeout(DEADLINE).expect("a request comes");
        assert!(head.starts_with(&wanted), "{head}");
    }
    backend.expect_no_connections();
}

//! From HTTP to another protocol: only when both sides say so, and then byte by byte in both directions.

use std::io;
use std::time::Duration;

use aya_tests::backend::{Backend, Then, Visit};
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::tape::Reply;
use aya_tests::wait;

use super::{Bench, Outcome, case, passed};
use crate::tcp::logged;

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// Switches, then sends everything back until the client ends.
fn echo(visit: &mut Visit<'_>) -> io::Result<Then> {
    visit.write(SWITCH)?;
    while let Ok(byte) = visit.bytes(1) {
        visit.write(byte)?;
    }
    visit.write("bye")?;
    Ok(Then::Close)
}

fn before(backend: &Backend) -> Daemon {
    Daemon::balancing(&[("one", backend.address)], "")
}

#[test]
fn bytes_pass_both_ways_after_101_until_both_sides_have_ended() {
    let backend = Backend::with(echo);
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(ASK);
    let head = client.head();
    assert_eq!((head.word(1), head.field("upgrade")), ("101", Some("websocket")));
    assert!(head.lists("connection", "upgrade"));
    for bytes in [&b"\0\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\xff"] {
        client.send(bytes);
        assert_eq!(client.bytes(bytes.len()), bytes);
    }
    client.finish_sending();

    assert_eq!(client.rest(), b"bye", "what the backend says last arrives behind the end of the client");
    backend.expect_no_connections();
    let seen = &backend.heads()[0];
    assert!(seen.lists("connection", "upgrade") && seen.field("upgrade") == Some("websocket"));
}

#[test]
fn the_access_log_says_what_a_connection_became() {
    let backend = Backend::with(echo);
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let mut client = Client::connect(daemon.address());

    client.send(ASK);
    client.head();
    client.finish_sending();
    client.rest();

    let line = &logged(&log, 1)[0];
    assert_eq!((&line["protocol"], &line["status"]), (&"websocket".into(), &101.into()), "{line}");
}

#[test]
fn what_a_client_sends_early_waits_for_the_101() {
    let backend = Backend::with(|visit| {
        visit.socket().set_read_timeout(Some(Duration::from_millis(100)))?;
        let early = visit.bytes(1);
        visit.socket().set_read_timeout(Some(wait::DEADLINE))?;
        visit.write(SWITCH)?;
        let text = visit.bytes(5)?;
        visit.write(text)?;
        visit.write(if early.is_err() { "held" } else { "sent" })?;
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(format!("{ASK}early"));

    assert_eq!(client.head().word(1), "101");
    assert_eq!(client.rest(), b"earlyheld");
}

#[test]
fn what_a_backend_sends_with_its_101_arrives() {
    let backend = Backend::with(|visit| {
        visit.write(format!("{SWITCH}hello"))?;
        visit.wait_for_close();
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(ASK);

    assert_eq!(client.head().word(1), "101");
    assert_eq!(client.bytes(5), b"hello");
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer_and_what_follows_is_a_request() {
    for status in [200, 403, 426, 503] {
        let backend =
            Backend::with(move |visit| visit.answer(if visit.nth == 0 { status } else { 200 }, "plain"));
        let daemon = before(&backend);
        let mut client = Client::connect(daemon.address());

        client.send(format!("{ASK}GET /next HTTP/1.1\r\nhost: a\r\n\r\n"));

        assert_eq!(client.answer().status, status);
        assert_eq!(client.answer().status, 200);
        assert_eq!(backend.heads()[1].line, "GET /next HTTP/1.1");
    }
}

#[test]
fn an_upgrade_that_may_not_be_asked_for_is_not_passed_on() {
    let plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok";
    Bench::new().play(&[
        case("not named in connection", "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\n\r\n", passed(plain)),
        case("named but missing", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\r\n", passed(plain)),
        case(
            "with a body",
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 2\r\n\r\nok",
            passed(post),
        ),
        case(
            "in HTTP/1.0",
            "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            Outcome::Passed { heard: vec![plain.into()], goes_on: false },
        ),
    ]);
}

#[test]
fn an_upgrade_arrives_with_its_connection_and_nothing_else_of_it() {
    let ask = "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade, b\r\nb: c\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n";
    let heard = "GET / HTTP/1.1\r\nhost: a\r\nsec-websocket-key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    Bench::new().play(&[case("refused", ask, passed(heard))]);
}

#[test]
fn a_101_that_nobody_asked_for_is_answered_with_502() {
    let bench = Bench::new();
    bench.tape.play(Reply::new(SWITCH));
    let mut client = Client::connect(bench.daemon.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");

    let answer = client.answer();

    assert_eq!((answer.status, answer.reason()), (502, Some("bad-response")));
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_tunnel_ends_on_both_sides_when_one_side_goes() {
    let backend = Backend::with(echo);
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());
    client.send(ASK);
    client.head();
    drop(client);
    backend.expect_no_connections();

    let mut client = Client::connect(daemon.address());
    client.send(ASK);
    client.head();
    backend.hang_up();
    client.rest();
    drop(client);
    wait::until_true("nothing is in flight", || daemon.control.backend("main/one").traffic.in_flight == 0);
}

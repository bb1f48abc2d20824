//! How connections end: a half, a reset, silence, a change of configuration, the end of the daemon.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;

use aya_tests::backend::Backend;
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, Setup};
use aya_tests::wait::{self, Gate};

use super::{config, daemon, echo, greeting, logged};

#[test]
fn a_client_that_has_sent_all_still_hears_the_answer() {
    let backend = Backend::raw(|mut stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).expect("the client ends");
        stream.write_all(&question).expect("the client listens");
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());

    client.send("question");
    client.finish_sending();

    assert_eq!(client.rest(), b"question");
}

#[test]
fn a_server_that_has_said_all_still_listens() {
    let heard = Arc::new(Gate::default());
    let hears = Arc::clone(&heard);
    let backend = Backend::raw(move |mut stream| {
        stream.write_all(b"all").expect("the client listens");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the client ends");
        if rest == b"thanks" {
            hears.open();
        }
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());

    assert_eq!(client.rest(), b"all");
    client.send("thanks");
    client.finish_sending();

    heard.pass();
    wait::until_true("it is over", || daemon.control.backend("main/one").traffic.in_flight == 0);
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0);
}

#[test]
fn a_reset_of_the_client_reaches_the_backend_and_is_not_its_fault() {
    let outcome = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&outcome);
    let backend = Backend::raw(move |mut stream| {
        drop(stream.write_all(b"never read"));
        *seen.lock().unwrap() = Some(stream.read(&mut [0; 1]).map_err(|error| error.kind()));
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let client = Client::connect(daemon.address());
    client.wait_readable();

    // Unread bytes make the close of a socket a reset.
    drop(client);

    let outcome = wait::until("the backend hears of it", || *outcome.lock().unwrap());
    assert_eq!(outcome, Err(ErrorKind::ConnectionReset));
    wait::until_true("it is over", || daemon.control.backend("main/one").traffic.requests == 1);
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0);
}

#[test]
fn a_reset_of_the_backend_reaches_the_client_and_is_its_fault() {
    let backend = Backend::raw(|stream| {
        // Unread bytes make the close of a socket a reset.
        stream.peek(&mut [0; 1]).expect("the client sends");
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());

    client.send("never read");

    assert_eq!(client.try_byte().unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait::until_true("it is counted", || daemon.control.backend("main/one").traffic.failures == 1);
}

#[test]
fn a_silent_connection_ends_and_one_that_talks_does_not() {
    let backend = echo();
    let setup = Setup::new(&config(&[("one", backend.address)], "timeouts = { idle = \"400ms\" }", ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let mut silent = Client::connect(daemon.address());
    let mut talking = Client::connect(daemon.address());

    wait::until_true("the silent one is ended", || {
        talking.send("x");
        assert_eq!(talking.bytes(1), b"x");
        daemon.control.listeners()[0].connections == 1
    });

    assert!(silent.try_byte().is_err());
    assert_eq!(logged(&log, 1)[0]["reason"], "silent");
}

#[test]
fn a_listener_that_is_removed_keeps_its_connections() {
    let backend = echo();
    let with = config(&[("one", backend.address)], "", "");
    let other = "[listen.other]\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n[route.other]\nlisten = \"other\"\npool = \"main\"\n";
    let mut daemon = Daemon::start(&format!("{with}{other}"));
    let address = daemon.address_of("other");
    let mut client = Client::connect(address);
    client.send("a");
    assert_eq!(client.bytes(1), b"a");

    daemon.reconfigure(&with);
    wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());

    client.send("b");
    assert_eq!(client.bytes(1), b"b");
}

#[test]
fn a_protocol_changes_for_those_who_come_after() {
    let backend = Backend::saying("http");
    let tcp = config(&[("one", backend.address)], "", "");
    let mut daemon = Daemon::start(&tcp);
    let address = daemon.address();
    let mut before = Client::connect(address);
    before.send("GET / HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\n\r\n");
    assert_eq!(before.answer().text(), "http");

    let change = daemon.reconfigure(&tcp.replace("protocol = \"tcp\"\n", ""));

    assert!(format!("{change:?}").contains("protocol tcp → http"), "{change:?}");
    assert_eq!(daemon.address(), address, "the socket stays");
    assert_eq!(aya_tests::client::get(address, "/").text(), "http");
    assert!(backend.heads()[1].field("x-forwarded-for").is_some());
    before.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(before.answer().text(), "http");
    assert!(backend.heads()[2].field("x-forwarded-for").is_none(), "bytes, as before");
}

#[test]
fn stopping_waits_for_connections_that_end() {
    let backend = echo();
    let setup = Setup::new(&config(&[("one", backend.address)], "", ""));
    let daemon = setup.daemon("shutdown_timeout = \"20s\"").start();
    let address = daemon.address();
    let mut client = Client::connect(address);
    client.send("a");
    assert_eq!(client.bytes(1), b"a");

    daemon.signal("TERM");
    wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());
    client.send("b");
    assert_eq!(client.bytes(1), b"b");
    client.finish_sending();
    client.expect_close();

    assert_eq!(daemon.ended().code, Some(0));
}

#[test]
fn what_is_left_at_the_deadline_is_cut_and_recorded() {
    let backend = greeting("in");
    let setup = Setup::new(&config(&[("one", backend.address)], "", ""));
    let log = setup.folder().join("access.log");
    let keys = format!("shutdown_timeout = \"100ms\"\naccess_log = \"{}\"", log.display());
    let folder = setup.daemon(&keys);
    let daemon = folder.start();
    let kept = daemon.keep_setup();
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.line(), "in");

    let ended = daemon.stop();

    assert_eq!(ended.code, Some(5));
    assert_eq!(client.try_byte().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(logged(&log, 1)[0]["reason"], "stopping");
    drop(kept);
}

#[test]
fn two_thousand_idle_connections_cost_little() {
    const MANY: usize = 2000;
    let backend = echo_for_many();
    let daemon = Daemon::start(&config(&[("one", backend.address)], "max_connections = 5000", ""));
    let open = || {
        let mut client = Client::connect(daemon.address());
        client.send("x");
        assert_eq!(client.bytes(1), b"x");
        client
    };
    let warm: Vec<_> = (0..50).map(|_| open()).collect();
    let before = resident(daemon.pid());

    let idle: Vec<_> = (0..MANY).map(|_| open()).collect();

    let each = (resident(daemon.pid()).saturating_sub(before)) / MANY;
    assert!(each <= 4 << 10, "{each} bytes for each idle connection");
    drop((idle, warm));
}

/// As [`echo`], with one thread for all: a thread for each would not fit.
fn echo_for_many() -> Backend {
    let (sender, streams) = std::sync::mpsc::channel::<std::net::TcpStream>();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in streams {
            let mut byte = [0; 1];
            if stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {
                kept.push(stream);
            }
        }
    });
    Backend::raw(move |stream| drop(sender.send(stream)))
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

//! The end: requests finish within a deadline, then everything is gone.

mod cut;

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;

use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::client::{Client, request};
use aya_tests::control::Control;
use aya_tests::daemon::{Daemon, Setup, pool, signal};
use aya_tests::wait::{self, Gate};

/// A daemon with one request in flight that ends when the gate opens.
struct Busy {
    daemon: Daemon,
    client: Client,
    gate: Arc<Gate>,
    _backend: Backend,
}

fn busy(timeout: &str) -> Busy {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "finished")
    });
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let daemon = setup.daemon(&format!("shutdown_timeout = \"{timeout}\"")).start();
    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    backend.expect_requests(1);
    Busy { daemon, client, gate, _backend: backend }
}

/// A daemon that stops with its input, what it says, and its socket.
fn with_input(folder: &Path, backend: &str) -> (Child, Lines<BufReader<ChildStderr>>, PathBuf) {
    let socket = folder.join("control.sock");
    let mut command = Command::new(binary::ayad());
    command.args(["--listen", "127.0.0.1:0", "--backend", backend, "--workers", "1", "--stop-on-eof"]);
    command.arg("--control").arg(&socket).arg("--state-dir").arg(folder.join("state"));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ayad starts");
    let said = BufReader::new(child.stderr.take().expect("the pipe was asked for")).lines();
    (child, said, socket)
}

fn expect_said(said: &mut Lines<BufReader<ChildStderr>>, words: &str) {
    let line = said.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
    assert!(line.is_some(), "it never says: {words}");
}

#[test]
fn input_that_ends_stops_the_daemon_but_does_not_hurry_one_that_is_stopping() {
    for is_stopping in [false, true] {
        let gate = Arc::new(Gate::default());
        let opened = Arc::clone(&gate);
        let backend = Backend::with(move |visit| {
            opened.pass();
            visit.answer(200, "finished")
        });
        let folder = tempfile::tempdir().expect("a folder");
        let (mut child, mut said, socket) = with_input(folder.path(), &backend.address.to_string());
        expect_said(&mut said, "control API");
        let control = Control::at(&socket);
        let address = control.listeners()[0].bind[0].parse().expect("an address");
        let mut client = Client::connect(address);
        client.send(request("GET", "/", &[]));
        backend.expect_requests(1);

        if is_stopping {
            signal(child.id(), "TERM");
            expect_said(&mut said, "stopping: requests in flight");
        }
        drop(child.stdin.take());
        expect_said(&mut said, "standard input has ended");
        if !is_stopping {
            expect_said(&mut said, "stopping: requests in flight");
        }
        gate.open();

        assert_eq!(client.answer().text(), "finished");
        let status = wait::until("it ends", || child.try_wait().ok().flatten());
        assert_eq!((status.code(), socket.exists()), (Some(0), false));
    }
}

#[test]
fn an_idle_daemon_ends_at_once_and_leaves_no_socket() {
    let backend = Backend::saying("one");
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let setup = daemon.keep_setup();
    let socket = daemon.socket().to_owned();
    let mut idle = Client::connect(daemon.address());
    idle.send(request("GET", "/", &[]));
    idle.answer();

    let ended = daemon.stop();

    assert_eq!(ended.code, Some(0));
    idle.expect_close();
    backend.expect_no_connections();
    assert!(!socket.exists());
    drop(setup);
}

#[test]
fn a_request_in_flight_finishes_after_both_signals_to_stop() {
    for signal in ["TERM", "INT"] {
        let mut busy = busy("20s");
        let address = busy.daemon.address();

        busy.daemon.signal(signal);
        wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());
        assert_eq!(busy.daemon.control.status().daemon.state, "stopping");
        busy.gate.open();

        assert_eq!(busy.client.answer().text(), "finished");
        busy.client.expect_close();
        assert_eq!(busy.daemon.ended().code, Some(0), "SIG{signal}");
    }
}

#[test]
fn a_request_on_a_listener_removed_before_finishes_too() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "finished")
    });
    let base = pool(&[("one", backend.address)], "");
    let mut daemon = Daemon::start(&format!("[listen.old]\nbind = \"127.0.0.1:0\"\n{base}"));
    let address = daemon.address_of("main");
    let mut client = Client::connect(daemon.address_of("old"));
    client.send(request("GET", "/", &[]));
    backend.expect_requests(1);
    daemon.reconfigure(&base);

    daemon.signal("TERM");
    wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());
    gate.open();

    assert_eq!(client.answer().text(), "finished");
    client.expect_close();
    assert_eq!(daemon.ended().code, Some(0));
}

#[test]
fn a_deadline_that_passes_is_told_by_the_exit_code() {
    let mut busy = busy("100ms");

    let ended = busy.daemon.stop();

    assert_eq!(ended.code, Some(5));
    assert!(ended.log.contains("deadline"), "{}", ended.log);
    assert!(busy.client.try_answer().is_err());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut busy = busy("1h");
    let address = busy.daemon.address();

    busy.daemon.signal("TERM");
    wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());
    busy.daemon.signal("TERM");
    let ended = busy.daemon.ended();

    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("second signal"), "{}", ended.log);
    assert!(busy.client.try_answer().is_err());
}

#[test]
fn a_reload_signal_does_not_end_a_daemon_that_is_stopping() {
    let mut busy = busy("20s");
    let address = busy.daemon.address();

    busy.daemon.signal("TERM");
    wait::until_true("nobody new is accepted", || Client::try_connect(address).is_err());
    busy.daemon.signal("HUP");
    busy.gate.open();

    assert_eq!(busy.client.answer().text(), "finished");
    assert_eq!(busy.daemon.ended().code, Some(0));
}

#[test]
fn a_request_half_sent_does_not_keep_the_daemon_beyond_its_deadline() {
    let backend = Backend::saying("one");
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let daemon = setup.daemon("shutdown_timeout = \"200ms\"").start();
    let mut client = Client::connect(daemon.address());
    client.send("GET / HT");
    wait::until_true("it is connected", || daemon.control.listeners()[0].connections == 1);

    let ended = daemon.stop();

    assert!(matches!(ended.code, Some(0 | 5)), "{:?}", ended.code);
    client.rest();
}

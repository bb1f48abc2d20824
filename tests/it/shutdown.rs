//! The end: requests finish within a deadline, then everything is gone.

use std::sync::Arc;

use aya_tests::backend::Backend;
use aya_tests::client::{Client, request};
use aya_tests::daemon::{Daemon, Setup, pool};
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

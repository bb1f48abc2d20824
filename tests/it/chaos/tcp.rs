//! Faults that keep a TCP connection from its backend: those that hold it until they end, and those that turn it away.

use aya_tests::backend::Backend;
use aya_tests::client::Client;
use aya_tests::wait;

use super::{Inside, fault};
use crate::tcp::greeting;

/// The first byte that comes, unless the connection is turned away, which may be before `connect` has returned.
fn first_byte(daemon: &Inside) -> Option<u8> {
    Client::try_connect(daemon.address()).and_then(|mut client| client.try_byte()).ok()
}

fn refused_by(json: &str) -> (Inside, Backend) {
    let backend = greeting("one");
    let daemon = Inside::tcp(&[("one", backend.address)], "retry = { attempts = 1 }");
    daemon.all(fault(json));
    assert_eq!(first_byte(&daemon), None, "{json}");
    (daemon, backend)
}

#[test]
fn connections_that_hang_go_on_when_it_ends() {
    for json in [r#"{"kind":"hang"}"#, r#"{"kind":"partition"}"#] {
        let backend = greeting("one");
        let daemon = Inside::tcp(&[("one", backend.address)], "timeouts = { connect = \"60s\" }");
        let active = daemon.all(fault(json));
        let mut client = Client::connect(daemon.address());
        wait::until("it is held", || (active.observed().held == 1).then_some(()));
        assert_eq!(backend.connections(), 0, "{json}");

        daemon.calm();

        assert_eq!(client.line(), "one", "{json}");
        wait::until("it is held no more", || (active.observed().held == 0).then_some(()));
    }
}

#[test]
fn a_partition_takes_as_long_as_connecting_may() {
    let backend = greeting("one");
    let keys = "retry = { attempts = 1 }\ntimeouts = { connect = \"200ms\" }";
    let daemon = Inside::tcp(&[("one", backend.address)], keys);
    let active = daemon.all(fault(r#"{"kind":"partition"}"#));

    assert_eq!(first_byte(&daemon), None);
    assert_eq!((backend.connections(), active.observed().hit), (0, 1));
}

#[test]
fn a_client_that_leaves_while_it_hangs_is_not_held() {
    let backend = greeting("one");
    let daemon = Inside::tcp(&[("one", backend.address)], "");
    let active = daemon.all(fault(r#"{"kind":"hang"}"#));
    let client = Client::connect(daemon.address());
    wait::until("it is held", || (active.observed().held == 1).then_some(()));
    drop(client);
    wait::until("it is held no more", || (active.observed().held == 0).then_some(()));
}

#[test]
fn the_first_connections_are_dropped_and_then_all_is_well() {
    let (daemon, _backend) = refused_by(r#"{"kind":"drop-first","count":1}"#);
    wait::until_true("it is back", || first_byte(&daemon) == Some(b'o'));
}

#[test]
fn a_backend_that_flaps_is_away_and_comes_back() {
    let (daemon, backend) = refused_by(r#"{"kind":"flap","period_ms":3600000,"away":1.0}"#);
    assert_eq!(backend.connections(), 0);
    daemon.calm();
    wait::until_true("it is back", || first_byte(&daemon) == Some(b'o'));
}

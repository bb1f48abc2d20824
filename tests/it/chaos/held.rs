//! Those that a fault holds go on when it ends.

use std::net::SocketAddr;
use std::thread;

use aya_tests::backend::Backend;
use aya_tests::client::{Client, request};
use aya_tests::wait;

use super::{Inside, fault, order};

/// Connections with one request each.
fn ask(address: SocketAddr, count: usize) -> Vec<Client> {
    let ask = |_| {
        let mut client = Client::connect(address);
        client.send(request("GET", "/", &[]));
        client
    };
    (0..count).map(ask).collect()
}

#[test]
fn two_thousand_that_hang_are_all_answered_when_it_ends() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "timeouts = { first_byte = \"60s\" }");
    let active = daemon.all(fault(r#"{"kind":"hang"}"#));
    let address = daemon.address();
    let askers: Vec<_> = (0..4).map(|_| thread::spawn(move || ask(address, 500))).collect();
    let clients: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect();
    wait::until("all are held", || (active.observed().held == 2_000).then_some(()));

    daemon.calm();
    wait::until("none is held", || (active.observed().held == 0).then_some(()));

    for mut client in clients {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn no_more_are_held_than_may_be() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let mut hang = order(fault(r#"{"kind":"hang"}"#));
    hang.limits.max_held = Some(3);
    let active = daemon.inject(hang);
    let clients = ask(daemon.address(), 10);
    wait::until("all were looked at", || (active.observed().matched == 10).then_some(()));

    let seen = active.observed();
    assert_eq!((seen.held, seen.hit, seen.skipped[0].count), (3, 3, 7), "{seen:?}");
    daemon.calm();
    for mut client in clients {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_client_that_leaves_is_not_held() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let active = daemon.all(fault(r#"{"kind":"hang"}"#));
    let clients = ask(daemon.address(), 5);
    wait::until("all are held", || (active.observed().held == 5).then_some(()));
    drop(clients);
    wait::until("none is held", || (active.observed().held == 0).then_some(()));
}

//! Draining: what is in flight finishes, what is idle closes, what is new goes elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use aya_api::axis::{Admin, StickyDrain};
use aya_tests::backend::Backend;
use aya_tests::client::{Client, ask, request};
use aya_tests::daemon::Daemon;
use aya_tests::load;
use aya_tests::wait::{self, Gate};

/// A backend that answers `/held` only once the gate is open, and everything else at once.
fn holding(name: &'static str) -> (Backend, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        if visit.target() == "/held" {
            opened.pass();
        }
        visit.answer(200, name)
    });
    (backend, gate)
}

fn two(one: SocketAddr, two: SocketAddr, keys: &str) -> Daemon {
    Daemon::balancing(&[("one", one), ("two", two)], &format!("algorithm = \"round-robin\"\n{keys}"))
}

#[test]
fn a_request_in_flight_finishes_and_then_the_backend_is_drained() {
    let (held, gate) = holding("held");
    let other = Backend::saying("other");
    let daemon = two(held.address, other.address, "");
    let control = daemon.control.again();
    let mut client = Client::connect(daemon.address());
    // Whose turn it is first is not said; this leaves one.
    control.set_admin("main/two", Admin::Maint);
    client.send(request("GET", "/held", &[]));
    held.expect_requests(1);
    control.set_admin("main/two", Admin::Ready);
    let mut stream = daemon.control.stream(None);

    control.set_admin("main/one", Admin::Draining);
    assert_eq!(load::send(daemon.address(), 10).of("other"), 10);
    let draining = control.backend("main/one");
    assert_eq!((draining.admin.state, draining.traffic.in_flight), (Admin::Draining, 1));
    gate.open();

    assert_eq!(client.answer().text(), "held");
    control.expect_admin("main/one", Admin::Drained);
    assert_eq!(stream.event().to.as_deref(), Some("draining"));
    let drained = stream.event();
    assert_eq!((drained.from.as_deref(), drained.to.as_deref()), (Some("draining"), Some("drained")));
    assert_eq!(drained.subject, "main/one");
    held.expect_no_connections();
}

#[test]
fn idle_connections_are_closed_at_once() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "");
    load::send(daemon.address(), 4).expect_all_fine();
    assert_eq!((one.open_connections(), other.open_connections()), (1, 1));

    daemon.control.set_admin("main/one", Admin::Draining);

    one.expect_no_connections();
    assert_eq!(other.open_connections(), 1, "the other backend's connection stays");
    assert_eq!(daemon.control.backend("main/one").idle_connections, 0);
}

#[test]
fn a_drained_backend_that_is_ready_again_gets_its_share() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "");

    daemon.control.set_admin("main/one", Admin::Draining);
    daemon.control.expect_admin("main/one", Admin::Drained);
    assert_eq!(load::send(daemon.address(), 10).of("one"), 0);
    daemon.control.set_admin("main/one", Admin::Ready);

    assert_eq!(load::send(daemon.address(), 10).of("one"), 5);
}

#[test]
fn draining_what_is_drained_changes_nothing() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "");
    daemon.control.set_admin("main/one", Admin::Draining);
    daemon.control.expect_admin("main/one", Admin::Drained);

    let again = daemon.control.set_admin("main/one", Admin::Draining);

    assert!(!again.changed);
    assert_eq!(daemon.control.backend("main/one").admin.state, Admin::Drained);
}

/// A client that is bound to `main/one`, as a cookie.
fn bound_to_one(daemon: &Daemon) -> String {
    wait::until("a client is bound to one", || {
        let answer = ask(daemon.address(), request("GET", "/", &[]));
        let cookie = answer.field("set-cookie")?.split(';').next()?.to_owned();
        (answer.text() == "one").then_some(cookie)
    })
}

fn with_cookie(daemon: &Daemon, cookie: &str) -> String {
    ask(daemon.address(), request("GET", "/", &[("cookie", cookie)])).text()
}

#[test]
fn bound_clients_keep_coming_while_that_is_honoured() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "sticky = { cookie = \"aya\" }");
    let cookie = bound_to_one(&daemon);

    daemon.control.drain("main/one", StickyDrain::Honour);

    for _ in 0..5 {
        assert_eq!(with_cookie(&daemon, &cookie), "one");
        assert_eq!(ask(daemon.address(), request("GET", "/", &[])).text(), "two", "new clients go elsewhere");
    }
    let draining = daemon.control.backend("main/one").admin;
    assert_eq!((draining.state, draining.sticky), (Admin::Draining, Some(StickyDrain::Honour)));
}

#[test]
fn bound_clients_move_when_that_is_asked_for() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "sticky = { cookie = \"aya\" }");
    let cookie = bound_to_one(&daemon);

    daemon.control.drain("main/one", StickyDrain::Move);

    assert_eq!(with_cookie(&daemon, &cookie), "two");
    daemon.control.expect_admin("main/one", Admin::Drained);
}

#[test]
fn maintenance_takes_bound_clients_away_too() {
    let (one, other) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = two(one.address, other.address, "sticky = { cookie = \"aya\" }");
    let cookie = bound_to_one(&daemon);

    daemon.control.set_admin("main/one", Admin::Maint);

    assert_eq!(with_cookie(&daemon, &cookie), "two");
}

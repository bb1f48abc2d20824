//! Breakers: what opens them, how they try again, and orders that stand beside what they learned.

use std::time::Duration;

use aya_api::axis::{Breaker, BreakerOrder};
use aya_api::change::{Change, ChangeOptions};
use aya_api::command::breaker::{OrderBreaker, ResetBreaker};
use aya_api::error::ErrorCode;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::Daemon;
use aya_tests::load;
use aya_tests::wait;

use super::{LONG, Moody};

/// Nothing but breakers keeps traffic away.
const ALONE: &str = "outliers = { mode = \"off\" }\n";

fn order(daemon: &Daemon, id: &str, order: BreakerOrder) -> Change {
    let (pool, backend) = id.split_once('/').unwrap();
    daemon.control.call(&OrderBreaker::new(pool, backend, order))
}

fn state(daemon: &Daemon) -> Breaker {
    daemon.control.backend("main/one").breaker.state
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_requests() {
    let one = Moody::named("one");
    let keys = "breaker = { failures = 0, error_share = \"50%\", min_calls = 10, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    load::send(daemon.address(), 5);
    one.answers(500);
    load::send(daemon.address(), 4);
    let before = daemon.control.backend("main/one").breaker;
    assert_eq!(before.state, Breaker::Closed, "nine are too few");
    let window = before.window.unwrap();
    assert_eq!((window.calls, window.failures), (9, 4));

    load::send(daemon.address(), 1);

    let after = daemon.control.backend("main/one").breaker;
    assert_eq!(after.state, Breaker::Open);
    assert_eq!(after.cause.as_deref(), Some("50% of 10 requests failed"));
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
}

#[test]
fn slow_answers_open_it() {
    let one = Backend::slow("one", Duration::from_millis(30));
    let keys = "breaker = { slow = \"20ms\", slow_share = \"80%\", min_calls = 5, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.address)], &format!("{ALONE}{keys}"));

    load::send(daemon.address(), 5).expect_all_fine();

    let breaker = daemon.control.backend("main/one").breaker;
    assert_eq!(breaker.state, Breaker::Open);
    assert_eq!(breaker.cause.as_deref(), Some("100% of 5 requests were slow"));
}

#[test]
fn as_many_trials_pass_as_it_says_and_all_must_succeed() {
    let one = Moody::named("one");
    let keys =
        "breaker = { failures = 2, open = \"50ms\", open_max = \"50ms\", jitter = \"0%\", trials = 3 }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    one.answers(500);
    load::send(daemon.address(), 2);
    assert_eq!(state(&daemon), Breaker::Open);
    one.answers(200);

    wait::until_true("the first trial passes", || get(daemon.address(), "/").status == 200);
    assert_eq!(state(&daemon), Breaker::HalfOpen);
    load::send(daemon.address(), 1).expect_all_fine();
    assert_eq!(state(&daemon), Breaker::HalfOpen);
    load::send(daemon.address(), 1).expect_all_fine();
    assert_eq!(state(&daemon), Breaker::Closed);

    let told: Vec<_> = daemon.control.events().into_iter().filter(|event| event.kind == "breaker").collect();
    let states: Vec<_> = told.iter().filter_map(|event| event.to.as_deref()).collect();
    assert_eq!(states, ["open", "half-open", "closed"], "a round of trials is told once");
}

#[test]
fn an_order_holds_through_reload_and_restart_and_its_release_goes_on_where_it_was() {
    let one = Moody::named("one");
    let keys = "breaker = { failures = 2, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    let change = order(&daemon, "main/one", BreakerOrder::Open);
    assert_eq!((change.before.as_str(), change.after.as_str()), ("none", "open"));
    assert_eq!(change.undo.as_deref(), Some("ayactl breaker release main/one"));
    assert!(!change.warnings.is_empty(), "nobody else is there");
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
    assert_eq!(state(&daemon), Breaker::Closed, "what it learned stays");

    daemon.control.reload();
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
    let daemon = daemon.restart("TERM");
    let given = daemon.control.backend("main/one").breaker.order.expect("the order is restored");
    assert_eq!((given.order, given.restored), (BreakerOrder::Open, true));
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));

    order(&daemon, "main/one", BreakerOrder::None);
    load::send(daemon.address(), 3).expect_all_fine();
    assert_eq!(daemon.control.backend("main/one").breaker.order, None);
}

#[test]
fn forced_closed_lets_pass_and_learns_nothing() {
    let one = Moody::named("one");
    let keys = "breaker = { failures = 2, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    one.answers(500);
    load::send(daemon.address(), 2);
    assert_eq!(state(&daemon), Breaker::Open);

    order(&daemon, "main/one", BreakerOrder::Closed);
    assert_eq!(get(daemon.address(), "/").text(), "one");
    assert_eq!(state(&daemon), Breaker::Open);
    order(&daemon, "main/one", BreakerOrder::None);
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"), "it goes on where it was");
}

#[test]
fn held_closed_it_does_not_open() {
    let one = Moody::named("one");
    let keys = "breaker = { failures = 2, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    order(&daemon, "main/one", BreakerOrder::Held);
    one.answers(500);

    assert_eq!(load::send(daemon.address(), 20).of("one"), 20);

    assert_eq!(state(&daemon), Breaker::Closed);
}

#[test]
fn a_lease_reverts_itself() {
    let one = Moody::named("one");
    let daemon = Daemon::balancing(&[("one", one.backend.address)], ALONE);
    let options =
        ChangeOptions { for_ms: Some(100), reason: Some("drill".into()), ..ChangeOptions::default() };

    daemon.control.call_with(&OrderBreaker::new("main", "one", BreakerOrder::Open), &options);

    wait::until_true("it serves again", || get(daemon.address(), "/").status == 200);
    assert_eq!(daemon.control.backend("main/one").breaker.order, None);
    let events = daemon.control.events();
    let told: Vec<_> = events.iter().filter(|event| event.kind == "breaker-order").collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].cause, "drill");
    assert_eq!((told[1].to.as_deref(), told[1].by.as_deref()), (Some("none"), Some("ayad (lease ended)")));
}

#[test]
fn a_dry_run_and_an_outdated_picture_change_nothing() {
    let one = Moody::named("one");
    let daemon = Daemon::balancing(&[("one", one.backend.address)], ALONE);
    let call = OrderBreaker::new("main", "one", BreakerOrder::Open);
    let dry = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
    assert!(daemon.control.call_with(&call, &dry).changed);
    let rev = daemon.control.backend("main/one").rev;
    let outdated = ChangeOptions { if_rev: Some(rev + 1), ..ChangeOptions::default() };

    assert_eq!(daemon.control.refused(&call, &outdated).code, ErrorCode::Conflict);

    assert_eq!(get(daemon.address(), "/").status, 200);
}

#[test]
fn a_reset_forgets_what_was_learned_and_has_no_end() {
    let one = Moody::named("one");
    let keys = "breaker = { failures = 2, open = \"10m\" }";
    let daemon = Daemon::balancing(&[("one", one.backend.address)], &format!("{ALONE}{keys}"));
    one.answers(500);
    load::send(daemon.address(), 2);
    one.answers(200);

    let leased = ChangeOptions { for_ms: Some(LONG.as_millis() as u64), ..ChangeOptions::default() };
    let error = daemon.control.refused(&ResetBreaker::new("main", "one"), &leased);
    assert_eq!(error.code, ErrorCode::BadValue);
    let change = daemon.control.call(&ResetBreaker::new("main", "one"));

    assert_eq!((change.before.as_str(), change.after.as_str()), ("breaker open", "nothing"));
    assert_eq!(change.undo, None);
    assert_eq!(state(&daemon), Breaker::Closed);
    load::send(daemon.address(), 3).expect_all_fine();
    assert!(!daemon.control.call(&ResetBreaker::new("main", "one")).changed);
}

#[test]
fn an_open_breaker_and_an_order_survive_an_upgrade() {
    let (one, two) = (Moody::named("one"), Moody::named("two"));
    let members = [("one", one.backend.address), ("two", two.backend.address)];
    let keys = "algorithm = \"round-robin\"\nbreaker = { failures = 2, open = \"10m\" }";
    let mut daemon = Daemon::balancing(&members, &format!("{ALONE}{keys}"));
    one.answers(500);
    wait::until_true("it opens", || {
        load::send(daemon.address(), 2);
        state(&daemon) == Breaker::Open
    });
    order(&daemon, "main/two", BreakerOrder::Held);

    daemon.upgrade();

    assert_eq!(state(&daemon), Breaker::Open);
    let given = daemon.control.backend("main/two").breaker.order.expect("the order is still in force");
    assert_eq!(given.order, BreakerOrder::Held);
    assert_eq!(load::send(daemon.address(), 6).of("two"), 6);
}

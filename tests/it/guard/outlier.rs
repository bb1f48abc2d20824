//! Outliers: who fails more often than the others gets nothing for a while, and comes back.

use std::net::SocketAddr;

use aya_api::axis::{Breaker, Health, Standing};
use aya_api::command::breaker::ResetBreaker;
use aya_api::view::BackendView;
use aya_tests::daemon::Daemon;
use aya_tests::load::{self, Load};
use aya_tests::wait;

use super::Moody;

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn pool(count: usize, keys: &str) -> (Vec<Moody>, Daemon) {
    let all: Vec<Moody> = NAMES[..count].iter().map(|name| Moody::named(name)).collect();
    let members: Vec<(&str, SocketAddr)> =
        NAMES.iter().copied().zip(all.iter().map(|moody| moody.backend.address)).collect();
    let daemon = Daemon::balancing(&members, &format!("algorithm = \"round-robin\"\n{keys}"));
    (all, daemon)
}

fn some(daemon: &Daemon) -> load::Tally {
    load::run(daemon.address(), &Load { requests: 60, connections: 2, fields: &[] })
}

fn standing(backend: &BackendView) -> Standing {
    backend.standing.as_ref().map_or(Standing::In, |standing| standing.state)
}

fn out(daemon: &Daemon) -> Vec<String> {
    let is_out = |b: &BackendView| matches!(standing(b), Standing::Ejected | Standing::Trying);
    daemon.control.backends().into_iter().filter(is_out).map(|backend| backend.name).collect()
}

fn until_out(daemon: &Daemon, name: &str) {
    wait::until_true("it is ejected", || {
        some(daemon);
        out(daemon) == [name]
    });
}

#[test]
fn one_of_three_that_fails_is_ejected_and_the_axes_stay_as_they_are() {
    let (all, daemon) = pool(3, "outliers = { eject = \"10m\" }");
    some(&daemon).expect_all_fine();
    all[1].answers(500);
    until_out(&daemon, "two");

    some(&daemon).expect_all_fine();
    let two = wait::until("the next look eases it", || {
        Some(daemon.control.backend("main/two")).filter(|backend| backend.ease == Some(0.0))
    });
    let seen = two.standing.as_ref().unwrap();
    assert_eq!((seen.state, seen.shadow), (Standing::Ejected, false));
    assert!(["failures-in-row", "failure-share"].contains(&seen.reason.as_str()), "{}", seen.reason);
    assert!(seen.cause.contains("against a median"), "{}", seen.cause);
    assert!(seen.until_ms.is_some_and(|until| until > seen.since_ms));
    assert!(seen.odd_since_ms.is_some_and(|odd| odd <= seen.since_ms), "{seen:?}");
    assert!(!two.eligible);
    assert_eq!((two.health.state, two.breaker.state), (Health::Unknown, Breaker::Off));
    let event = daemon.control.events().into_iter().find(|event| event.kind == "outlier").unwrap();
    assert_eq!((event.subject.as_str(), event.to.as_deref()), ("main/two", Some("ejected")));
    let metrics = daemon.control.text("/metrics");
    assert!(
        metrics.contains("ayad_backend_standing{pool=\"main\",backend=\"two\",state=\"ejected\"} 1"),
        "{metrics}"
    );
}

#[test]
fn it_comes_back_by_trials_once_it_is_well() {
    let (all, daemon) = pool(3, "outliers = { eject = \"100ms\", eject_max = \"100ms\" }");
    some(&daemon).expect_all_fine();
    all[1].answers(503);
    until_out(&daemon, "two");
    all[1].answers(200);

    wait::until_true("it is back", || {
        some(&daemon);
        let two = daemon.control.backend("main/two");
        standing(&two) == Standing::In && two.ease.is_none()
    });

    let history = daemon.control.detail("main/two").history;
    let steps: Vec<_> = history.iter().rev().filter(|e| e.axis == "outlier").map(|e| e.to.as_str()).collect();
    // Its trials are not told one by one.
    assert!(steps.ends_with(&["ejected", "in"]), "{steps:?}");
    assert!(some(&daemon).of("two") > 10);
}

#[test]
fn when_all_fail_nobody_stays_ejected() {
    let (all, daemon) = pool(3, "");
    some(&daemon).expect_all_fine();
    for moody in &all {
        moody.answers(500);
    }
    let seen: usize = (0..10).map(|_| some(&daemon).statuses[&500]).sum();
    wait::until_true("all are in", || {
        some(&daemon);
        out(&daemon).is_empty()
    });

    assert_eq!(seen, 600, "every request was answered by a backend");
    let tally = some(&daemon);
    assert!(["one", "two", "three"].iter().all(|name| tally.of(name) > 0), "{tally:?}");
}

#[test]
fn less_than_half_are_ejected() {
    let (all, daemon) = pool(4, "outliers = { eject = \"10m\" }");
    some(&daemon).expect_all_fine();
    all[0].answers(500);
    until_out(&daemon, "one");
    all[1].answers(500);
    for _ in 0..10 {
        some(&daemon);
        assert_eq!(out(&daemon), ["one"], "two of four would be half");
    }
}

#[test]
fn in_shadow_it_is_told_and_nothing_is_done() {
    let (all, daemon) = pool(3, "outliers = { mode = \"shadow\", eject = \"10m\" }");
    some(&daemon).expect_all_fine();
    all[1].answers(500);
    until_out(&daemon, "two");

    assert!(some(&daemon).of("two") > 10);
    let two = daemon.control.backend("main/two");
    assert!(two.eligible && two.ease.is_none() && two.standing.unwrap().shadow);
}

#[test]
fn off_means_off_and_a_reload_brings_everybody_back() {
    let (all, mut daemon) = pool(3, "outliers = { eject = \"10m\" }");
    some(&daemon).expect_all_fine();
    all[1].answers(500);
    until_out(&daemon, "two");
    let members: Vec<(&str, SocketAddr)> =
        NAMES.iter().copied().zip(all.iter().map(|moody| moody.backend.address)).collect();

    let keys = "algorithm = \"round-robin\"\noutliers = { mode = \"off\" }";
    daemon.reconfigure(&aya_tests::daemon::pool(&members, keys));

    wait::until_true("it is back", || out(&daemon).is_empty());
    assert!(some(&daemon).of("two") > 10);
    assert!(out(&daemon).is_empty());
}

#[test]
fn a_reset_brings_it_back_at_once() {
    let (all, daemon) = pool(3, "outliers = { eject = \"10m\" }");
    some(&daemon).expect_all_fine();
    all[1].answers(500);
    until_out(&daemon, "two");
    all[1].answers(200);

    let change = daemon.control.call(&ResetBreaker::new("main", "two"));

    assert_eq!((change.before.as_str(), change.after.as_str()), ("ejected", "nothing"));
    some(&daemon).expect_all_fine();
    assert!(some(&daemon).of("two") > 10);
}

#[test]
fn slow_start_eases_a_backend_that_joins() {
    let keys = "algorithm = \"round-robin\"\nslow_start = \"10m\"";
    let (one, two) = (Moody::named("one"), Moody::named("two"));
    let mut daemon = Daemon::balancing(&[("one", one.backend.address)], keys);
    assert_eq!(daemon.control.backend("main/one").ease, None, "there is no slow start at the start");

    let members = [("one", one.backend.address), ("two", two.backend.address)];
    daemon.reconfigure(&aya_tests::daemon::pool(&members, keys));

    let two =
        wait::until("it is eased", || Some(daemon.control.backend("main/two")).filter(|b| b.ease.is_some()));
    assert!(two.ease.unwrap() < 0.2);
    assert_eq!(daemon.control.backend("main/one").ease, None);
}

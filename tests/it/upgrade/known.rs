//! What the daemon found out by itself goes along: the algorithm it chose, who does worse than the others, and weights
//! that follow a signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aya_api::axis::Standing;
use aya_api::command::pools::GetPools;
use aya_api::view::{AlgorithmView, AutoView};
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::Daemon;
use aya_tests::load::{self, Load};
use aya_tests::wait;

fn some(daemon: &Daemon) -> load::Tally {
    load::run(daemon.address(), &Load { requests: 60, connections: 6, fields: &[] })
}

fn algorithm(daemon: &Daemon) -> (AlgorithmView, AutoView) {
    let algorithm = daemon.control.call(&GetPools).remove(0).algorithm;
    let auto = algorithm.auto.clone().expect("the pool chooses by itself");
    (algorithm, auto)
}

#[test]
fn an_algorithm_that_was_chosen_goes_on_with_its_evidence_and_its_trial() {
    let backends =
        [Backend::saying("a"), Backend::saying("b"), Backend::slow("c", Duration::from_millis(60))];
    let [a, b, c] = backends.each_ref().map(|backend| backend.address);
    // So long an epoch that the trial is not over soon.
    let keys = "algorithm = { name = \"auto\", arms = [\"round-robin\", \"least-connections\"], \
                objective = \"mean\", epoch = \"4s\", \
                rules = [{ when = { match = { path = \"/first/*\" } }, use = \"first\" }] }\n\
                outliers = { mode = \"off\" }";
    let mut daemon = Daemon::balancing(&[("a", a), ("b", b), ("c", c)], keys);
    wait::until_true("the better arm steers", || {
        some(&daemon);
        algorithm(&daemon).1.is_on_trial
    });
    let (_, before) = algorithm(&daemon);
    let told = daemon.control.events().into_iter().filter(|event| event.kind == "algorithm").count();

    daemon.upgrade();

    let (now, after) = algorithm(&daemon);
    assert_eq!((now.name.as_str(), now.overridden), ("least-connections", false));
    assert_eq!((after.arm.as_str(), after.is_on_trial), ("least-connections", true));
    assert_eq!((&after.reason, after.since_ms), (&before.reason, before.since_ms));
    let known = |auto: &AutoView| auto.arms.iter().map(|arm| (arm.value, arm.samples)).collect::<Vec<_>>();
    assert_eq!(known(&after), known(&before));
    assert!(after.arms.iter().any(|arm| arm.value.is_some()), "{after:?}");
    assert!(after.rules[0].holds);
    assert_eq!(get(daemon.address(), "/first/1").text(), "a");
    wait::until_true("the trial ends", || {
        some(&daemon).expect_all_fine();
        !algorithm(&daemon).1.is_on_trial
    });
    assert_eq!(algorithm(&daemon).0.name, "least-connections");
    let events = daemon.control.events().into_iter().filter(|event| event.kind == "algorithm").count();
    assert_eq!(events, told, "nothing is decided or told again");
}

#[test]
fn who_is_ejected_stays_so_until_its_time_is_up() {
    let status = Arc::new(AtomicU16::new(200));
    let current = Arc::clone(&status);
    let bad = Backend::with(move |visit| visit.answer(current.load(Ordering::SeqCst), "bad"));
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let keys = "algorithm = \"round-robin\"\noutliers = { eject = \"10m\" }";
    let mut daemon =
        Daemon::balancing(&[("bad", bad.address), ("one", one.address), ("two", two.address)], keys);
    some(&daemon).expect_all_fine();
    status.store(500, Ordering::SeqCst);
    let ejected = |daemon: &Daemon| {
        let standing = daemon.control.backend("main/bad").standing;
        standing.filter(|standing| standing.state == Standing::Ejected)
    };
    let before = wait::until("it is ejected", || {
        some(&daemon);
        ejected(&daemon)
    });
    let asked = bad.requests();

    daemon.upgrade();

    let after = ejected(&daemon).expect("it is still ejected");
    assert_eq!((&after.cause, &after.reason, after.times), (&before.cause, &before.reason, before.times));
    let [odd, was_odd] = [&after, &before].map(|seen| seen.odd_since_ms.expect("it is odd"));
    assert!(odd.abs_diff(was_odd) < 1_000 && odd <= after.since_ms, "{odd} instead of {was_odd}");
    let [until, wanted] = [after.until_ms, before.until_ms].map(|until| until.expect("it ends"));
    assert!(until.abs_diff(wanted) < 1_000, "{until} instead of {wanted}");
    for _ in 0..3 {
        some(&daemon).expect_all_fine();
    }
    assert_eq!((bad.requests(), ejected(&daemon).is_some()), (asked, true));
    let history = daemon.control.detail("main/bad").history;
    assert_eq!(history.iter().filter(|entry| entry.to == "ejected").count(), 1, "{history:?}");
}

#[test]
fn weights_that_follow_a_signal_stay_where_they_were() {
    let reporting = |cpu: &'static str| {
        Backend::with(move |visit| {
            visit.raw_answer(format!("HTTP/1.1 200 OK\r\nx-aya-load: cpu={cpu}\r\ncontent-length: 0\r\n\r\n"))
        })
    };
    let (calm, busy) = (reporting("0.2"), reporting("0.9"));
    let keys = "algorithm = \"round-robin\"\nsignals = { expire = \"10m\", weight_by = { signal = \"cpu\", min = 0.2 } }";
    let mut daemon = Daemon::balancing(&[("calm", calm.address), ("busy", busy.address)], keys);
    let factor = |daemon: &Daemon| daemon.control.backend("main/busy").signal_factor;
    wait::until_true("the busy one has less", || {
        get(daemon.address(), "/");
        factor(&daemon) < 0.6
    });
    // Without new values nothing moves: when the last one is as old as two looks, it is where it stays.
    let is_old = |daemon: &Daemon| {
        let signals = daemon.control.backend("main/busy").signals;
        signals.iter().any(|signal| signal.signal == "cpu" && signal.age_ms > 1_100)
    };
    wait::until_true("the last value is old", || is_old(&daemon));
    let before = factor(&daemon);

    daemon.upgrade();

    let at_once = factor(&daemon);
    assert!((at_once - before).abs() < 0.01, "{at_once} instead of {before}");
    // The value went along too, or the weight would drift back; in a new process nothing is older than that.
    wait::until_true("some looks are over", || is_old(&daemon));
    let later = factor(&daemon);
    assert!((later - before).abs() < 0.01, "{later} instead of {before}");
    assert!((daemon.control.backend("main/calm").signal_factor - 1.0).abs() < 0.01);
}

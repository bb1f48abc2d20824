//! A switch that makes it worse is taken back, by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aya_api::event::Severity;
use aya_tests::backend::Backend;
use aya_tests::wait::Gate;

use super::Bench;

/// Requests that a crowded backend takes at once and is still fast.
const ROOM: usize = 4;

/// A backend that is fast, and very slow for what comes while it has many.
fn crowded(name: &'static str) -> Backend {
    let (inside, never) = (Arc::new(AtomicUsize::new(0)), Gate::default());
    Backend::with(move |visit| {
        let among = inside.fetch_add(1, Ordering::SeqCst) + 1;
        never.linger(Duration::from_millis(if among > ROOM { 250 } else { 2 }));
        inside.fetch_sub(1, Ordering::SeqCst);
        visit.answer(200, name)
    })
}

#[test]
fn a_switch_that_makes_it_worse_is_taken_back_and_not_tried_again_soon() {
    // Whoever sends all to the first looks better while others do not: it is fast, as long as few come.
    let slow = |name| Backend::slow(name, Duration::from_millis(60));
    let keys = "arms = [\"round-robin\", \"first\"], objective = \"mean\", epoch = \"1s\"";
    let mut bench = Bench::of([crowded("a"), slow("b"), slow("c")], 12, keys);

    let decisions = bench.under_load("the switch is taken back", || {
        let decisions = bench.decisions();
        (decisions.len() >= 2).then_some(decisions)
    });
    let [better, worse] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!((better.from.as_deref(), better.to.as_deref()), (Some("round-robin"), Some("first")));
    assert!(better.severity == Severity::Info && better.cause.contains("better in shadow"), "{better:?}");
    assert_eq!((worse.from.as_deref(), worse.to.as_deref()), (Some("first"), Some("round-robin")));
    assert_eq!((worse.severity, worse.subject.as_str()), (Severity::Warning, "main"));
    for word in ["the switch made it worse, taken back", "mean", "against", "ratio", "samples"] {
        assert!(worse.cause.contains(word), "{}", worse.cause);
    }
    // Two epochs decide, and the beat is a second.
    assert!(worse.at_ms - better.at_ms <= 10_000, "{decisions:?}");

    let auto = bench.auto();
    assert_eq!((auto.arm.as_str(), auto.switches, auto.is_on_trial), ("round-robin", 2, false));
    assert_eq!((bench.algorithm().name.as_str(), &auto.reason), ("round-robin", &worse.cause));
    let blocked_until = auto.arms[1].blocked_until_ms.expect("it is not tried for ten epochs");
    let wait_ms = blocked_until - worse.at_ms;
    assert!((9_000..=11_000).contains(&wait_ms), "{wait_ms}");
    let told = bench.ayactl(&["describe", "main"]);
    assert!(
        told.contains("the switch made it worse, taken back") && told.contains("tried again in"),
        "{told}"
    );

    // A new process knows better than to try it at once.
    bench.daemon.upgrade();
    let after = bench.auto();
    assert_eq!(
        (after.arm.as_str(), &after.reason, after.since_ms),
        ("round-robin", &worse.cause, auto.since_ms)
    );
    let until = after.arms[1].blocked_until_ms.expect("it is still not tried");
    assert!(until.abs_diff(blocked_until) < 1_000, "{until} instead of {blocked_until}");
    assert_eq!(bench.decisions(), decisions);
}

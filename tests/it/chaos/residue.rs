//! Nothing of a fault remains after its end.

use aya_tests::backend::Backend;
use aya_tests::load::Tally;

use super::{Inside, fault, order, run_load};

/// What 10,000 requests look like, and what is counted of them.
fn run(daemon: &Inside) -> (Tally, Vec<(u64, u64, u64)>, Vec<u32>) {
    let snapshot = daemon.state().snapshot.load_full();
    let totals = || -> Vec<_> { snapshot.backends().map(|backend| backend.totals()).collect() };
    let before = totals();
    let tally = run_load(daemon, 10_000, 4);
    let counted = totals().into_iter().zip(before).map(|(after, before)| {
        (after.requests - before.requests, after.failures - before.failures, after.moved - before.moved)
    });
    (tally, counted.collect(), snapshot.backends().map(|backend| backend.load.apparent()).collect())
}

#[test]
fn after_all_is_stopped_requests_fare_as_if_nothing_had_been() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let backends = [("one", one.address), ("two", two.address)];
    let keys = "algorithm = \"round-robin\"";
    let untouched = run(&Inside::http(&backends, keys));
    let daemon = Inside::http(&backends, keys);
    for (index, json) in [
        r#"{"kind":"latency","mean_ms":1,"jitter_ms":1,"distribution":"exponential"}"#,
        r#"{"kind":"error","status":418}"#,
        r#"{"kind":"slice","bytes":5,"pause_us":10}"#,
        r#"{"kind":"corrupt","one_in":5}"#,
        r#"{"kind":"truncate","after_bytes":90}"#,
        r#"{"kind":"reset"}"#,
        r#"{"kind":"load","in_flight":50}"#,
        r#"{"kind":"breaker","order":"held"}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let mut order = order(fault(json));
        (order.id, order.share, order.seed) = (format!("f{index}"), 0.1, index as u64);
        daemon.inject(order);
    }
    let touched = run_load(&daemon, 1_000, 4);
    assert!(touched.statuses.contains_key(&418), "{touched:?}");

    daemon.calm();
    let (tally, counted, loads) = run(&daemon);

    assert_eq!((&tally.statuses, tally.failed), (&untouched.0.statuses, untouched.0.failed));
    assert_eq!(tally.bodies.keys().collect::<Vec<_>>(), untouched.0.bodies.keys().collect::<Vec<_>>());
    let sum = |counted: &[(u64, u64, u64)]| {
        counted.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2))
    };
    assert_eq!(sum(&counted), sum(&untouched.1));
    assert_eq!(loads, untouched.2);
    assert!(daemon.state().faults.is_idle() && daemon.state().faults.list().is_empty());
}

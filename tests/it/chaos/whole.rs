//! Faults that act on an attempt as a whole, and on what the daemon thinks.

use std::time::Duration;

use tokio::time::Instant;

use aya_core::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::client::{get, request};
use aya_tests::wait;
use ayad::chaos::FaultOrder;

use super::{Inside, fault, is_believable, order, run_load};

#[test]
fn latency_delays_an_answer_and_is_told() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let active = daemon.all(fault(r#"{"kind":"latency","mean_ms":150}"#));

    let begun = Instant::now();
    let answer = get(daemon.address(), "/");

    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert_eq!((answer.status, answer.field("x-aya-fault")), (200, Some("f1 latency")));
    let seen = active.observed();
    assert_eq!((seen.matched, seen.hit, seen.held), (1, 1, 0));
}

#[test]
fn only_the_proxy_says_which_fault_hit() {
    let backend = Backend::with(|visit| {
        visit.raw_answer("HTTP/1.1 200 OK\r\nX-Aya-Fault: f9 made-up\r\nContent-Length: 3\r\n\r\none")
    });
    let daemon = Inside::http(&[("one", backend.address)], "");
    assert_eq!(get(daemon.address(), "/").field("x-aya-fault"), None);
    daemon.all(fault(r#"{"kind":"latency","mean_ms":1}"#));
    assert_eq!(get(daemon.address(), "/").head.all("x-aya-fault"), ["f1 latency"]);
}

#[test]
fn latency_beyond_the_patience_is_a_backend_that_is_too_slow() {
    let backend = Backend::saying("one");
    let keys = "retry = { attempts = 1 }\ntimeouts = { first_byte = \"200ms\" }";
    let daemon = Inside::http(&[("one", backend.address)], keys);
    daemon.all(fault(r#"{"kind":"latency","mean_ms":60000}"#));

    let answer = get(daemon.address(), "/");

    assert_eq!((answer.status, answer.reason()), (504, Some("first-byte-timeout")));
    assert_eq!(backend.requests(), 0);
}

#[test]
fn an_error_is_made_up_and_passed_on_as_an_answer() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    daemon.all(fault(r#"{"kind":"error","status":418,"body":"tea","headers":["x-pot: yes"]}"#));

    let answer = get(daemon.address(), "/");

    assert_eq!((answer.status, answer.text().as_str()), (418, "tea"));
    assert_eq!((answer.field("x-pot"), answer.reason()), (Some("yes"), None));
    assert_eq!(backend.requests(), 0);
    daemon.calm();
    assert_eq!(get(daemon.address(), "/").text(), "one");
}

#[test]
fn a_reset_before_the_answer_is_a_backend_that_closed() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "retry = { attempts = 1 }");
    daemon.all(fault(r#"{"kind":"reset"}"#));

    assert_eq!(get(daemon.address(), "/").reason(), Some("closed-early"));
}

#[test]
fn retries_get_past_a_backend_that_refuses() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = Inside::http(&[("one", one.address), ("two", two.address)], "");
    let mut refuse = order(fault(r#"{"kind":"refuse"}"#));
    refuse.target.backend = Some("main/one".into());
    daemon.inject(refuse);

    let tally = run_load(&daemon, 20, 1);

    tally.expect_all_fine();
    assert_eq!(tally.of("two"), 20);
    assert_eq!(one.requests(), 0);
}

#[test]
fn the_first_are_dropped_and_then_all_is_well() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "retry = { attempts = 1 }");
    let active = daemon.all(fault(r#"{"kind":"drop-first","count":1}"#));

    assert_eq!(get(daemon.address(), "/").reason(), Some("connect-refused"));
    wait::until("it is back", || (get(daemon.address(), "/").status == 200).then_some(()));
    assert_eq!(active.observed().hit, 1);
}

#[test]
fn a_backend_that_flaps_refuses_while_it_is_away() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "retry = { attempts = 1 }");
    daemon.all(fault(r#"{"kind":"flap","period_ms":3600000,"away":1.0}"#));

    assert_eq!(get(daemon.address(), "/").reason(), Some("connect-refused"));
}

#[test]
fn a_partition_hangs_until_connecting_takes_too_long() {
    let backend = Backend::saying("one");
    let keys = "retry = { attempts = 1 }\ntimeouts = { connect = \"200ms\" }";
    let daemon = Inside::http(&[("one", backend.address)], keys);
    daemon.all(fault(r#"{"kind":"partition"}"#));

    assert_eq!(get(daemon.address(), "/").reason(), Some("connect-timeout"));
    assert_eq!(backend.connections(), 0);
}

#[test]
fn checks_lie_and_tell_the_truth_again() {
    let backend = Backend::saying("one");
    let keys = "health = { kind = \"tcp\", interval = \"100ms\", rise = 1, fall = 1 }";
    let daemon = Inside::http(&[("one", backend.address)], keys);
    let health = |wanted| {
        wait::until("health is as expected", || {
            let snapshot = daemon.state().snapshot.load();
            let health = snapshot.backend_by_id("main/one").map(|backend| backend.load.health());
            (health == Some(wanted)).then_some(())
        });
    };
    health(Health::Up);
    daemon.all(fault(r#"{"kind":"health-lie","says":"down"}"#));
    health(Health::Down);
    daemon.calm();
    health(Health::Up);
    daemon.all(fault(r#"{"kind":"partition"}"#));
    health(Health::Down);
    daemon.calm();
    health(Health::Up);
}

#[test]
fn breakers_and_loads_are_forced_and_let_go() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let snapshot = daemon.state().snapshot.load_full();
    let load = &snapshot.backend_by_id("main/one").expect("it is there").load;
    daemon.all(fault(r#"{"kind":"breaker","order":"open"}"#));
    daemon.inject(FaultOrder { id: "f2".into(), ..order(fault(r#"{"kind":"load","in_flight":9}"#)) });

    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
    assert_eq!((load.breaker().people_order(), load.apparent(), load.in_flight()), (None, 9, 0));

    daemon.calm();
    assert_eq!(get(daemon.address(), "/").status, 200);
    assert_eq!((load.breaker().order(), load.apparent()), (None, 0));
}

#[test]
fn a_slow_backend_is_hedged() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let keys = "hedge = { after = \"p50\", min = \"20ms\" }\nalgorithm = \"round-robin\"\nretry = { budget = \"100%\" }";
    let daemon = Inside::http(&[("one", one.address), ("two", two.address)], keys);
    // What is slow is learned from those that are not.
    wait::repeat_until(|| {
        run_load(&daemon, 200, 2).expect_all_fine();
        daemon.state().snapshot.load().pools[0].hedging.delay.get().is_some()
    });
    let mut slow = order(fault(r#"{"kind":"hang"}"#));
    slow.target.backend = Some("main/one".into());
    let active = daemon.inject(slow);

    let tally = run_load(&daemon, 10, 1);

    tally.expect_all_fine();
    assert_eq!(tally.of("two"), 10);
    let seen = active.observed();
    assert!(seen.hit > 0 && seen.held == 0, "{seen:?}");
}

#[test]
fn shares_are_as_asked_for() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    for (share, requests) in [(0.0, 1_000), (0.001, 10_000), (0.01, 10_000), (0.05, 10_000), (0.5, 10_000)] {
        let error = fault(r#"{"kind":"error","status":418}"#);
        let active = daemon.inject(FaultOrder { share, ..order(error) });
        let tally = run_load(&daemon, requests, 4);
        let seen = active.observed();

        assert_eq!(seen.matched, requests as u64);
        assert_eq!(seen.hit, tally.statuses.get(&418).copied().unwrap_or_default() as u64);
        assert!(is_believable(&seen, share), "share {share}: {seen:?}");
        assert!(share > 0.0 || seen.hit == 0);
        daemon.calm();
    }
}

#[test]
fn only_what_matches_is_hit() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let mut error = order(fault(r#"{"kind":"error","status":418}"#));
    error.target.path = Some("/cart/*".into());
    error.target.header = Some("x-plan=gold".into());
    error.target.client = Some("127.0.0.0/8".into());
    error.target.route = Some("main".into());
    daemon.inject(error);
    let ask = |path, fields: &[(&str, &str)]| {
        aya_tests::client::ask(daemon.address(), request("GET", path, fields)).status
    };

    assert_eq!(ask("/cart/1?x", &[("x-plan", "gold")]), 418);
    assert_eq!(ask("/cart/1", &[("x-plan", "blue")]), 200);
    assert_eq!(ask("/", &[("x-plan", "gold")]), 200);
}

#[test]
fn limits_skip_and_say_so() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let mut error = order(fault(r#"{"kind":"error","status":418}"#));
    error.limits.max_traffic = Some(0.25);
    let active = daemon.inject(error);

    let tally = run_load(&daemon, 400, 1);

    let seen = active.observed();
    assert!(tally.statuses[&418] <= 100 && seen.hit > 0, "{seen:?}");
    assert_eq!(seen.skipped[0].cause, "max-traffic");
    assert_eq!(seen.hit + seen.skipped[0].count, 400);
}

#[test]
fn a_load_test_learns_where_the_time_went() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let ask = |token| {
        let answer = aya_tests::client::ask(daemon.address(), request("GET", "/", &[("x-aya-load", token)]));
        answer.field("server-timing").map(str::to_owned)
    };
    assert_eq!(ask("run-1"), None);
    daemon.state().runs.set(vec!["run-1".into()]);
    daemon.all(fault(r#"{"kind":"latency","mean_ms":50}"#));

    let told = ask("run-1").expect("it is told");
    let times: Vec<f64> = told
        .split(", ")
        .filter_map(|part| part.split(';').nth(1)?.strip_prefix("dur=")?.parse().ok())
        .collect();

    assert!(told.starts_with("queue;dur=") && told.ends_with(";desc=\"main/one\""), "{told}");
    assert!(times.len() == 3 && times[2] >= 50.0 && times[1].abs() < 1e-9, "{told}");
    assert_eq!(ask("run-2"), None);
    assert!(backend.heads().iter().all(|head| head.field("x-aya-load").is_none()));
}

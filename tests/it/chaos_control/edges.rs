//! Limits at their edges, faults that fit nothing, and that nothing remains of what ended.

use aya_api::axis::{Breaker, Health};
use aya_api::command::faults::{GetFault, StartFault, StopAll};
use aya_api::error::ErrorCode;
use aya_api::fault::{ChaosLimits, Fault, FaultBody, FaultState, FaultTarget, Phase};
use aya_tests::backend::Backend;
use aya_tests::client::{self, Client};
use aya_tests::daemon::{Daemon, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{until, until_true};

use super::{ASIS, Bench, latency, main_pool};
use crate::tcp;

/// An answer of 500 in place of the pool's.
fn failing() -> FaultBody {
    let error = Fault::Error { status: 500, body: String::new(), headers: Vec::new() };
    FaultBody { force: true, ..FaultBody::new(error, FaultTarget::pool("main")) }
}

#[test]
fn what_is_just_within_a_limit_may_be() {
    let bench = Bench::start("[chaos]\nlongest = \"5m\"\nmax_backends = 2\n");
    let limits = ChaosLimits { max_backends: Some(2), ..ChaosLimits::default() };
    bench.inject(&FaultBody { for_ms: 300_000, limits: Some(limits), ..main_pool() });
    bench.daemon.control.call(&StopAll);
    let limits = ChaosLimits { min_ready: Some(1), max_backends: Some(1), ..ChaosLimits::default() };
    bench.inject(&FaultBody { limits: Some(limits), ..latency(FaultTarget::backend("main/a")) });
    bench.daemon.control.call(&StopAll);

    // What is beyond ends a dry run as it would end the real thing.
    for (words, status) in [
        (&["hang", "main", "--yes", "--max-backends", "1"][..], 6),
        (&["hang", "main/a", "--yes", "--min-ready", "2"], 6),
        (&["hang", "main", "--for", "301s", "--yes"], 1),
        (&["hang", "main"], 2),
    ] {
        for dry_run in [&["--dry-run"][..], &[]] {
            let done = bench.ayactl(&[&["chaos"], words, dry_run].concat());
            let told = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(status), "{words:?} {dry_run:?}: {told}");
        }
    }
}

#[test]
fn no_more_than_the_share_of_the_traffic_is_hit() {
    let bench = Bench::start("");
    let limits = ChaosLimits { max_traffic: Some(0.1), ..ChaosLimits::default() };
    let error = Fault::Error { status: 418, body: String::new(), headers: Vec::new() };
    let body = FaultBody::new(error, FaultTarget::pool("main"));
    let fault = bench.inject(&FaultBody { limits: Some(limits), ..body });
    let tally = load::run(bench.daemon.address(), &Load { requests: 2_000, connections: 8, fields: &[] });
    let hit = tally.statuses.get(&418).copied().unwrap_or(0);
    assert!((100..=200).contains(&hit), "{tally:?}");
    let seen = bench.daemon.control.call(&GetFault::new(&fault.id)).observed;
    let skipped: Vec<_> =
        seen.skipped.iter().map(|skipped| (skipped.cause.as_str(), skipped.count)).collect();
    assert_eq!(skipped, [("max-traffic", 2_000 - seen.hit)]);
}

/// A daemon before one backend.
fn alone(keys: &str) -> (Daemon, Backend) {
    let backend = Backend::saying("a");
    let daemon = Daemon::start(&pool(&[("a", backend.address)], keys));
    (daemon, backend)
}

fn told(daemon: &Daemon, kind: &str, cause: &str) -> bool {
    daemon.control.events().iter().any(|event| event.kind == kind && event.cause.contains(cause))
}

#[test]
fn nothing_remains_of_a_breaker_that_a_fault_opened() {
    let keys = "retry = { attempts = 1 }\nbreaker = { failures = 2, open = \"10m\" }";
    let (daemon, _backend) = alone(keys);
    let state = || daemon.control.backend("main/a").breaker.state;
    let reset = Fault::Reset { phase: Phase::Before, after_bytes: 0 };
    let body = FaultBody { force: true, ..FaultBody::new(reset, FaultTarget::pool("main")) };
    daemon.control.call(&StartFault::new(body));
    until_true("the breaker opens", || {
        client::get(daemon.address(), "/");
        state() == Breaker::Open
    });
    daemon.control.call(&StopAll);
    assert_eq!(client::get(daemon.address(), "/").text(), "a");
    assert_eq!(state(), Breaker::Closed);
    assert!(told(&daemon, "breaker", "a fault had hit it"));
}

#[test]
fn nothing_remains_of_a_refusal() {
    let (daemon, _backend) = alone("retry = { attempts = 1 }");
    let health = || daemon.control.backend("main/a").health.state;
    let body = FaultBody { force: true, ..FaultBody::new(Fault::Refuse {}, FaultTarget::pool("main")) };
    daemon.control.call(&StartFault::new(body));
    // Several times, so that the penalty of a pool without checks has grown long.
    for _ in 0..3 {
        until_true("it is refused", || {
            client::get(daemon.address(), "/");
            health() == Health::Down
        });
        until_true("it is tried again", || health() != Health::Down);
    }
    until_true("it is refused", || {
        client::get(daemon.address(), "/");
        health() == Health::Down
    });
    daemon.control.call(&StopAll);
    until_true("it is what it was", || told(&daemon, "health", "a fault has ended"));
    assert_eq!(client::get(daemon.address(), "/").text(), "a");
}

#[test]
fn a_condition_about_latency_sees_what_hangs() {
    let (daemon, _backend) = alone("timeouts = { first_byte = \"60s\" }");
    let mut body = FaultBody::new(Fault::Hang {}, FaultTarget::pool("main"));
    (body.force, body.stop_if) = (true, vec!["p99>300ms".into()]);
    let fault = daemon.control.call(&StartFault::new(body));
    let mut client = Client::connect(daemon.address());
    client.send(client::request("GET", "/", &[]));
    let ended = until("the end of the fault", || {
        let view = daemon.control.call(&GetFault::new(&fault.id));
        (view.state == FaultState::Ended).then_some(view)
    });
    assert!(ended.ended_by.as_ref().is_some_and(|cause| cause.starts_with("condition")), "{ended:?}");
    assert_eq!(client.answer().text(), "a");
}

#[test]
fn what_is_about_requests_is_refused_for_connections() {
    let backend = tcp::greeting("one");
    let daemon = Daemon::start(&tcp::config(&[("one", backend.address)], "", ""));
    let refused = |body: FaultBody| {
        let error = daemon.control.refused(&StartFault::new(body), &ASIS());
        assert_eq!(error.code, ErrorCode::BadValue, "{error}");
        (error.message.clone(), error.hint)
    };
    let (message, hint) = refused(failing());
    assert_eq!(message, "error is about requests, and the pool main passes TCP connections alone");
    assert!(hint.contains("latency, reset, hang") && !hint.contains("error"), "{hint}");
    let target = FaultTarget { path: Some("/x".into()), ..FaultTarget::pool("main") };
    let (message, _) = refused(latency(target));
    assert!(message.starts_with("path=/x is about requests"), "{message}");
    let body = FaultBody {
        force: true,
        ..FaultBody::new(Fault::Truncate { after_bytes: 2 }, FaultTarget::pool("main"))
    };
    assert_eq!(daemon.control.call(&StartFault::new(body)).state, FaultState::Active);
}

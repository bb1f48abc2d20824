//! Checks: who fails leaves with a cause, who passes returns by itself.

mod command;
mod databases;
mod grpc;
mod icmp;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use aya_api::axis::{Admin, Breaker, Health};
use aya_tests::backend::{Backend, Then};
use aya_tests::client::get;
use aya_tests::daemon::Daemon;
use aya_tests::load;
use aya_tests::wait;

/// A check that finds out quickly.
fn check(keys: &str) -> String {
    format!("health = {{ interval = \"40ms\", timeout = \"40ms\", rise = 2, fall = 2, {keys} }}")
}

fn checked(backend: &Backend, keys: &str) -> Daemon {
    Daemon::balancing(&[("one", backend.address)], &check(keys))
}

/// A check of new kinds, which has time enough on a busy machine.
fn patient(keys: &str) -> String {
    format!("health = {{ interval = \"150ms\", timeout = \"150ms\", rise = 2, fall = 2, {keys} }}")
}

/// Waits until the backend is down for this cause, as the last check says as well.
fn expect_down(daemon: &Daemon, cause: &str) {
    let seen = || {
        let health = daemon.control.backend("main/one").health;
        (health.state == Health::Down && health.cause == cause).then_some(())
    };
    wait::until(&format!("the backend is down: {cause}"), seen);
    let checks = daemon.control.detail("main/one").checks;
    assert!(checks.iter().any(|check| !check.passed && check.cause == cause), "{checks:?}");
}

/// Waits until an event of the backend's health says this.
fn expect_event(daemon: &Daemon, words: &str) {
    wait::until_true(&format!("an event says {words:?}"), || {
        daemon.control.events().iter().any(|event| event.kind == "health" && event.cause.contains(words))
    });
}

/// Waits until the backend is down and returns why.
fn cause_of_down(daemon: &Daemon) -> String {
    daemon.control.expect_health("main/one", Health::Down).health.cause
}

#[test]
fn a_tcp_check_tells_refusal_and_the_backend_returns() {
    let backend = Backend::saying("back");
    let daemon = checked(&backend, "kind = \"tcp\"");
    daemon.control.expect_health("main/one", Health::Up);

    backend.die();
    assert_eq!(cause_of_down(&daemon), "refused");
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));

    backend.reopen();
    let up = daemon.control.expect_health("main/one", Health::Up);
    assert_eq!(up.health.cause, "passed");
    assert_eq!(get(daemon.address(), "/").text(), "back");
    let states: Vec<String> = health_history(&daemon);
    assert_eq!(states, ["unknown", "up", "down", "warming", "up"]);
}

/// The health states a backend went through, oldest first.
fn health_history(daemon: &Daemon) -> Vec<String> {
    let history = daemon.control.detail("main/one").history;
    let of_health: Vec<_> = history.into_iter().rev().filter(|entry| entry.axis == "health").collect();
    let first = of_health.first().map(|entry| entry.from.clone());
    first.into_iter().chain(of_health.iter().map(|entry| entry.to.clone())).collect()
}

#[test]
fn an_http_check_tells_the_status() {
    let status = Arc::new(AtomicU16::new(200));
    let current = Arc::clone(&status);
    let backend = Backend::with(move |visit| visit.answer(current.load(Ordering::SeqCst), ""));
    let daemon = checked(&backend, "kind = \"http\", path = \"/healthz\", host = \"check.example\"");
    daemon.control.expect_health("main/one", Health::Up);

    status.store(503, Ordering::SeqCst);
    assert_eq!(cause_of_down(&daemon), "status 503");
    status.store(204, Ordering::SeqCst);
    daemon.control.expect_health("main/one", Health::Up);

    let head = &backend.heads()[0];
    assert_eq!(head.line, "GET /healthz HTTP/1.1");
    assert_eq!(head.field("host"), Some("check.example"));
}

#[test]
fn an_http_check_accepts_the_statuses_it_is_told() {
    let backend = Backend::with(|visit| visit.answer(418, ""));
    let daemon = checked(&backend, "kind = \"http\", status = [\"2xx\", 418], method = \"OPTIONS\"");

    daemon.control.expect_health("main/one", Health::Up);

    assert_eq!(backend.heads()[0].line, "OPTIONS / HTTP/1.1");
}

#[test]
fn an_http_check_looks_for_its_text() {
    let good = Arc::new(AtomicBool::new(true));
    let is_good = Arc::clone(&good);
    let backend = Backend::with(move |visit| {
        visit.answer(200, if is_good.load(Ordering::SeqCst) { "all is WELL here" } else { "all is bad" })
    });
    let daemon = checked(&backend, "kind = \"http\", body = \"WELL\"");
    daemon.control.expect_health("main/one", Health::Up);

    good.store(false, Ordering::SeqCst);
    assert_eq!(cause_of_down(&daemon), "body");
    good.store(true, Ordering::SeqCst);
    daemon.control.expect_health("main/one", Health::Up);
}

#[test]
fn a_check_tells_time_outs_early_closes_and_garbage_apart() {
    let early = Backend::with(|_| Ok(Then::Close));
    let garbage = Backend::with(|visit| {
        visit.write("this is no http\r\n\r\n")?;
        Ok(Then::Close)
    });

    for (backend, cause) in [(Backend::silent(), "timed out"), (early, "closed early"), (garbage, "garbage")]
    {
        let daemon = checked(&backend, "kind = \"http\"");
        assert_eq!(cause_of_down(&daemon), cause);
        let last = &daemon.control.detail("main/one").checks[0];
        assert_eq!((last.passed, last.cause.as_str()), (false, cause));
    }
}

#[test]
fn a_start_state_of_down_waits_for_the_first_passes() {
    let allowed = Arc::new(AtomicBool::new(false));
    let passes = Arc::clone(&allowed);
    let backend = Backend::with(move |visit| {
        let fine = visit.target() == "/" || passes.load(Ordering::SeqCst);
        visit.answer(if fine { 200 } else { 500 }, "served")
    });
    let daemon = checked(&backend, "kind = \"http\", path = \"/healthz\", start = \"down\"");

    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
    allowed.store(true, Ordering::SeqCst);
    daemon.control.expect_health("main/one", Health::Up);
    assert_eq!(get(daemon.address(), "/").text(), "served");
}

#[test]
fn a_backend_nobody_has_looked_at_gets_traffic() {
    let backend = Backend::saying("served");
    let daemon = Daemon::balancing(
        &[("one", backend.address)],
        "health = { kind = \"tcp\", interval = \"1h\", timeout = \"1s\", jitter = 0 }",
    );

    assert_eq!(get(daemon.address(), "/").text(), "served");
    assert_eq!(daemon.control.backend("main/one").health.state, Health::Unknown);
}

#[test]
fn maintenance_stops_checks_and_ready_starts_them_again() {
    let backend = Backend::saying("ok");
    let daemon = checked(&backend, "kind = \"http\"");
    daemon.control.expect_health("main/one", Health::Up);

    daemon.control.set_admin("main/one", Admin::Maint);
    // One check may be under way.
    backend.expect_no_connections();
    let at_first = backend.requests();
    backend.die();
    // Time passes at another backend, which is checked at the same pace.
    let clock = Backend::saying("tick");
    let other = checked(&clock, "kind = \"http\"");
    clock.expect_requests(5);
    drop(other);

    let seen = daemon.control.backend("main/one");
    assert_eq!((seen.health.state, backend.requests()), (Health::Up, at_first));
    daemon.control.set_admin("main/one", Admin::Ready);
    assert_eq!(cause_of_down(&daemon), "refused");
}

#[test]
fn without_checks_a_refusal_costs_a_penalty_and_ends_by_itself() {
    let backend = Backend::refusing();
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    assert_eq!(get(daemon.address(), "/").reason(), Some("connect-refused"));

    let down = daemon.control.expect_health("main/one", Health::Down);
    assert_eq!(down.health.cause, "refused");
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));

    backend.reopen();
    wait::until_true("it serves again", || get(daemon.address(), "/").status == 200);
    let history = health_history(&daemon);
    assert!(history.ends_with(&["down".to_owned(), "unknown".to_owned()]), "{history:?}");
}

#[test]
fn every_verdict_is_an_event_with_its_cause() {
    let backend = Backend::saying("ok");
    let daemon = checked(&backend, "kind = \"tcp\"");
    daemon.control.expect_health("main/one", Health::Up);
    backend.die();
    cause_of_down(&daemon);

    let events = daemon.control.events();
    let down = events.iter().find(|event| event.to.as_deref() == Some("down")).expect("there is an event");
    assert_eq!(
        (down.kind.as_str(), down.subject.as_str(), down.cause.as_str()),
        ("health", "main/one", "refused")
    );
    assert_eq!(down.from.as_deref(), Some("up"));
}

#[test]
fn a_breaker_opens_after_failures_and_closes_after_a_success() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let backend = Backend::with(move |visit| {
        visit.answer(if is_broken.load(Ordering::SeqCst) { 500 } else { 200 }, "answer")
    });
    let daemon =
        Daemon::balancing(&[("one", backend.address)], "breaker = { failures = 3, open = \"100ms\" }");

    load::send(daemon.address(), 3);
    let open = daemon.control.backend("main/one").breaker;
    assert_eq!(open.state, Breaker::Open);
    broken.store(false, Ordering::SeqCst);
    wait::until_true("it is tried again", || get(daemon.address(), "/").status == 200);

    assert_eq!(daemon.control.backend("main/one").breaker.state, Breaker::Closed);
    let changes: Vec<_> = daemon.control.events().into_iter().filter(|e| e.kind == "breaker").collect();
    let states: Vec<_> = changes.iter().filter_map(|e| e.to.as_deref()).collect();
    assert!(states.starts_with(&["open"]) && states.ends_with(&["half-open", "closed"]), "{states:?}");
}

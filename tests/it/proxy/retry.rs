//! What is tried again, and what never.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, get, request};
use aya_tests::daemon::Daemon;
use aya_tests::load;
use aya_tests::wait;

use aya_api::axis::Health;

use super::before;

/// Answers the first request of a connection and closes it, unanswered, when the second one comes.
fn forgetful() -> Backend {
    Backend::with(|visit| match visit.nth_on_connection {
        0 => visit.answer(200, "fresh"),
        _ => Ok(Then::Close),
    })
}

#[test]
fn a_get_on_a_connection_that_turns_out_closed_is_sent_once_more() {
    let backend = forgetful();
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for _ in 0..3 {
        client.send(request("GET", "/", &[]));
        assert_eq!(client.answer().text(), "fresh");
    }

    assert_eq!(backend.connections(), 3);
    assert_eq!(backend.requests(), 5, "the second and third came twice, never thrice");
}

#[test]
fn a_post_that_was_sent_is_never_sent_again() {
    let backend = forgetful();
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());
    let post = request("POST", "/", &[("content-length", "2")]) + "ok";

    client.send(&post);
    assert_eq!(client.answer().text(), "fresh");
    client.send(&post);
    let answer = client.answer();

    assert_eq!((answer.status, answer.reason()), (502, Some("closed-early")));
    assert_eq!(backend.requests(), 2);
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    let backend = Backend::saying("fine");
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for method in ["GET", "POST", "GET", "POST"] {
        client.send(request(method, "/", &[("content-length", "0")]));
        assert_eq!(client.answer().text(), "fine", "{method}");
        backend.hang_up();
        backend.expect_no_connections();
    }

    assert_eq!(backend.requests(), 4);
}

#[test]
fn a_fresh_connection_that_closes_early_is_not_tried_again() {
    let backend = Backend::with(|_| Ok(Then::Close));
    let daemon = before(&backend);

    assert_eq!(get(daemon.address(), "/").reason(), Some("closed-early"));
    assert_eq!(backend.requests(), 1);
}

#[test]
fn a_refused_connection_goes_to_the_next_backend_at_once() {
    let alive = Backend::saying("alive");
    let dead = Backend::refusing();
    let daemon =
        Daemon::balancing(&[("dead", dead.address), ("alive", alive.address)], "algorithm = \"round-robin\"");

    let tally = load::send(daemon.address(), 20);

    tally.expect_all_fine();
    assert_eq!(tally.of("alive"), 20);
    let dead = wait::until("the refusal is noted", || {
        Some(daemon.control.backend("main/dead")).filter(|dead| dead.health.state == Health::Down)
    });
    assert_eq!((dead.health.cause.as_str(), dead.traffic.requests), ("refused", 1));
}

#[test]
fn a_body_survives_the_change_of_backend() {
    let alive = Backend::echo();
    let dead = Backend::refusing();
    let daemon =
        Daemon::balancing(&[("dead", dead.address), ("alive", alive.address)], "algorithm = \"round-robin\"");
    let mut client = Client::connect(daemon.address());

    for _ in 0..2 {
        client.send(request("POST", "/", &[("content-length", "4")]) + "body");
        assert!(client.answer().text().ends_with("\n\nbody"));
    }
}

#[test]
fn a_backend_that_refused_gets_nothing_until_a_check_passes() {
    let (stays, dies) = (Backend::saying("stays"), Backend::saying("dies"));
    let daemon = Daemon::balancing(
        &[("stays", stays.address), ("dies", dies.address)],
        "algorithm = \"round-robin\"\nhealth = { kind = \"http\", interval = \"40ms\", timeout = \"40ms\", rise = 2, fall = 3 }",
    );
    daemon.control.expect_health("main/dies", Health::Up);
    daemon.control.expect_health("main/stays", Health::Up);

    dies.die();
    load::send(daemon.address(), 30).expect_all_fine();
    daemon.control.expect_health("main/dies", Health::Down);
    let while_down = load::send(daemon.address(), 30);
    dies.reopen();
    daemon.control.expect_health("main/dies", Health::Up);
    let after = load::send(daemon.address(), 30);

    assert_eq!(while_down.of("stays"), 30);
    assert_eq!((after.of("stays"), after.of("dies")), (15, 15));
}

#[test]
fn attempts_are_limited() {
    let refusing: Vec<Backend> = (0..4).map(|_| Backend::refusing()).collect();
    let names = ["a", "b", "c", "d"];
    let members: Vec<_> =
        names.iter().zip(&refusing).map(|(name, backend)| (*name, backend.address)).collect();
    let daemon = Daemon::balancing(&members, "attempts = 2");

    assert_eq!(get(daemon.address(), "/").reason(), Some("connect-refused"));

    let tried: u64 = daemon.control.backends().iter().map(|backend| backend.traffic.requests).sum();
    assert_eq!(tried, 2);
}

/// Two backends, the first of which to be asked is busy.
fn busy_first(field: &'static str) -> [Backend; 2] {
    let requests = Arc::new(AtomicUsize::new(0));
    [(); 2].map(|()| {
        let requests = Arc::clone(&requests);
        Backend::with(move |visit| match requests.fetch_add(1, Ordering::SeqCst) {
            0 => visit.raw_answer(format!("HTTP/1.1 503 Busy\r\n{field}\r\ncontent-length: 0\r\n\r\n")),
            _ => visit.answer(200, "later"),
        })
    })
}

#[test]
fn the_wait_before_an_attempt_is_not_part_of_it() {
    let backends = busy_first("retry-after: 1");
    let members = [("a", backends[0].address), ("b", backends[1].address)];
    let daemon =
        Daemon::balancing(&members, "retry = { on = [503], per_try = \"1s\", retry_after = \"1s\" }");

    let answer = get(daemon.address(), "/");

    assert_eq!((answer.status, answer.text()), (200, "later".to_owned()));
    assert_eq!(backends.iter().map(Backend::requests).sum::<usize>(), 2);
}

#[test]
fn the_next_backend_has_no_request_while_the_wait_before_it_lasts() {
    let backends = busy_first("retry-after: 2");
    let members = [("a", backends[0].address), ("b", backends[1].address)];
    let daemon = Daemon::balancing(&members, "retry = { on = [503], retry_after = \"5s\" }");
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    wait::until_true("the first attempt has failed", || {
        daemon.control.backends().iter().map(|one| one.traffic.failures).sum::<u64>() == 1
    });
    let in_flight: Vec<_> = daemon.control.backends().iter().map(|one| one.traffic.in_flight).collect();

    assert_eq!(client.answer().text(), "later");
    assert_eq!(in_flight, [0, 0]);
}

#[test]
fn an_attempt_that_is_given_up_and_not_repeated_is_warned_of() {
    let one = Backend::saying("one");
    let warned = |retry: &str| {
        let daemon = Daemon::balancing(&[("one", one.address)], &format!("retry = {{ {retry} }}"));
        let events = daemon.control.events();
        events
            .iter()
            .filter(|event| event.kind == "config" && event.cause.contains("given up after 2s"))
            .count()
    };

    assert_eq!(warned("per_try = \"2s\", on = [\"reset\", 503]"), 1);
    assert_eq!(warned("per_try = \"2s\""), 1);
    assert_eq!(warned("per_try = \"2s\", on = [\"timeout\"]"), 0);
    assert_eq!(warned("per_try = \"2s\", attempts = 1"), 0);
}

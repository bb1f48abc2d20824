//! A second backend for requests that wait long.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Answer, get};
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::load;
use aya_tests::wait;
use serde_json::Value;

use crate::tcp::logged;

/// Requests before a pool knows what slow is, and more.
const USUAL: usize = 300;

/// When the second of two backends answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    AtOnce,
    WhenTheFirstIsGivenUp,
}

/// Two backends that answer at once, but `/slow` the first time that they see it not before its connection ends; and
/// `/once` only on a fresh connection.
fn backends(second: Second) -> [Backend; 2] {
    let shared = Arc::new([const { Mutex::new(BTreeSet::<String>::new()) }; 2]);
    [(); 2].map(|()| {
        let shared = Arc::clone(&shared);
        Backend::with(move |visit| {
            let lists = shared.each_ref().map(|list| || list.lock().expect("no thread panics with it"));
            let [seen, ended] = lists;
            match (visit.target(), visit.nth_on_connection) {
                ("/slow", _) => {
                    let id = visit.head.field("x-request-id").unwrap_or_default().to_owned();
                    if seen().insert(id.clone()) {
                        visit.wait_for_close();
                        ended().insert(id);
                        return Ok(Then::Close);
                    }
                    if second == Second::WhenTheFirstIsGivenUp {
                        wait::until_true("the first attempt is over", || ended().contains(&id));
                    }
                    visit.answer(200, "second")
                }
                ("/once", 1..) => Ok(Then::Close),
                _ => visit.answer(200, "usual"),
            }
        })
    })
}

/// A daemon that hedges, and its access log.
fn hedging(backends: &[Backend; 2], keys: &str) -> (Daemon, PathBuf) {
    let members = [("a", backends[0].address), ("b", backends[1].address)];
    let setup = Setup::new(&pool(&members, &format!("algorithm = \"round-robin\"\n{keys}")));
    let log = setup.folder().join("access.log");
    (setup.daemon(&format!("access_log = \"{}\"", log.display())).start(), log)
}

/// Asks until the pool hedges, and returns that answer. Who is not hedged has no answer in time.
fn until_hedged(daemon: &Daemon) -> Answer {
    load::send(daemon.address(), USUAL).expect_all_fine();
    wait::until("a request is hedged", || {
        let answer = get(daemon.address(), "/slow");
        (answer.status == 200).then_some(answer)
    })
}

/// The last line about `/slow`.
fn line(log: &Path) -> Value {
    wait::until("it is logged", || {
        let lines = logged(log, USUAL + 1);
        lines.into_iter().rfind(|line| line["uri"] == "/slow" && line["attempts"] == 2)
    })
}

#[test]
fn a_request_that_waits_long_is_answered_by_a_second_backend_and_both_are_in_the_log() {
    let backends = backends(Second::AtOnce);
    let (daemon, log) =
        hedging(&backends, "hedge = { min = \"50ms\" }\ntimeouts = { first_byte = \"500ms\" }");

    assert_eq!(until_hedged(&daemon).text(), "second");

    let line = line(&log);
    let lost = &line["failed_attempts"];
    assert_eq!((lost.as_array().map(Vec::len), &lost[0]["outcome"]), (Some(1), &"given-up".into()), "{line}");
    assert_ne!(line["backend"], lost[0]["backend"], "{line}");
}

#[test]
fn the_deadline_of_an_attempt_is_not_moved_by_the_one_beside_it() {
    let backends = backends(Second::WhenTheFirstIsGivenUp);
    let keys = "hedge = { min = \"1s\" }\nretry = { per_try = \"2s\" }";
    let (daemon, log) = hedging(&backends, keys);

    assert_eq!(until_hedged(&daemon).text(), "second");

    let line = line(&log);
    assert_eq!(line["failed_attempts"][0]["outcome"], "first-byte-timeout", "{line}");
}

#[test]
fn a_kept_connection_that_turns_out_closed_is_replaced_also_where_requests_are_hedged() {
    let backends = backends(Second::AtOnce);
    let (daemon, _) = hedging(&backends, "hedge = { min = \"50ms\" }\ntimeouts = { first_byte = \"500ms\" }");
    until_hedged(&daemon);

    for _ in 0..8 {
        // Leaves a connection to each of them.
        load::send(daemon.address(), 4).expect_all_fine();
        let answer = get(daemon.address(), "/once");
        assert_eq!((answer.status, answer.reason()), (200, None));
    }
}

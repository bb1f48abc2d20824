//! Events as they happen: in order, resumable, and never at the daemon's expense.

use std::sync::Arc;

use aya_api::axis::Admin;
use aya_api::event::StreamItem;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, request};
use aya_tests::daemon::Daemon;
use aya_tests::load::{self, Load};
use aya_tests::wait::{self, Gate};

use super::pair;

/// Events the daemon keeps.
const KEPT: u64 = 4096;

#[test]
fn an_event_comes_as_soon_as_it_happens() {
    let pair = pair();
    let control = pair.daemon.control.again();
    let mut stream = pair.daemon.control.stream(None);

    control.set_admin("main/one", Admin::Maint);
    let first = stream.event();
    control.set_weight("main/two", 3);
    let second = stream.event();

    assert_eq!(
        (first.kind.as_str(), first.subject.as_str(), first.to.as_deref()),
        ("admin", "main/one", Some("maint"))
    );
    assert_eq!((second.kind.as_str(), second.to.as_deref()), ("weight", Some("3")));
    assert_eq!(second.seq, first.seq + 1);
}

#[test]
fn a_reader_resumes_where_it_stopped() {
    let pair = pair();
    let control = &pair.daemon.control;
    for weight in 2..=5 {
        control.set_weight("main/one", weight);
    }
    let all = control.events();
    let seen = all[all.len() - 3].seq;

    let mut stream = control.stream(Some(seen));

    assert_eq!(stream.event().seq, seen + 1);
    assert_eq!(stream.event().to.as_deref(), Some("5"));
}

#[test]
fn a_number_of_an_earlier_process_starts_with_what_is_kept() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 2);

    let mut stream = pair.daemon.control.stream(Some(1_000_000));

    let first = pair.daemon.control.events()[0].seq;
    assert_eq!(stream.event().seq, first);
}

#[test]
fn a_slow_reader_is_told_what_it_missed_and_slows_nobody() {
    let backend = Backend::with(|visit| visit.answer(500, ""));
    // Each of these opens its breaker with every request it gets.
    let names: Vec<String> = (0..32).map(|n| format!("b{n}")).collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), backend.address)).collect();
    let keys = "algorithm = \"round-robin\"\nbreaker = { failures = 1, open = \"1ms\" }";
    let daemon = Daemon::balancing(&members, keys);
    let mut slow = daemon.control.connect();
    slow.send(request("GET", "/v1/stream?since=0", &[]));

    let newest = || daemon.control.status().seq;
    wait::until_true("there are more events than anything holds", || {
        load::run(daemon.address(), &Load { requests: 500, connections: 4, fields: &[] });
        newest() > 2 * KEPT
    });

    slow.head();
    let mut before = 0;
    let (missed, next) = loop {
        // A line of JSON between lines of the chunked framing.
        let line = slow.line();
        let Ok(item) = serde_json::from_str::<StreamItem>(&line) else { continue };
        match item {
            StreamItem::Event(event) => before = event.seq,
            StreamItem::Gap { missed, next } => break (missed, next),
            StreamItem::Idle { .. } => {}
        }
    };
    assert!(before > 0, "what fitted into the buffers came first");
    assert_eq!(before + missed + 1, next, "the gap is exactly what is missing");
}

#[test]
fn streams_that_nobody_reads_lock_nobody_out() {
    let pair = pair();
    let control = &pair.daemon.control;
    let open = |path| {
        let mut caller = control.connect();
        caller.send(request("GET", path, &[]));
        caller
    };

    let mut callers: Vec<_> = (0..520).map(|_| open("/v1/stream")).collect();

    assert_eq!(control.status().pools.len(), 1);
    assert_eq!(callers[0].head().word(1), "200");
    let refused = control.ask("GET", "/v1/stream", &[], "");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("/v1/events"), "{}", refused.text());
    drop(callers);
    wait::until_true("there is room for streams again", || open("/v1/stream").head().word(1) == "200");
}

#[test]
fn readers_are_told_that_the_daemon_stops() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "last")
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let control = daemon.control.again();
    let mut stream = control.stream(None);
    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    backend.expect_requests(1);

    daemon.signal("TERM");
    let stopping = stream.event();
    gate.open();

    assert_eq!((stopping.kind.as_str(), stopping.subject.as_str()), ("daemon", "ayad"));
    assert_eq!(client.answer().text(), "last");
    assert_eq!(daemon.ended().code, Some(0));
}

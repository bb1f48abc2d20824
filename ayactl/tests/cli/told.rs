//! What operators are told about backends that traffic or people keep from traffic, and about sources that fail.

use aya_api::axis::{BreakerOrder, Standing};
use aya_api::view::{AutoView, BreakerOrderView, PoolView, SourceView, StandingView, Status};

use crate::bench::run;
use crate::fake::Fake;
use crate::fixture::{self, NOW};

const MINUTE: u64 = 60_000;

fn shop(status: &mut Status) -> &mut PoolView {
    status.pools.iter_mut().find(|pool| pool.name == "shop").unwrap()
}

fn stands(state: Standing) -> StandingView {
    StandingView {
        state,
        shadow: false,
        since_ms: NOW - 1_000,
        odd_since_ms: Some(NOW - 8 * MINUTE),
        until_ms: (state == Standing::Ejected).then_some(NOW + 3_000),
        reason: "failure-share".into(),
        cause: "failure share 40% of 50 against a median of 0%, 9.1 deviations".into(),
        times: 3,
        trials: None,
        trials_needed: None,
    }
}

/// One backend that stands so, and one whose breaker is forced open.
fn guarded(state: Standing) -> Status {
    let mut status = fixture::status();
    let odd = &mut shop(&mut status).backends[0];
    odd.standing = Some(stands(state));
    odd.eligible = state != Standing::Ejected;
    let forced = &mut status.pools[0].backends[0];
    forced.breaker.order = Some(BreakerOrderView {
        order: BreakerOrder::Open,
        since_ms: NOW - 2 * MINUTE,
        by: "ada".into(),
        reason: Some("bad release".into()),
        until_ms: Some(NOW + 5 * MINUTE),
        restored: false,
    });
    forced.eligible = false;
    status
}

fn line<'t>(text: &'t str, start: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
}

#[test]
fn who_gets_no_requests_says_why_by_whom_since_when_and_until_when() {
    let fake = Fake::start(guarded(Standing::Ejected));
    let text = run(&fake.socket(), "status").out;

    let (_, out) = text.split_once("\nNOT ELIGIBLE\n").unwrap();
    assert!(line(out, "BACKEND").contains("STANDING"), "{out}");
    let ejected = line(out, "shop/web-1");
    assert!(ejected.contains("ejected (failure share 40%"), "{ejected}");
    assert!(ejected.ends_with("8m     in 3s"), "since it is odd, until it is tried: {ejected}");
    let forced = line(out, "img/img-1");
    assert!(forced.contains("forced open (by ada: bad release, reverts in 5m)"), "{forced}");
    assert!(forced.ends_with("ada  2m     in 5m"), "{forced}");
    let (_, changed) = text.split_once("\nCHANGED AT RUN TIME\n").unwrap();
    let order = "img/img-1 breaker ordered open by ada (bad release), for 2m · reverts in 5m";
    assert!(changed.lines().any(|line| line == order), "{changed}");
}

#[test]
fn one_that_is_tried_is_told_like_one_that_is_ejected() {
    let told = |state| {
        let fake = Fake::start(guarded(state));
        let text = run(&fake.socket(), "status").out;
        let alarm = "! shop/web-1 is ejected among its pool";
        let at = text.lines().position(|line| line.starts_with(alarm)).unwrap();
        assert!(line(&text, alarm).ends_with(", for 8m"), "{text}");
        let (_, out) = text.split_once("\nNOT ELIGIBLE\n").unwrap();
        (at, out.lines().filter(|line| line.starts_with("shop/")).count())
    };
    assert_eq!(told(Standing::Trying), told(Standing::Ejected));
}

#[test]
fn the_usual_tables_of_backends_say_what_is_odd_or_forced() {
    let fake = Fake::start(guarded(Standing::Ejected));
    let all = run(&fake.socket(), "get backends").out;
    let (shop, img) = (run(&fake.socket(), "describe shop").out, run(&fake.socket(), "describe img").out);
    for text in [&all, &shop] {
        assert!(line(text, "shop/web-1").contains("ejected (failure share"), "{text}");
    }
    for text in [&all, &img] {
        assert!(line(text, "img/img-1").contains("forced open (by ada"), "{text}");
    }
    assert!(!img.contains("STANDING"), "nothing to say: {img}");
    let usual = Fake::start(fixture::status());
    assert!(!run(&usual.socket(), "get backends").out.contains("STANDING"), "nothing to say");
}

#[test]
fn a_source_that_fails_for_longer_than_it_counts_is_an_alarm() {
    let mut status = fixture::status();
    for backend in &mut shop(&mut status).backends {
        let failing = |source: &str, stale| SourceView {
            source: source.into(),
            ok: false,
            since_ms: NOW - 2 * MINUTE,
            cause: Some("refused".into()),
            stale,
        };
        backend.signal_sources = vec![failing("scrape", true), failing("agent", false)];
    }
    shop(&mut status).backends[0].signal_sources[1].stale = true;
    let fake = Fake::start(status);
    let text = run(&fake.socket(), "status").out;

    let of_all = "! scrape fails for 3 backends of shop: refused, for 2m; nothing it said counts now";
    assert!(text.lines().any(|line| line == of_all), "{text}");
    assert!(text.contains("! agent of shop/web-1 fails: refused, for 2m;"), "{text}");
}

#[test]
fn requests_tell_their_backend_and_no_request_is_no_data() {
    let fake = Fake::start(fixture::status());
    let text = run(&fake.socket(), "explain requests").out;
    assert!(line(&text, "BEGAN").contains("  BACKEND  "), "{text}");
    let id = run(&fake.socket(), "explain requests -o name").out;
    assert_eq!(id, "4f1c0e1d8a3b5c7d9e0f1a2b3c4d5e6f\n");
    assert_eq!(
        run(&fake.socket(), "explain requests --columns id,backend --no-headers").out.lines().count(),
        1
    );

    let none = Fake::start(fixture::empty());
    for (format, lines) in [("name", 0), ("csv", 1), ("table", 1), ("jsonl", 0)] {
        let ran = run(&none.socket(), &format!("explain requests --failed -o {format}"));
        assert_eq!((ran.status, ran.out.lines().count()), (0, lines), "{format}: {}", ran.out);
        assert_eq!(ran.err.contains("no such request is kept"), format != "jsonl", "{format}: {}", ran.err);
    }
}

#[test]
fn help_for_what_is_no_command_says_where_to_look() {
    let fake = Fake::start(fixture::status());
    for (command, hint) in [
        ("help explain pick", "hint: `ayactl explain --help` says what it takes"),
        ("help explian", "hint: did you mean \"explain\"? see `ayactl --help`"),
        ("algorithm xyz", "hint: there are list, get, set; see `ayactl algorithm --help`"),
    ] {
        let ran = run(&fake.socket(), command);
        assert_eq!((ran.status, ran.err.contains(hint)), (2, true), "{command}: {}", ran.err);
    }
    let same = |command| run(&fake.socket(), command).out;
    assert_eq!(same("algorithm show"), same("algorithm get"));
}

#[test]
fn a_pool_that_chooses_its_algorithm_says_so() {
    let mut status = fixture::status();
    let algorithm = &mut shop(&mut status).algorithm;
    (algorithm.name, algorithm.overridden) = ("least-connections".into(), false);
    algorithm.auto = Some(AutoView {
        arm: "least-connections".into(),
        since_ms: NOW,
        reason: "the first one".into(),
        mode: "enforce".into(),
        objective: "p99".into(),
        margin: 0.05,
        epoch_ms: 10_000,
        enough: 60.0,
        is_held: false,
        is_on_trial: false,
        rule: None,
        switches: 1,
        lost_notes: 0,
        arms: Vec::new(),
        rules: Vec::new(),
    });
    let fake = Fake::start(status.clone());
    for command in ["get pools", "algorithm get", "status", "describe shop"] {
        let text = run(&fake.socket(), command).out;
        assert!(text.contains("auto: least-connections"), "{command}: {text}");
    }
    assert!(run(&fake.socket(), "describe shop").out.contains(", 1 switch\n"), "not 1 switches");
    assert!(run(&fake.socket(), "get pools shop -o csv").out.contains(",least-connections,"));
    shop(&mut status).algorithm.auto.as_mut().unwrap().is_held = true;
    let held = Fake::start(status);
    assert!(!run(&held.socket(), "get pools").out.contains("auto:"), "somebody ordered it");
}

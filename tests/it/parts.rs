//! Parts of a pool, through the daemon: zones, priority groups, panic, a subset, and zones that a route prefers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aya_api::axis::Health;
use aya_api::view::PickExplanation;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup};
use aya_tests::load::{self, Load, Tally};
use aya_tests::wait;

/// Checks that notice at once.
const CHECKS: &str =
    "health = { kind = \"tcp\", interval = \"200ms\", timeout = \"200ms\", rise = 1, fall = 2 }\n";

/// A pool `main` of backends with more keys each, in turns, with nobody put aside for being odd.
fn divided(backends: &[(&str, &Backend, &str)], keys: &str) -> String {
    let each = backends.iter().map(|(name, backend, keys)| {
        format!("{{ name = \"{name}\", address = \"{}\", {keys} }}", backend.address)
    });
    let list = each.collect::<Vec<_>>().join(", ");
    let rest = "algorithm = \"round-robin\"\noutliers = { mode = \"off\" }\n";
    format!("{LISTEN}[pool.main]\nbackends = [{list}]\n{rest}{keys}\n{ROUTE}")
}

/// Waits until checks say so of all of them.
fn expect_up(daemon: &Daemon, names: &[&str]) {
    for name in names {
        daemon.control.expect_health(&format!("main/{name}"), Health::Up);
    }
}

fn pick(daemon: &Daemon) -> PickExplanation {
    serde_json::from_str(&daemon.control.text("/v1/pools/main/explain")).expect("it is an explanation")
}

fn excluded(pick: &PickExplanation) -> Vec<Option<&str>> {
    pick.candidates.iter().map(|candidate| candidate.excluded.as_deref()).collect()
}

/// Sends until all of a few requests in a row are answered by these, each by some of them.
fn expect_only(daemon: &Daemon, names: &[&str]) {
    wait::until_true(&format!("requests go to {names:?} alone"), || {
        let tally = load::send(daemon.address(), 12);
        let sum: usize = names.iter().map(|name| tally.of(name)).sum();
        sum == 12 && names.iter().all(|name| tally.of(name) > 0)
    });
}

fn crowd(daemon: &Daemon) -> Tally {
    load::run(daemon.address(), &Load { requests: 120, connections: 12, fields: &[] })
}

#[test]
fn the_zone_of_the_daemon_is_preferred_until_nobody_is_left_in_it() {
    let (near, far) = (Backend::saying("near"), Backend::saying("far"));
    let zones = [("near", &near, "zone = \"a\""), ("far", &far, "zone = \"b\"")];
    let daemon = Setup::new(&divided(&zones, CHECKS)).daemon("zone = \"a\"").start();
    expect_up(&daemon, &["near", "far"]);

    let tally = load::send(daemon.address(), 40);
    tally.expect_all_fine();
    assert_eq!((tally.of("near"), tally.of("far")), (40, 0));
    let seen = pick(&daemon);
    assert_eq!(excluded(&seen), [None, Some("zone")]);
    let zones: Vec<_> = seen.parts[0].zones.iter().map(|zone| (zone.zone.as_deref(), zone.keeps)).collect();
    assert_eq!(zones[0], (Some("a"), 1.0));

    near.refuse();
    daemon.control.expect_health("main/near", Health::Down);
    let tally = load::send(daemon.address(), 40);
    tally.expect_all_fine();
    assert_eq!(tally.of("far"), 40);
    near.reopen();
    expect_up(&daemon, &["near"]);
    expect_only(&daemon, &["near"]);
}

#[test]
fn a_zone_that_is_busy_gives_away_what_others_have_room_for() {
    let near = Backend::slow("near", Duration::from_millis(30));
    let far = Backend::saying("far");
    let zones = [("near", &near, "zone = \"a\""), ("far", &far, "zone = \"b\"")];
    // Two requests at once are all that a zone can do.
    let keys = "health = { kind = \"none\" }\nzones = { capacity = 2, spill = \"50%\" }";
    let mut daemon = Setup::new(&divided(&zones, keys)).daemon("zone = \"a\"").start();

    let calm = load::send(daemon.address(), 10);
    let busy = crowd(&daemon);
    assert_eq!(calm.of("near"), 10);
    busy.expect_all_fine();
    assert!(busy.of("near") > 0 && busy.of("far") > 0, "{:?}", busy.bodies);

    daemon.reconfigure(&divided(&zones, "health = { kind = \"none\" }\nzones = { capacity = 100000 }"));
    assert_eq!(crowd(&daemon).of("near"), 120, "there is room for all of them");
    daemon.reconfigure(&divided(&zones, "health = { kind = \"none\" }\nzones = { prefer_local = false }"));
    expect_only(&daemon, &["near", "far"]);
}

#[test]
fn a_route_prefers_zones_of_its_own() {
    let (near, far) = (Backend::saying("near"), Backend::saying("far"));
    let zones = [("near", &near, "zone = \"a\""), ("far", &far, "zone = \"b\"")];
    let text =
        divided(&zones, CHECKS) + "[route.b]\npool = \"main\"\nzones = \"b\"\nmatch = { path = \"/b/*\" }\n";
    let daemon = Setup::new(&text).daemon("zone = \"a\"").start();
    expect_up(&daemon, &["near", "far"]);

    for _ in 0..10 {
        assert_eq!(get(daemon.address(), "/b/x").text(), "far");
        assert_eq!(get(daemon.address(), "/a").text(), "near");
    }
    far.refuse();
    daemon.control.expect_health("main/far", Health::Down);
    assert_eq!(get(daemon.address(), "/b/x").text(), "near", "a zone is a preference");
}

#[test]
fn a_later_priority_group_serves_only_while_the_first_cannot() {
    let (one, two, spare) = (Backend::saying("one"), Backend::saying("two"), Backend::saying("spare"));
    let groups =
        [("one", &one, "priority = 0"), ("two", &two, "priority = 0"), ("spare", &spare, "priority = 1")];
    let daemon = Setup::new(&divided(&groups, CHECKS)).start();
    expect_up(&daemon, &["one", "two", "spare"]);

    let tally = load::send(daemon.address(), 40);
    assert_eq!((tally.of("one"), tally.of("two"), tally.of("spare")), (20, 20, 0));
    assert_eq!(excluded(&pick(&daemon)), [None, None, Some("priority")]);

    // Half of the group is left, which takes 1.4 times that.
    one.refuse();
    daemon.control.expect_health("main/one", Health::Down);
    expect_only(&daemon, &["two", "spare"]);
    let shares: Vec<f64> = pick(&daemon).parts.iter().map(|part| part.share).collect();
    assert!((shares[0] - 0.7).abs() < 0.01 && (shares[1] - 0.3).abs() < 0.01, "{shares:?}");

    two.refuse();
    daemon.control.expect_health("main/two", Health::Down);
    expect_only(&daemon, &["spare"]);

    one.reopen();
    two.reopen();
    expect_up(&daemon, &["one", "two"]);
    expect_only(&daemon, &["one", "two"]);
}

#[test]
fn in_panic_all_are_asked_and_that_is_told() {
    let is_well = Arc::new(AtomicBool::new(true));
    let [one, two, three] = ["one", "two", "three"].map(|name| {
        let is_well = Arc::clone(&is_well);
        Backend::with(move |visit| {
            let fails =
                visit.head.line.contains("/check") && name != "one" && !is_well.load(Ordering::SeqCst);
            visit.answer(if fails { 500 } else { 200 }, name)
        })
    });
    let all = [("one", &one, "weight = 1"), ("two", &two, "weight = 1"), ("three", &three, "weight = 1")];
    let checks = CHECKS.replace("kind = \"tcp\"", "kind = \"http\", path = \"/check\"");
    let daemon = Setup::new(&divided(&all, &format!("{checks}panic = \"60%\""))).start();
    expect_up(&daemon, &["one", "two", "three"]);
    assert!(!pick(&daemon).parts[0].in_panic);

    is_well.store(false, Ordering::SeqCst);
    for name in ["main/two", "main/three"] {
        daemon.control.expect_health(name, Health::Down);
    }
    expect_only(&daemon, &["one", "two", "three"]);
    let seen = pick(&daemon);
    let part = &seen.parts[0];
    assert_eq!((part.in_panic, part.healthy, part.ready), (true, 1, 3));
    assert_eq!(excluded(&seen), [None; 3]);
    let despite: Vec<_> = seen.candidates.iter().map(|candidate| candidate.despite.as_deref()).collect();
    let marked = Some("down, but may be picked: panic");
    assert_eq!(despite, [None, marked, marked]);
    assert!(seen.candidates.iter().all(|candidate| candidate.expected_share.is_none()));
    let division = daemon.control.status().pools[0].division.clone().expect("it is divided");
    assert!(division.parts[0].in_panic && (division.panic - 0.6).abs() < 1e-9, "{division:?}");
    let told = |to: &str| {
        let found =
            daemon.control.events().into_iter().find(|e| e.kind == "panic" && e.to.as_deref() == Some(to));
        found.map(|event| (event.subject, event.cause))
    };
    let cause =
        "1 of 3 backends of priority 0 are healthy, less than 60%: health is ignored and all are asked";
    assert_eq!(wait::until("it is told", || told("panic")), ("main".to_owned(), cause.to_owned()));

    is_well.store(true, Ordering::SeqCst);
    expect_up(&daemon, &["two", "three"]);
    wait::until_true("the panic is over", || !pick(&daemon).parts[0].in_panic);
    assert!(wait::until("that is told", || told("calm")).1.ends_with("health counts again"));
}

#[test]
fn a_subset_is_all_that_this_daemon_uses_while_it_can_serve() {
    let names = ["one", "two", "three", "four", "five", "six"];
    let backends = names.map(Backend::saying);
    let all: Vec<_> =
        names.iter().zip(&backends).map(|(name, backend)| (*name, backend, "weight = 1")).collect();
    let text = divided(&all, &format!("{CHECKS}subset = 2"));
    let daemon = Setup::new(&text).daemon("node = \"edge-1\"").start();
    expect_up(&daemon, &names);

    let tally = load::send(daemon.address(), 60);
    tally.expect_all_fine();
    let used: Vec<&str> = names.into_iter().filter(|name| tally.of(name) > 0).collect();
    assert_eq!(used.len(), 2, "{:?}", tally.bodies);
    let seen = pick(&daemon);
    assert_eq!(seen.parts[0].members, 2);
    assert_eq!(excluded(&seen).iter().filter(|why| **why == Some("subset")).count(), 4);

    for name in &used {
        let at = names.iter().position(|other| other == name).expect("it is one of them");
        backends[at].refuse();
        daemon.control.expect_health(&format!("main/{name}"), Health::Down);
    }
    load::send(daemon.address(), 20).expect_all_fine();
}

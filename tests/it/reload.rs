//! Another configuration at run time: only what differs changes, and a bad file changes nothing.

mod listeners;
mod reading;

use std::sync::Arc;

use aya_api::axis::Health;
use aya_api::change::ChangeOptions;
use aya_api::command::reload::Reload;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, get, request};
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{self, Gate};

const CHECKED: &str =
    "algorithm = \"round-robin\"\nhealth = { kind = \"tcp\", interval = \"50ms\", timeout = \"50ms\" }";

#[test]
fn limits_of_faults_and_loads_that_change_are_told() {
    let one = Backend::saying("one");
    let pools = [("one", one.address)];
    let mut daemon = Daemon::balancing(&pools, CHECKED);
    let with = |limits: &str| format!("{limits}\n{}", pool(&pools, CHECKED));
    let change = daemon.reconfigure(&with("[chaos]\nmax_backends = 1\n[loadtest]\nmax_rate = 9"));
    assert!(change.changed, "{}", change.after);
    assert!(
        change.after.contains("limits of faults") && change.after.contains("limits of load tests"),
        "{}",
        change.after
    );
    let change = daemon.reconfigure(&with("[chaos]\nmax_backends = 1\n[loadtest]\nmax_rate = 8"));
    assert!(!change.after.contains("limits of faults") && change.changed, "{}", change.after);
}

#[test]
fn what_did_not_change_stays_the_very_same() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let before = [("one", one.address)];
    let after = [("one", one.address), ("two", two.address)];
    let mut daemon = Daemon::balancing(&before, CHECKED);
    daemon.control.expect_health("main/one", Health::Up);
    let mut client = Client::connect(daemon.address());
    for _ in 0..5 {
        client.send(request("GET", "/", &[]));
        client.answer();
    }
    let (address, seen) = (daemon.address(), daemon.control.backend("main/one"));

    let change = daemon.reconfigure(&pool(&after, CHECKED));

    assert!(change.changed);
    assert!(change.after.contains("pool main changed"), "{}", change.after);
    assert_eq!(daemon.address(), address);
    let same = daemon.control.backend("main/one");
    assert_eq!(same.traffic.requests, 5);
    assert_eq!(same.health.since_ms, seen.health.since_ms);
    assert_eq!(same.idle_connections, 1);
    client.send(request("GET", "/", &[]));
    client.answer();
    assert_eq!(daemon.control.listeners()[0].accepted, 1, "the client's connection went on");
    wait::until_true("the new backend gets traffic", || get(address, "/").text() == "two");
}

#[test]
fn the_same_file_again_changes_nothing() {
    let one = Backend::saying("one");
    let daemon = Daemon::balancing(&[("one", one.address)], "");

    let change = daemon.control.reload();

    assert!(!change.changed);
    assert_eq!(daemon.control.status().daemon.generation, 1);
}

#[test]
fn sighup_reloads() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");

    daemon.rewrite(&pool(&[("two", two.address)], ""));
    daemon.signal("HUP");

    wait::until_true("the new file is in force", || daemon.control.status().daemon.generation == 2);
    assert_eq!(get(daemon.address(), "/").text(), "two");
    let event = daemon.control.events().into_iter().find(|event| event.kind == "reload");
    assert!(event.expect("it is an event").by.is_some_and(|by| by.contains("SIGHUP")));
}

#[test]
fn a_dry_run_says_what_would_change() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");
    daemon.rewrite(&pool(&[("two", two.address)], ""));

    let options = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
    let change = daemon.control.call_with(&Reload, &options);

    assert!(change.changed && change.dry_run);
    assert_eq!(get(daemon.address(), "/").text(), "one");
}

#[test]
fn a_removed_backend_finishes_its_requests() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let one = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "from the removed one")
    });
    let two = Backend::saying("two");
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    one.expect_requests(1);

    daemon.reconfigure(&pool(&[("two", two.address)], ""));
    assert_eq!(get(daemon.address(), "/").text(), "two");
    gate.open();

    assert_eq!(client.answer().text(), "from the removed one");
    one.expect_no_connections();
    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer().text(), "two", "the same client goes on with the new pool");
}

#[test]
fn idle_connections_of_a_removed_backend_are_closed() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");
    get(daemon.address(), "/");
    assert_eq!(one.open_connections(), 1);

    daemon.reconfigure(&pool(&[("two", two.address)], ""));

    one.expect_no_connections();
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");

    let taken = format!("[listen.more]\nbind = \"{}\"\n{}", two.address, pool(&[("two", two.address)], ""));
    daemon.rewrite(&taken);
    let error = daemon.control.refused(&Reload, &ChangeOptions::default());

    assert!(error.message.contains("more") && error.message.contains("in use"), "{}", error.message);
    assert_eq!(get(daemon.address(), "/").text(), "one");
}

#[test]
fn a_changed_limit_holds_for_new_connections() {
    let one = Backend::saying("one");
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&base);
    let address = daemon.address();
    let post = request("POST", "/", &[("content-length", "2000")]) + &"x".repeat(2000);
    assert_eq!(aya_tests::client::ask(address, &post).status, 200);

    daemon.reconfigure(&base.replace(LISTEN, &format!("{LISTEN}limits = {{ body = \"1KiB\" }}\n")));

    assert_eq!(daemon.address(), address);
    assert_eq!(aya_tests::client::ask(address, &post).status, 413);
}

#[test]
fn a_weight_in_the_file_takes_effect_unless_an_operator_ordered_another() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let text = |weight: u32| {
        format!(
            "{LISTEN}[pool.main]\nalgorithm = \"weighted-round-robin\"\nhealth = {{ kind = \"none\" }}\nbackends = [\
             {{ name = \"one\", address = \"{}\", weight = {weight} }}, {{ name = \"two\", address = \"{}\" }}]\n{ROUTE}",
            one.address, two.address
        )
    };
    let mut daemon = Daemon::start(&text(1));

    daemon.reconfigure(&text(3));
    assert_eq!(load::send(daemon.address(), 20).of("one"), 15);
    daemon.control.set_weight("main/one", 4);
    daemon.reconfigure(&text(9));

    let ordered = daemon.control.backend("main/one");
    assert_eq!((ordered.weight, ordered.configured_weight), (4, 9));
    assert_eq!(load::send(daemon.address(), 20).of("one"), 16);
}

#[test]
fn settings_that_need_a_restart_are_named() {
    let one = Backend::saying("one");
    let setup = Setup::new(&pool(&[("one", one.address)], ""));
    let file = setup.folder().join("ayad.toml");
    let daemon = setup.start();
    let text = std::fs::read_to_string(&file).expect("the file can be read");
    std::fs::write(&file, text.replace("workers = 1", "workers = 2")).expect("the file can be written");

    let change = daemon.control.reload();

    assert!(
        change.warnings.iter().any(|warning| warning.contains("daemon.workers")),
        "{:?}",
        change.warnings
    );
    assert_eq!(daemon.control.status().daemon.workers, 1);
}

#[test]
fn ten_changes_under_load_cost_no_request() {
    let backends = ["a", "b", "c"].map(Backend::saying);
    let named: Vec<_> = ["a", "b", "c"].iter().zip(&backends).map(|(name, b)| (*name, b.address)).collect();
    let mut daemon = Setup::new(&pool(&named, "")).workers(2).start();
    let address = daemon.address();
    let mut changes = 0;

    let load = Load { requests: 24_000, connections: 8, fields: &[] };
    let tally = load::run_while(address, &load, || {
        if changes < 10 {
            let without = changes % named.len();
            let some: Vec<_> =
                named.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, b)| *b).collect();
            daemon.reconfigure(&pool(&some, "algorithm = \"round-robin\""));
            changes += 1;
        }
    });

    tally.expect_all_fine();
    // On a busy machine the load is over before the last change; each of the three lists must have held.
    assert!(changes >= named.len(), "{changes} changes");
    assert_eq!(daemon.control.status().daemon.generation, changes as u64 + 1);
}

#[test]
fn a_daemon_started_by_flags_serves_and_reloads() {
    let one = Backend::saying("one");
    let address = one.address.to_string();
    let daemon = Setup::flags(&["--listen", "127.0.0.1:0", "--backend", &address]).start();

    assert_eq!(get(daemon.address(), "/").text(), "one");
    assert!(!daemon.control.reload().changed);
    let status = daemon.control.status();
    assert_eq!(status.daemon.config, None);
    assert_eq!(status.pools[0].backends[0].id, format!("main/{address}"));
}

#[test]
fn shorthand_is_a_whole_configuration() {
    let one = Backend::saying("one");
    let daemon = Daemon::start(&format!("listen = \"127.0.0.1:0\"\nbackends = [\"{}\"]", one.address));

    assert_eq!(get(daemon.address(), "/any/path").text(), "one");
}

#[test]
fn what_only_moved_to_another_line_is_no_change() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Setup::new(&text).start();

    let moved = daemon.reconfigure(&format!("# a line more\n\n{text}"));

    assert!(!moved.changed, "{}", moved.after);
}

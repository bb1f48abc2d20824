//! Another configuration at run time: only what differs changes, and a bad file changes nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use aya_api::axis::Health;
use aya_api::change::ChangeOptions;
use aya_api::command::reload::Reload;
use aya_api::error::ErrorCode;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, get, request};
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, members, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{self, Gate};

const CHECKED: &str =
    "algorithm = \"round-robin\"\nhealth = { kind = \"tcp\", interval = \"50ms\", timeout = \"50ms\" }";

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
fn a_bad_file_changes_nothing_and_says_why() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&text);

    daemon.rewrite(&text.replace("pool = \"main\"", "pool = \"mian\""));
    let error = daemon.control.refused(&Reload, &ChangeOptions::default());

    assert_eq!(error.code, ErrorCode::BadConfig);
    assert!(error.message.contains("mian"), "{}", error.message);
    let status = daemon.control.status().daemon;
    assert_eq!(status.generation, 1);
    assert!(status.last_reload_error.is_some_and(|why| why.contains("mian")));
    assert_eq!(get(daemon.address(), "/").text(), "one");
    daemon.reconfigure(&text);
    assert_eq!(daemon.control.status().daemon.last_reload_error, None);
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let one = Backend::saying("one");
    let daemon = Daemon::balancing(&[("one", one.address)], "");
    std::fs::remove_file(daemon.folder().join("ayad.toml")).expect("the file can be removed");

    let error = daemon.control.refused(&Reload, &ChangeOptions::default());

    assert!(error.message.contains("ayad.toml"), "{}", error.message);
    assert_eq!(get(daemon.address(), "/").text(), "one");
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
fn listeners_come_and_go_without_touching_the_others() {
    let one = Backend::saying("one");
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&base);
    let main = daemon.address();
    let mut kept = Client::connect(main);
    kept.send(request("GET", "/", &[]));
    kept.answer();

    daemon.reconfigure(&format!("[listen.more]\nbind = \"127.0.0.1:0\"\n{base}"));
    let more = daemon.address_of("more");
    let mut other = Client::connect(more);
    other.send(request("GET", "/", &[]));
    assert_eq!(other.answer().text(), "one");
    daemon.reconfigure(&base);

    other.expect_close();
    wait::until_true("nobody listens there", || Client::try_connect(more).is_err());
    assert_eq!(daemon.address_of("main"), main);
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");
}

#[test]
fn a_request_on_a_removed_listener_is_answered() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let one = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "late")
    });
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&format!("[listen.more]\nbind = \"127.0.0.1:0\"\n{base}"));
    let mut client = Client::connect(daemon.address_of("more"));
    client.send(request("GET", "/", &[]));
    one.expect_requests(1);

    daemon.reconfigure(&base);
    gate.open();

    assert_eq!(client.answer().text(), "late");
    client.expect_close();
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
    assert_eq!(daemon.control.status().daemon.generation, 11);
}

/// An address that nobody else binds: the other tests take their ports at 127.0.0.1.
fn address_of_its_own() -> SocketAddr {
    let socket = TcpListener::bind("127.84.0.1:0").expect("a loopback port is free");
    socket.local_addr().expect("a bound socket has an address")
}

#[test]
fn a_listener_that_is_renamed_loses_no_connection() {
    const RENAMED: usize = 60;
    let one = Backend::saying("one");
    let address = address_of_its_own();
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |name: &str| format!("[listen.{name}]\nbind = \"{address}\"\n{pool}");
    let mut daemon = Setup::new(&text("main")).workers(2).start();
    let mut renamed = 0;

    let load = Load { requests: 8000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(address, &load, || {
        if renamed < RENAMED {
            renamed += 1;
            daemon.reconfigure(&text(if renamed % 2 == 0 { "main" } else { "other" }));
        }
    });

    tally.expect_all_fine();
    assert!(renamed > 1, "the load was over before anything was renamed");
    assert_eq!(daemon.control.listeners().len(), 1);
}

#[test]
fn a_listener_that_gets_another_bind_list_loses_no_connection() {
    const CHANGES: usize = 100;
    let one = Backend::saying("one");
    let [stays, comes] = [(); 2].map(|()| address_of_its_own());
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |bind: &[SocketAddr]| {
        let bind: Vec<_> = bind.iter().map(|address| format!("\"{address}\"")).collect();
        format!("[listen.main]\nbind = [{}]\n{pool}", bind.join(", "))
    };
    let mut daemon = Setup::new(&text(&[stays])).workers(2).start();
    let mut changes = 0;

    let load = Load { requests: 20_000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(stays, &load, || {
        if changes < CHANGES {
            changes += 1;
            let lists: [&[SocketAddr]; 3] = [&[stays, comes], &[comes, stays], &[stays]];
            assert!(daemon.reconfigure(&text(lists[changes % lists.len()])).changed);
        }
    });

    tally.expect_all_fine();
    assert_eq!(changes, CHANGES, "the load was over before everything was changed");
    assert!(daemon.control.listeners()[0].accepted >= 20_000, "its counters go on");
}

#[test]
fn an_address_that_goes_to_another_listener_loses_no_connection() {
    const CHANGES: usize = 50;
    let one = Backend::saying("one");
    let [a, b] = [(); 2].map(|()| address_of_its_own());
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |left: SocketAddr, right: SocketAddr| {
        format!("[listen.left]\nbind = \"{left}\"\n[listen.right]\nbind = \"{right}\"\n{pool}")
    };
    let mut daemon = Setup::new(&text(a, b)).workers(2).start();
    let mut kept = Client::connect(a);
    kept.send(request("GET", "/", &[]));
    kept.answer();
    let mut changes = 0;

    let load = Load { requests: 8000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(a, &load, || {
        if changes < CHANGES {
            changes += 1;
            daemon.reconfigure(&if changes % 2 == 0 { text(a, b) } else { text(b, a) });
        }
    });

    tally.expect_all_fine();
    assert!(changes > 1, "the load was over before anything was changed");
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one", "who is connected stays with the listener that took it in");
    let accepted: Vec<u64> = daemon.control.listeners().iter().map(|l| l.accepted).collect();
    assert!(accepted.iter().all(|count| *count > 0), "both have served the address: {accepted:?}");
}

#[test]
fn an_address_that_is_removed_serves_whoever_came_before() {
    const ROUNDS: usize = 4;
    let one = Backend::saying("one");
    let [stays, goes] = [(); 2].map(|()| address_of_its_own());
    let base = pool(&[("one", one.address)], "");
    let text = |bind: String| format!("[listen.main]\nbind = {bind}\n{}", base.replace(LISTEN, ""));
    let with = text(format!("[\"{stays}\", \"{goes}\"]"));
    let mut daemon = Setup::new(&with).workers(2).start();
    for _ in 0..ROUNDS {
        let mut early: Vec<Client> = (0..16).map(|_| Client::connect(goes)).collect();

        daemon.reconfigure(&text(format!("\"{stays}\"")));

        for client in &mut early {
            client.send(request("GET", "/", &[]));
            assert_eq!(client.answer().text(), "one");
        }
        wait::until_true("nobody listens there", || Client::try_connect(goes).is_err());
        daemon.reconfigure(&with);
    }
}

#[test]
fn a_kept_connection_stays_with_its_listener_when_others_come_before_it() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let pools = format!(
        "[pool.one]\nhealth = {{ kind = \"none\" }}\nbackends = {}\n[pool.two]\nhealth = {{ kind = \"none\" }}\nbackends = {}\n",
        members(&[("one", one.address)]),
        members(&[("two", two.address)]),
    );
    let main = "[listen.main]\nbind = \"127.0.0.1:0\"\n[route.main]\nlisten = \"main\"\npool = \"one\"\n";
    let before =
        "[listen.early]\nbind = \"127.0.0.1:0\"\n[route.early]\nlisten = \"early\"\npool = \"two\"\n";
    let mut daemon = Daemon::start(&format!("{main}{pools}"));
    let mut kept = Client::connect(daemon.address_of("main"));
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");

    let change = daemon.reconfigure(&format!("{main}{before}{pools}"));

    assert!(!change.after.contains("main"), "only the new one is new: {}", change.after);
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");
    assert_eq!(get(daemon.address_of("early"), "/").text(), "two");
}

#[test]
fn a_few_long_connections_are_spread_over_the_workers() {
    let one = Backend::saying("one");
    let daemon = Setup::new(&pool(&[("one", one.address)], "")).workers(2).start();
    let address = daemon.address();

    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send(request("GET", "/", &[]));
            client.answer();
            client
        })
        .collect();

    let metrics = daemon.control.text("/metrics");
    for worker in 0..2 {
        let line = format!("ayad_worker_connections{{worker=\"{worker}\"}} 4");
        assert!(metrics.lines().any(|found| found.starts_with(&line)), "{line} is not in {metrics}");
    }
    drop(clients);
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
fn included_files_are_reloaded_too() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let setup = Setup::new(&format!("include = [\"more.toml\"]\n{LISTEN}"));
    let more = setup.folder().join("more.toml");
    let included = |backend: &Backend| {
        let members = members(&[("one", backend.address)]);
        format!("[pool.main]\nhealth = {{ kind = \"none\" }}\nbackends = {members}\n{ROUTE}")
    };
    std::fs::write(&more, included(&one)).expect("the file can be written");
    let daemon = setup.start();
    assert_eq!(get(daemon.address(), "/").text(), "one");

    std::fs::write(&more, included(&two)).expect("the file can be written");
    daemon.control.reload();

    assert_eq!(get(daemon.address(), "/").text(), "two");
}

/// A daemon whose next reload reads a file that has no end yet.
struct Reading {
    daemon: Daemon,
    rest: std::path::PathBuf,
}

impl Reading {
    fn new(text: &str) -> Self {
        let mut daemon = Daemon::start(text);
        let rest = daemon.folder().join("rest.toml");
        let made = std::process::Command::new("mkfifo").arg(&rest).status().expect("there is mkfifo");
        assert!(made.success());
        daemon.rewrite(&format!("include = [\"rest.toml\"]\n{text}"));
        Self { daemon, rest }
    }

    /// Waits until the daemon reads the file, which ends when what this returns is dropped.
    fn expect_reload(&self) -> std::fs::File {
        std::fs::OpenOptions::new().write(true).open(&self.rest).expect("the daemon reads it")
    }
}

#[test]
fn a_signal_while_a_reload_is_under_way_is_not_lost() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut reading = Reading::new(&pool(&[("one", one.address)], ""));
    reading.daemon.signal("HUP");
    let unread = reading.expect_reload();

    reading.daemon.rewrite(&pool(&[("two", two.address)], ""));
    reading.daemon.signal("HUP");
    reading.daemon.control.status();
    drop(unread);

    let address = reading.daemon.address();
    wait::until_true("the newest file is in force", || get(address, "/").text() == "two");
}

#[test]
fn calls_while_a_reload_is_under_way_wait_for_their_own_file() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut reading = Reading::new(&pool(&[("one", one.address)], ""));
    let address = reading.daemon.address();
    reading.daemon.signal("HUP");
    let unread = reading.expect_reload();

    reading.daemon.rewrite(&pool(&[("two", two.address)], ""));
    let callers = [(); 3].map(|()| reading.daemon.control.again());
    let calls = callers.map(|control| std::thread::spawn(move || control.reload()));
    let dry_run = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
    let would = reading.daemon.control.call_with(&Reload, &dry_run);
    drop(unread);

    assert!(would.changed, "a dry run waits for nobody");
    for call in calls {
        call.join().expect("nobody is refused");
    }
    assert_eq!(get(address, "/").text(), "two");
}

#[test]
fn a_file_that_never_ends_keeps_no_later_reload_waiting() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Setup::new(&text).daemon("load_timeout = \"200ms\"").start();
    let rest = daemon.folder().join("rest.toml");
    let made = std::process::Command::new("mkfifo").arg(&rest).status().expect("there is mkfifo");
    assert!(made.success());
    daemon.rewrite(&format!("include = [\"rest.toml\"]\n{text}"));

    // More often than readings may hang.
    for _ in 0..10 {
        let error = daemon.control.refused(&Reload, &ChangeOptions::default());
        assert!(error.message.contains("nothing was changed"), "{}", error.message);
    }
    assert_eq!(get(daemon.address(), "/").text(), "one");
    let writer = std::fs::OpenOptions::new().write(true).open(&rest).expect("they still read");
    drop(writer);

    daemon.rewrite(&pool(&[("two", two.address)], ""));
    wait::until_true("the readings have ended", || {
        daemon.control.try_call(&Reload, &ChangeOptions::default()).is_ok()
    });
    assert_eq!(get(daemon.address(), "/").text(), "two");
}

#[test]
fn a_caller_that_leaves_during_its_reload_is_in_nobodys_way() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut reading = Reading::new(&pool(&[("one", one.address)], ""));
    let mut impatient = reading.daemon.control.connect();
    impatient.send(request("POST", "/v1/reload", &[("content-length", "0")]));
    let unread = reading.expect_reload();
    drop(impatient);
    reading.daemon.control.status();
    drop(unread);

    reading.daemon.reconfigure(&pool(&[("two", two.address)], ""));

    assert_eq!(get(reading.daemon.address(), "/").text(), "two");
}

#[test]
fn what_only_moved_to_another_line_is_no_change() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Setup::new(&text).start();

    let moved = daemon.reconfigure(&format!("# a line more\n\n{text}"));

    assert!(!moved.changed, "{}", moved.after);
}

//! A new process takes over: no client notices, nothing that was learned or ordered is lost, and one that does
//! not get ready changes nothing.

mod known;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use aya_api::axis::{Admin, Health, StickyDrain};
use aya_api::change::ChangeOptions;
use aya_api::command::upgrade::Upgrade;
use aya_api::error::ErrorCode;
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::client::{Client, ask, get, request};
use aya_tests::control::Control;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{self, Gate};

/// A program that is no ayad, written by a process of its own so that nobody here has it open.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod +x \"$1\"";
    let written = Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status();
    assert!(written.expect("there is a shell").success());
    path
}

fn to(binary: &Path) -> Upgrade {
    Upgrade::to(Some(binary.display().to_string()))
}

#[test]
fn upgrades_under_load_fail_no_request_and_refuse_no_connection() {
    const UPGRADES: usize = 5;
    let backend = Backend::saying("one");
    let mut daemon = Setup::new(&pool(&[("one", backend.address)], "")).workers(2).start();
    let address = daemon.address();
    let first = daemon.pid();
    let mut upgrades = 0;

    let kept = Load { requests: 16_000, connections: 16, fields: &[] };
    let fresh = Load { requests: 6_000, connections: 4, fields: &[("connection", "close")] };
    let (of_kept, of_fresh) = thread::scope(|scope| {
        let of_kept = scope.spawn(|| load::run(address, &kept));
        let of_fresh = load::run_while(address, &fresh, || {
            if upgrades < UPGRADES {
                upgrades += 1;
                daemon.upgrade();
            }
        });
        (of_kept.join().expect("the load does not panic"), of_fresh)
    });

    of_kept.expect_all_fine();
    of_fresh.expect_all_fine();
    assert_eq!(upgrades, UPGRADES, "the load was over before the last upgrade");
    assert_ne!(daemon.pid(), first);
    assert_eq!(daemon.address(), address, "any port stays the same port");
    assert_eq!(daemon.expect_first_ended(), Some(0));
    assert_eq!(get(address, "/").text(), "one");
}

#[test]
fn a_request_in_flight_is_finished_by_the_process_that_has_it() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "finished")
    });
    let mut daemon = Daemon::balancing(&[("one", backend.address)], "");
    let address = daemon.address();
    let mut client = Client::connect(address);
    client.send(request("GET", "/", &[]));
    backend.expect_requests(1);

    daemon.upgrade();
    let mut other = Client::connect(address);
    other.send(request("GET", "/", &[]));
    backend.expect_requests(2);
    gate.open();

    assert_eq!(client.answer().text(), "finished");
    client.expect_close();
    assert_eq!(other.answer().text(), "finished");
    assert_eq!(daemon.expect_first_ended(), Some(0));
}

#[test]
fn orders_health_and_bound_clients_go_along() {
    let backends = ["one", "two", "three", "four"].map(Backend::saying);
    let named: Vec<_> =
        ["one", "two", "three", "four"].iter().zip(&backends).map(|(name, b)| (*name, b.address)).collect();
    let keys = "algorithm = \"weighted-round-robin\"\nsticky = { cookie = \"aya\" }\n\
                health = { kind = \"tcp\", interval = \"50ms\", timeout = \"50ms\" }";
    let mut daemon = Daemon::balancing(&named, keys);
    for name in ["one", "two", "three", "four"] {
        daemon.control.expect_health(&format!("main/{name}"), Health::Up);
    }
    let [one, two, three, four] = backends;
    drop(four);
    daemon.control.drain("main/one", StickyDrain::Move);
    daemon.control.expect_admin("main/one", Admin::Drained);
    daemon.control.set_weight("main/two", 7);
    daemon.control.set_admin("main/three", Admin::Draining);
    daemon.control.set_admin("main/three", Admin::Ready);
    wait::until_true("the one that is gone is noticed", || {
        get(daemon.address(), "/");
        daemon.control.backend("main/four").health.state == Health::Down
    });
    let bound = get(daemon.address(), "/");
    let cookie = bound.field("set-cookie").expect("a client is bound").split(';').next().unwrap().to_owned();
    let before = daemon.control.status();
    let events = daemon.control.events();

    let change = daemon.upgrade();

    assert!(change.changed && change.before.contains(&before.daemon.pid.to_string()), "{change:?}");
    assert!(change.after.contains(&daemon.pid().to_string()), "{change:?}");
    let after = daemon.control.status();
    for (was, is) in before.pools[0].backends.iter().zip(&after.pools[0].backends) {
        assert_eq!(
            (&is.id, is.admin.state, is.admin.since_ms),
            (&was.id, was.admin.state, was.admin.since_ms)
        );
        assert_eq!((is.admin.restored, is.weight), (false, was.weight));
        assert_eq!((is.health.state, &is.health.cause), (was.health.state, &was.health.cause), "{}", is.id);
        assert_eq!(is.health.since_ms, was.health.since_ms);
        assert!(is.rev > was.rev, "a revision is never used twice");
    }
    for _ in 0..6 {
        let answer = ask(daemon.address(), request("GET", "/", &[("cookie", &cookie)]));
        assert_eq!(answer.text(), bound.text(), "a bound client stays bound");
    }
    let now = daemon.control.events();
    assert_eq!(now[..events.len()], events[..], "what happened is still known");
    assert!(now.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1), "numbers go on");
    drop((one, two, three));
}

#[test]
fn an_upgrade_is_told_as_one_and_no_restart() {
    let backend = Backend::saying("one");
    let text = pool(&[("one", backend.address)], "");
    let mut daemon = Setup::new(&text).start();
    daemon.reconfigure(&pool(&[("one", backend.address)], "algorithm = \"random\""));
    let before = daemon.control.status().daemon;
    assert_eq!((before.generation, &before.upgraded), (2, &None));
    assert_eq!(before.serving_since_ms, before.started_ms);

    for step in 1..=2 {
        let old = daemon.pid();
        daemon.upgrade();
        let after = daemon.control.status().daemon;
        // Each new process has read the file, which is one more configuration.
        assert_eq!(after.generation, before.generation + step);
        assert_eq!(after.serving_since_ms, before.serving_since_ms);
        let upgrade = after.upgraded.expect("it took over");
        assert_eq!((upgrade.from_pid, upgrade.at_ms), (old, after.started_ms));
        assert_eq!(upgrade.from_version.as_deref(), Some(before.version.as_str()));
        let told = format!("process {} has taken over; the version is still {}", after.pid, after.version);
        assert!(daemon.control.events().iter().any(|event| event.cause == told), "nobody says: {told}");
    }
    let (_, started_ms) = (daemon.pid(), daemon.control.status().daemon.started_ms);
    let daemon = daemon.restart("TERM");
    let afresh = daemon.control.status().daemon;
    assert_eq!((afresh.generation, afresh.upgraded), (1, None));
    assert!(afresh.serving_since_ms >= started_ms && afresh.serving_since_ms == afresh.started_ms);
}

#[test]
fn a_daemon_that_stops_with_its_input_still_does_after_an_upgrade() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("control.sock");
    let mut command = Command::new(binary::ayad());
    command.args(["--listen", "127.0.0.1:0", "--backend", "127.0.0.1:9", "--workers", "1", "--stop-on-eof"]);
    command.arg("--control").arg(&socket).arg("--state-dir").arg(folder.path().join("state"));
    let mut first = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ayad starts");
    let input = first.stdin.take().expect("the pipe was asked for");
    let control = Control::at(&socket);
    wait::until_true("it answers", || control.answers());

    let change = control.call(&Upgrade::default());
    wait::until_true("the first process ends", || first.try_wait().ok().flatten().is_some());
    wait::until_true("the next one answers", || control.answers());
    assert!(change.changed);
    drop(input);

    wait::until_true("nothing is left of it", || !socket.exists());
}

#[test]
fn orders_after_an_upgrade_are_written_down_and_hold_after_a_restart() {
    let backends = ["one", "two"].map(Backend::saying);
    let mut daemon = Daemon::balancing(
        &[("one", backends[0].address), ("two", backends[1].address)],
        "algorithm = \"random\"",
    );
    daemon.control.set_weight("main/one", 3);
    daemon.upgrade();
    daemon.expect_first_ended();

    daemon.control.set_weight("main/two", 5);
    daemon.upgrade();

    let weights = ["main/one", "main/two"].map(|id| daemon.control.backend(id).weight);
    assert_eq!(weights, [3, 5]);
    let journal = std::fs::read_to_string(daemon.journal()).expect("there is a journal");
    assert_eq!(journal.lines().count(), 2, "{journal}");
    assert!(
        daemon.control.events().iter().all(|event| event.kind != "journal"),
        "the journal stayed in its place"
    );
}

#[test]
fn sigusr2_upgrades() {
    let backend = Backend::saying("one");
    let mut daemon = Daemon::balancing(&[("one", backend.address)], "");
    let address = daemon.address();

    daemon.signal("USR2");
    daemon.follow();

    assert_eq!(get(address, "/").text(), "one");
    let event = daemon.control.events().into_iter().find(|event| event.kind == "upgrade");
    assert!(event.expect("it is an event").by.is_some_and(|by| by.contains("SIGUSR2")));
}

#[test]
fn the_new_process_reads_the_file_as_it_is_now() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&format!("[listen.more]\nbind = \"127.0.0.1:0\"\n{base}"));
    let (main, more) = (daemon.address_of("main"), daemon.address_of("more"));

    daemon.rewrite(&pool(&[("two", two.address)], ""));
    daemon.upgrade();

    assert_eq!(get(main, "/").text(), "two");
    wait::until_true("nobody listens there any more", || Client::try_connect(more).is_err());
}

#[test]
fn the_number_of_workers_may_change() {
    let backend = Backend::saying("one");
    let text = pool(&[("one", backend.address)], "");
    let setup = Setup::new(&text).workers(2);
    let file = setup.folder().join("ayad.toml");
    let mut daemon = setup.start();
    let address = daemon.address();
    for workers in [1, 3] {
        let now = std::fs::read_to_string(&file).expect("the file can be read");
        let line = now.lines().find(|line| line.starts_with("workers")).expect("it is written").to_owned();
        std::fs::write(&file, now.replace(&line, &format!("workers = {workers}")))
            .expect("it can be written");

        daemon.upgrade();

        assert_eq!(daemon.control.status().daemon.workers, workers);
        let fresh = Load { requests: 100, connections: 4, fields: &[("connection", "close")] };
        load::run(address, &fresh).expect_all_fine();
    }
}

/// Upgrades to what does not get ready, and checks that the running process goes on and says why.
fn expect_refused(daemon: &Daemon, upgrade: &Upgrade, code: ErrorCode, words: &[&str]) {
    let address = daemon.address();
    let pid = daemon.pid();

    let error = daemon.control.refused(upgrade, &ChangeOptions::default());

    assert_eq!(error.code, code, "{error:?}");
    for word in words {
        assert!(error.message.contains(word), "{word} is not in {error:?}");
    }
    assert_eq!(get(address, "/").text(), "one");
    assert_eq!(daemon.control.status().daemon.pid, pid);
    daemon.control.set_weight("main/one", 2);
    daemon.control.set_weight("main/one", 1);
    let events = daemon.control.events();
    let event = events.iter().rev().find(|event| event.kind == "upgrade").expect("it is an event");
    assert!(words.iter().all(|word| event.cause.contains(word)), "{event:?}");
    let told = daemon.control.status().daemon.last_upgrade_error.expect("it stays in the status");
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
}

#[test]
fn a_process_that_does_not_get_ready_changes_nothing() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let setup = Setup::new(&text).daemon("upgrade_timeout = \"300ms\"");
    let folder = setup.folder().to_owned();
    let daemon = setup.start();

    let exits = program(&folder, "exit 3");
    expect_refused(&daemon, &to(&exits), ErrorCode::Unavailable, &["ended before it was ready", "3"]);
    let hangs = program(&folder, "exec sleep 1000");
    expect_refused(&daemon, &to(&hangs), ErrorCode::Unavailable, &["not ready within 0.3 s"]);
    let missing = folder.join("missing");
    expect_refused(&daemon, &to(&missing), ErrorCode::Unavailable, &["missing", "cannot be started"]);
}

#[test]
fn a_bad_file_stops_the_new_process_and_not_the_old_one() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&text);

    daemon.rewrite(&text.replace("pool = \"main\"", "pool = \"mian\""));

    expect_refused(&daemon, &Upgrade::default(), ErrorCode::BadConfig, &["no pool is named \"mian\""]);
    daemon.rewrite(&text);
    daemon.upgrade();
    assert_eq!(get(daemon.address(), "/").text(), "one");
    assert_eq!(daemon.control.status().daemon.last_upgrade_error, None, "one that succeeds makes it good");
}

#[test]
fn a_dry_run_tries_how_far_the_new_process_gets() {
    let one = Backend::saying("one");
    let text = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&text);
    let options = ChangeOptions { dry_run: true, ..ChangeOptions::default() };

    let would = daemon.control.call_with(&Upgrade::default(), &options);
    daemon.rewrite(&text.replace("pool = \"main\"", "pool = \"mian\""));
    let not = daemon.control.refused(&Upgrade::default(), &options);

    assert!(would.dry_run && would.after.contains("version"), "{would:?}");
    assert_eq!(not.code, ErrorCode::BadConfig);
    assert_eq!(daemon.control.status().daemon.last_upgrade_error, None, "nobody wanted more than to know");
    assert_eq!(daemon.control.status().daemon.pid, daemon.pid());
    assert_eq!(get(daemon.address(), "/").text(), "one");
}

#[test]
fn both_programs_upgrade_and_say_to_what() {
    let one = Backend::saying("one");
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");
    let socket = daemon.socket().to_owned();
    for binary in [binary::ayad(), binary::ayactl()] {
        let before = daemon.pid();
        let upgrade = |more: &[&str]| {
            let output =
                Command::new(&binary).arg("upgrade").arg("--socket").arg(&socket).args(more).output();
            let output = output.expect("it can be run");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };

        let tried = upgrade(&["--dry-run"]);
        let refused = upgrade(&["--binary", "/nonexistent/ayad"]);
        let done = upgrade(&[]);
        daemon.follow();

        assert_eq!(
            (tried.0, refused.0, done.0),
            (Some(0), Some(1), Some(0)),
            "{tried:?} {refused:?} {done:?}"
        );
        assert!(tried.1.contains("would change"), "{}", tried.1);
        for pid in [before, daemon.pid()] {
            assert!(done.1.contains(&format!("pid {pid}")), "{pid} is not in {}", done.1);
        }
    }
}

#[test]
fn a_stopped_successor_leaves_nothing_behind() {
    let one = Backend::saying("one");
    let mut daemon = Daemon::balancing(&[("one", one.address)], "");
    let address = daemon.address();
    daemon.upgrade();
    daemon.expect_first_ended();
    assert!(daemon.socket().exists(), "the control socket is not the first one's to remove");

    daemon.signal("TERM");

    wait::until_true("the control socket is removed", || !daemon.socket().exists());
    wait::until_true("nobody listens any more", || Client::try_connect(address).is_err());
}

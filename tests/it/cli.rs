//! `ayactl` against a real daemon: what it prints, what it exits with, and how it behaves in pipes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aya_api::axis::Admin;
use aya_api::change::ChangeOptions;
use aya_api::command::weight::SetWeight;
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::client::{Client, request};
use aya_tests::control::Control;
use aya_tests::daemon::Daemon;
use aya_tests::wait::{self, Gate};
use serde_json::Value;

/// A daemon with `main/one` and `main/two`.
struct Scene {
    daemon: Daemon,
    one: Backend,
    _two: Backend,
    gate: Arc<Gate>,
}

/// What a command came to.
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {:?}", self.out))
    }
}

/// `main/one` answers once the gate is open, `main/two` at once.
fn scene() -> Scene {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let one = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "one")
    });
    let two = Backend::saying("two");
    let daemon =
        Daemon::balancing(&[("one", one.address), ("two", two.address)], "algorithm = \"round-robin\"");
    Scene { daemon, one, _two: two, gate }
}

impl Scene {
    fn command(&self, arguments: &[&str]) -> Command {
        command(self.daemon.socket(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(arguments))
    }

    /// A client whose request waits at `main/one`.
    fn busy_client(&self) -> Client {
        self.daemon.control.set_admin("main/two", Admin::Maint);
        let mut client = Client::connect(self.daemon.address());
        client.send(request("GET", "/", &[]));
        self.one.expect_requests(1);
        self.daemon.control.set_admin("main/two", Admin::Ready);
        client
    }
}

fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary::ayactl());
    command.arg("--socket").arg(socket).args(arguments);
    command.env_remove("AYA_SOCKET").env_remove("CLICOLOR_FORCE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().expect("ayactl can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn status_is_a_screen_for_people_and_an_object_for_programs() {
    let scene = scene();

    let people = scene.run(&["status"]);
    let programs = scene.run(&["status", "-o", "json"]);

    assert_eq!((people.code, programs.code), (Some(0), Some(0)));
    assert!(people.out.contains("main") && people.out.contains("round-robin"), "{}", people.out);
    assert!(!people.out.contains('\u{1b}'), "no colours in a pipe");
    assert_eq!(programs.json()["pools"][0]["name"], "main");
    assert_eq!(programs.err, "");
}

#[test]
fn status_check_fails_when_a_pool_has_nobody() {
    let scene = scene();
    assert_eq!(scene.run(&["status", "--check"]).code, Some(0));

    scene.daemon.control.set_admin("main/one", Admin::Maint);
    scene.daemon.control.set_admin("main/two", Admin::Maint);

    assert_eq!(scene.run(&["status", "--check"]).code, Some(6));
}

#[test]
fn every_kind_of_object_can_be_listed_in_every_format() {
    let scene = scene();

    for kind in ["backends", "listeners", "routes", "pools", "events", "algorithms", "operations"] {
        let json = scene.run(&["get", kind, "-o", "json"]);
        assert_eq!(json.code, Some(0), "{kind}: {}", json.err);
        assert!(json.json().is_array(), "{kind}: {}", json.out);
        for format in ["table", "wide", "jsonl", "yaml", "csv", "name"] {
            let listed = scene.run(&["get", kind, "-o", format]);
            assert_eq!(listed.code, Some(0), "{kind} {format}: {}", listed.err);
        }
    }
    assert_eq!(scene.run(&["get", "operations", "-o", "json"]).out.trim(), "[]");
    assert_eq!(scene.run(&["get", "backends", "-o", "name"]).out, "main/one\nmain/two\n");
}

#[test]
fn drain_waits_until_the_last_request_is_answered() {
    let scene = scene();
    let mut client = scene.busy_client();

    let mut draining =
        scene.command(&["drain", "main/one", "--wait=20s"]).spawn().expect("ayactl can be run");
    scene.daemon.control.expect_admin("main/one", Admin::Draining);
    assert!(draining.try_wait().expect("it can be asked").is_none(), "it waits while a request is in flight");
    scene.gate.open();

    let output = draining.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("main/one admin ready → draining"));
    assert_eq!(client.answer().text(), "one");
    assert_eq!(scene.daemon.control.backend("main/one").admin.state, Admin::Drained);
}

#[test]
fn a_drain_that_takes_too_long_exits_with_5_and_can_undo_itself() {
    let scene = scene();
    let _client = scene.busy_client();

    let kept = scene.run(&["drain", "main/one", "--wait=100ms"]);
    assert_eq!(kept.code, Some(5), "{}", kept.err);
    assert_eq!(scene.daemon.control.backend("main/one").admin.state, Admin::Draining);
    assert_eq!(scene.run(&["ready", "main/one"]).code, Some(0));
    let undone = scene.run(&["drain", "main/one", "--deadline", "100ms", "--on-deadline", "undo"]);

    assert_eq!(undone.code, Some(5), "{}", undone.err);
    assert_eq!(scene.daemon.control.backend("main/one").admin.state, Admin::Ready);
}

#[test]
fn changes_say_what_changed_and_how_to_undo_it() {
    let scene = scene();

    for (arguments, line, undo) in [
        (&["maint", "main/one"][..], "main/one admin ready → maint", "ayactl ready main/one"),
        (&["ready", "main/one"], "main/one admin maint → ready", "ayactl maint main/one"),
        (&["weight", "set", "main/two=3"], "main/two weight 1 → 3", "ayactl weight set main/two=1"),
        (
            &["algorithm", "set", "main", "least-connections"],
            "main algorithm round-robin → least-connections",
            "ayactl algorithm set main round-robin",
        ),
    ] {
        let done = scene.run(arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.err);
        assert!(done.out.contains(line) && done.out.contains(undo), "{arguments:?}: {}", done.out);
    }
    let already = scene.run(&["weight", "set", "main/two=3", "-o", "json"]);
    assert_eq!((already.code, &already.json()[0]["changed"]), (Some(0), &Value::Bool(false)));
}

#[test]
fn the_undo_that_is_printed_works() {
    let scene = scene();
    let done = scene.run(&["weight", "set", "main/two=9"]);
    let undo = done.out.trim().rsplit("undo: ayactl ").next().expect("an undo is printed").to_owned();

    let undone = scene.run(&undo.split(' ').collect::<Vec<_>>());

    assert_eq!(undone.code, Some(0), "{}", undone.err);
    assert_eq!(scene.daemon.control.backend("main/two").weight, 1);
}

#[test]
fn a_dry_run_changes_nothing() {
    let scene = scene();

    let tried = scene.run(&["weight", "set", "main/two=9", "--dry-run"]);

    assert_eq!(tried.code, Some(0));
    assert_eq!(scene.daemon.control.backend("main/two").weight, 1);
}

#[test]
fn describe_shows_the_three_axes_and_the_past() {
    let scene = scene();
    scene.run(&["maint", "main/one", "--reason", "new disk"]);

    let backend = scene.run(&["describe", "main/one"]);
    let pool = scene.run(&["describe", "main"]);

    for word in ["Admin:", "maint", "Health:", "Breaker:", "new disk"] {
        assert!(backend.out.contains(word), "{word} is not in {}", backend.out);
    }
    assert!(pool.out.contains("main/one") || pool.out.contains("one"), "{}", pool.out);
}

#[test]
fn exit_codes_tell_errors_apart() {
    let scene = scene();

    for (arguments, code, word) in [
        (&["drain", "main/onne"][..], 3, "main/one"),
        (&["describe", "mian"], 3, "main"),
        (&["algorithm", "set", "main", "round-robbin"], 3, "round-robin"),
        (&["weight", "set", "main/one=2", "--if-rev", "999"], 4, "revision"),
        (&["drain"], 2, "POOL/BACKEND"),
        (&["get", "nonsense"], 2, "backends"),
        (&["weight", "set", "main/one=heavy"], 2, "heavy"),
    ] {
        let failed = scene.run(arguments);
        assert_eq!(failed.code, Some(code), "{arguments:?}: {}{}", failed.out, failed.err);
        assert!(failed.err.contains(word), "{arguments:?}: {}", failed.err);
        assert_eq!(failed.out, "", "{arguments:?}");
    }
}

#[test]
fn without_a_daemon_the_exit_code_is_7_with_a_hint() {
    let nobody = outcome(&mut command(Path::new("/nonexistent/ayad.sock"), &["status"]));
    let json = outcome(&mut command(Path::new("/nonexistent/ayad.sock"), &["status", "-o", "json"]));

    assert_eq!((nobody.code, json.code), (Some(7), Some(7)));
    assert!(nobody.err.contains("hint: ") && nobody.err.contains("ayad --config"), "{}", nobody.err);
    assert!(
        json.err.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|e| e["hint"].is_string()))
    );
}

#[test]
fn the_last_backend_is_not_taken_out_without_yes() {
    let scene = scene();

    let refused = scene.run(&["maint", "main/*"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert!(scene.daemon.control.backends().iter().all(|backend| backend.admin.state == Admin::Ready));

    assert_eq!(scene.run(&["maint", "main/*", "--yes"]).code, Some(0));
    assert!(scene.daemon.control.backends().iter().all(|backend| backend.admin.state == Admin::Maint));
}

#[test]
fn names_travel_through_pipes() {
    let scene = scene();
    let names = scene.run(&["get", "backends", "-o", "name"]).out;
    let chosen: String = names.lines().filter(|name| name.ends_with("two")).collect();

    let mut drain =
        scene.command(&["drain", "-", "-o", "json"]).stdin(Stdio::piped()).spawn().expect("it runs");
    let mut input = drain.stdin.take().expect("the pipe was asked for");
    writeln!(input, "{chosen}").expect("it reads names");
    drop(input);
    let output = drain.wait_with_output().expect("it ends");

    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let changes: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(changes[0]["subject"], "main/two");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let scene = scene();

    let mut listing = scene.command(&["get", "algorithms"]).spawn().expect("it runs");
    drop(listing.stdout.take());

    assert_eq!(listing.wait().expect("it ends").code(), Some(0));
}

/// `ayactl watch`, and the events it prints.
struct Watch(Child, BufReader<std::process::ChildStdout>);

impl Watch {
    fn of(scene: &Scene) -> Self {
        let mut child = scene.command(&["watch", "-o", "jsonl"]).spawn().expect("it runs");
        let out = child.stdout.take().expect("the pipe was asked for");
        Self(child, BufReader::new(out))
    }

    fn event(&mut self) -> Value {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it prints lines");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Changes the weight of `main/one` until `watch` prints something, and returns that. Whether it already
/// reads the stream shows only in what it prints.
fn change_until_printed(scene: &Scene, watch: &mut Watch) -> Value {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| watch.event());
        let mut weights = 2..1000;
        wait::until_true("watch prints something", || {
            scene.daemon.control.set_weight("main/one", weights.next().expect("there are weights left"));
            reader.is_finished()
        });
        reader.join().expect("reading does not panic")
    })
}

/// A demo without a dashboard, and where its daemon and its proxy are.
fn demo() -> (Child, PathBuf, SocketAddr) {
    let mut command = Command::new(binary::ayactl());
    command.args(["demo", "--for", "1h", "--rate", "1"]).env_remove("AYA_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("ayactl can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("the pipe was asked for")).lines();
    let mut field = |name: &str| loop {
        let line = lines.next().expect("it says where it is").expect("it prints text");
        if let Some(value) = line.strip_prefix(name) {
            break value.trim().to_owned();
        }
    };
    let proxy = field("proxy").strip_prefix("http://").and_then(|address| address.parse().ok());
    (child, field("socket").into(), proxy.expect("an address"))
}

#[test]
fn a_demo_that_is_killed_leaves_no_daemon() {
    let (mut demo, socket, proxy) = demo();
    assert!(Control::at(&socket).answers() && TcpStream::connect(proxy).is_ok());

    demo.kill().expect("it runs");
    demo.wait().expect("it ends");

    wait::until_true("the daemon has ended", || !socket.exists() && TcpStream::connect(proxy).is_err());
    let folder = socket.parent().expect("it is in a folder");
    std::fs::remove_dir_all(folder).expect("nobody writes there any more");
}

#[test]
fn watch_prints_events_as_they_happen() {
    let scene = scene();
    let mut watch = Watch::of(&scene);

    let first = change_until_printed(&scene, &mut watch);

    assert_eq!((&first["kind"], &first["subject"]), (&"weight".into(), &"main/one".into()));
}

#[test]
fn watch_goes_on_after_a_restart_of_the_daemon() {
    let scene = scene();
    let mut watch = Watch::of(&scene);
    change_until_printed(&scene, &mut watch);

    let daemon = scene.daemon.restart("KILL");
    let options = ChangeOptions { reason: Some("after the restart".into()), ..ChangeOptions::default() };
    daemon.control.call_with(&SetWeight::new("main", "two", 900), &options);

    while watch.event()["cause"] != "after the restart" {}
}

#[test]
fn watch_goes_on_after_an_upgrade_and_shows_nothing_twice() {
    let mut scene = scene();
    let mut watch = Watch::of(&scene);
    let mut seq = change_until_printed(&scene, &mut watch)["seq"].as_u64().expect("events are numbered");

    scene.daemon.upgrade();
    let options = ChangeOptions { reason: Some("after the upgrade".into()), ..ChangeOptions::default() };
    scene.daemon.control.call_with(&SetWeight::new("main", "two", 900), &options);

    loop {
        let event = watch.event();
        assert_eq!(event["seq"], seq + 1, "{event}");
        seq += 1;
        if event["cause"] == "after the upgrade" {
            break;
        }
    }
}

#[test]
fn reload_and_version_talk_to_the_daemon() {
    let scene = scene();

    let reload = scene.run(&["reload", "-o", "json"]);
    let version = scene.run(&["version", "-o", "json"]);
    let metrics = scene.run(&["metrics"]);

    assert_eq!((reload.code, version.code, metrics.code), (Some(0), Some(0), Some(0)));
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")), "{}", version.out);
    assert!(metrics.out.contains("ayad"), "{}", metrics.out);
}

//! Checks that run programs: verdicts and causes, what programs are told, and that nothing of them is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::wait;
use tempfile::TempDir;

use super::{expect_down, expect_event, patient};

/// A program of a test, in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    /// A shell script that finds its folder in `$D`.
    fn new(text: &str) -> Self {
        let script = Self { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        script.becomes(text);
        script
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("check")
    }

    /// Replaced as a whole, so that nobody runs half of it.
    fn becomes(&self, text: &str) {
        let next = self.folder.path().join("next");
        let script = format!("#!/bin/sh\nD={}\n{text}\n", self.folder.path().display());
        let runs = fs::Permissions::from_mode(0o755);
        let written = fs::write(&next, script).and_then(|()| fs::set_permissions(&next, runs));
        written.and_then(|()| fs::rename(next, self.path())).expect("the folder can be written to");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits until every process whose number is in the file `pids` is gone, of which there is one at least.
    fn expect_all_gone(&self) {
        wait::until_true("there are processes", || !self.read("pids").is_empty());
        for pid in self.read("pids").lines() {
            wait::until_true(&format!("process {pid} is gone"), || is_gone(pid));
        }
    }

    fn keys(&self) -> String {
        format!("command = [\"{}\"]", self.path().display())
    }
}

/// True also for what has ended and nobody has waited for.
fn is_gone(pid: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

fn checked(keys: &str) -> (Backend, Daemon) {
    let backend = Backend::saying("ok");
    let daemon = Daemon::balancing(&[("one", backend.address)], &patient(keys));
    (backend, daemon)
}

#[test]
fn the_exit_status_is_the_verdict_and_the_first_line_its_cause() {
    let script = Script::new("echo all is well");
    let (_backend, daemon) = checked(&script.keys());
    daemon.control.expect_health("main/one", Health::Up);

    script.becomes("echo; printf 'DISK \\033[31mCRITICAL\\nmore\\n'; exit 2");
    expect_down(&daemon, "exit 2: DISK \u{fffd}[31mCRITICAL");
    script.becomes("exit 0");
    daemon.control.expect_health("main/one", Health::Up);
    script.becomes("echo on standard error >&2; exit 1");
    expect_down(&daemon, "exit 1: on standard error");
    script.becomes("kill -TERM $$");
    expect_down(&daemon, "signal 15");
}

#[test]
fn a_program_is_told_of_the_backend_and_of_nothing_else() {
    let script = Script::new("env > $D/env.next; echo \"$@\" > $D/args; mv $D/env.next $D/env");
    let backend = Backend::saying("ok");
    let (address, port) = (backend.address.to_string(), backend.address.port());
    let path = script.path();
    let keys = format!(
        "command = [\"{}\", \"-H\", \"{{host}}\", \"{{backend}}@{{pool}}\", \"{{\\\"a\\\": 1}}\"], env = {{ X = \"y z\" }}",
        path.display()
    );
    let daemon = Daemon::balancing(&[("one", backend.address)], &patient(&keys));
    daemon.control.expect_health("main/one", Health::Up);

    assert_eq!(script.read("args"), "-H 127.0.0.1 one@main {\"a\": 1}\n");
    let env = script.read("env");
    // The shell sets these itself.
    let own = |line: &&str| ["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|name| line.starts_with(name));
    let mut lines: Vec<_> = env.lines().filter(|line| !own(line)).collect();
    lines.sort_unstable();
    let (told_address, told_port) = (format!("AYA_ADDRESS={address}"), format!("AYA_PORT={port}"));
    let fixed = [&*told_address, "AYA_BACKEND=one", "AYA_HOST=127.0.0.1", "AYA_POOL=main", &told_port];
    assert_eq!(lines[..5], fixed);
    assert!(lines[5].starts_with("PATH=/") && lines[6] == "X=y z" && lines.len() == 7, "{lines:?}");
}

#[test]
fn a_program_that_hangs_is_killed_with_all_it_has_started() {
    for hangs in [
        "sleep 1000 & echo $! >> $D/pids; echo $$ >> $D/pids; wait",
        // This one ignores requests to end.
        "trap '' TERM INT HUP; echo $$ >> $D/pids; while :; do sleep 1000; done",
    ] {
        let script = Script::new(hangs);
        let (_backend, daemon) = checked(&script.keys());

        expect_down(&daemon, "timed out");
        script.becomes("exit 0");
        daemon.control.expect_health("main/one", Health::Up);
        script.expect_all_gone();
    }
}

#[test]
fn a_child_that_holds_the_pipe_keeps_nobody_waiting_and_is_not_left_behind() {
    let script = Script::new("sleep 1000 & echo $! >> $D/pids; exit 0");
    let (_backend, daemon) = checked(&script.keys());

    daemon.control.expect_health("main/one", Health::Up);
    script.becomes("exit 3");
    expect_down(&daemon, "exit 3");
    script.expect_all_gone();
}

#[test]
fn a_flood_of_output_finds_nobody_reading() {
    let script = Script::new("exec yes");
    let (_backend, daemon) = checked(&script.keys());

    expect_down(&daemon, "signal 13: y");
    script.becomes("head -c 60000 /dev/zero");
    daemon.control.expect_health("main/one", Health::Up);
}

#[test]
fn a_program_that_cannot_be_run_says_nothing_about_the_backend() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "#!/bin/sh\nexit 0\n").unwrap();
    let gone = folder.path().join("gone");
    for (program, why) in [(&plain, "Permission denied"), (&gone, "No such file or directory")] {
        let (_backend, daemon) = checked(&format!("command = [\"{}\"]", program.display()));

        expect_event(&daemon, &format!("checks cannot be made: {program:?} cannot be run: {why}"));
        assert_eq!(daemon.control.backend("main/one").health.state, Health::Unknown);
        let warned = daemon.control.events().into_iter().find(|event| event.kind == "config");
        assert!(warned.is_some_and(|event| event.cause.contains(&format!("{program:?}"))));
    }
}

/// Three backends whose checks run the script, at most one at a time.
fn one_at_a_time(script: &Script, interval: &str) -> (Backend, Daemon) {
    let backend = Backend::saying("ok");
    let names = ["one", "two", "three"].map(|name| (name, backend.address));
    let keys = script.keys();
    let health = format!("health = {{ interval = \"{interval}\", timeout = \"{interval}\", {keys} }}");
    let daemon = Setup::new(&pool(&names, &health)).daemon("max_commands = 1").start();
    (backend, daemon)
}

#[test]
fn no_more_programs_run_than_there_are_slots() {
    let script = Script::new("echo begin >> $D/log; sleep 0.02; echo end >> $D/log");
    let (_backend, daemon) = one_at_a_time(&script, "10s");
    for name in ["main/one", "main/two", "main/three"] {
        daemon.control.expect_health(name, Health::Up);
    }

    assert_eq!(script.read("log"), "begin\nend\n".repeat(3));
}

#[test]
fn a_check_without_a_slot_is_not_made() {
    let script = Script::new("echo $$ >> $D/pids; exec sleep 1000");
    let (_backend, daemon) = one_at_a_time(&script, "100ms");

    expect_event(&daemon, "checks cannot be made: daemon.max_commands is 1");
}

#[test]
fn programs_end_with_the_daemon_and_with_their_check() {
    let script = Script::new("echo $$ >> $D/pids; exec sleep 1000");
    let backend = Backend::saying("ok");
    let keys = format!("health = {{ interval = \"1h\", timeout = \"1h\", jitter = 0, {} }}", script.keys());
    // The first check comes within a tenth of the interval.
    let keys = keys.replace("1h", "5s");
    let mut daemon = Setup::new(&pool(&[("one", backend.address)], &keys)).start();
    wait::until_true("the program runs", || !script.read("pids").is_empty());

    daemon.reconfigure(&pool(&[("one", backend.address)], ""));
    script.expect_all_gone();

    fs::remove_file(script.folder.path().join("pids")).unwrap();
    daemon.reconfigure(&pool(&[("one", backend.address)], &keys));
    wait::until_true("the program runs", || !script.read("pids").is_empty());
    daemon.stop();
    script.expect_all_gone();
}

#[test]
fn the_words_of_a_cause_go_along_in_an_upgrade() {
    let script = Script::new("echo DISK full; exit 2");
    let (_backend, mut daemon) = checked(&script.keys());
    expect_down(&daemon, "exit 2: DISK full");

    // Without it nobody can find out again.
    fs::remove_file(script.path()).unwrap();
    daemon.upgrade();

    let health = daemon.control.backend("main/one").health;
    assert_eq!((health.state, health.cause.as_str()), (Health::Down, "exit 2: DISK full"));
}

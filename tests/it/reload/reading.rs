//! Reading the files again: bad ones, several, and what comes while they are read.

use aya_api::change::ChangeOptions;
use aya_api::command::reload::Reload;
use aya_api::error::ErrorCode;
use aya_tests::backend::Backend;
use aya_tests::client::{get, request};
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, members, pool};
use aya_tests::wait;

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
fn a_pipe_that_nobody_writes_to_is_given_up_and_may_be_replaced() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let mut daemon =
        Setup::new(&pool(&[("one", one.address)], "")).daemon("load_timeout = \"100ms\"").start();
    let file = daemon.folder().join("ayad.toml");
    std::fs::remove_file(&file).expect("the file can be removed");
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("there is mkfifo");
    assert!(made.success());

    // As often as readings may hang, and once more.
    for _ in 0..9 {
        daemon.control.refused(&Reload, &ChangeOptions::default());
    }
    std::fs::remove_file(&file).expect("the pipe can be removed");
    daemon.rewrite(&pool(&[("two", two.address)], ""));

    wait::until_true("the readings have been given up", || {
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

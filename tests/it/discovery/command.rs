//! What commands print, when they do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aya_api::view::Freshness;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, Setup};
use aya_tests::wait;

use super::{config, expect_looks, expect_names, expect_state, names, went_stale};

/// A daemon whose pool is what `list.sh` in its folder prints.
fn start(script: &str) -> Daemon {
    let mut setup = Setup::new("");
    let path = setup.folder().join("list.sh");
    let keys = "interval = \"60ms\", min_interval = \"60ms\", timeout = \"1s\", env = { LAST = \"9\" }";
    setup = setup.text(&config(&format!("{{ command = [\"{}\", \"a b\"], {keys} }}", path.display())));
    write(&path, script);
    setup.start()
}

fn write(path: &Path, script: &str) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).expect("the folder can be written to");
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(&fresh, path).expect("the file can be replaced");
}

#[test]
fn what_a_command_prints_is_the_set() {
    let backend = Backend::saying("one");
    let daemon =
        start(&format!("[ \"$1\" = 'a b' ] && echo '[\"{}\", \"127.0.0.1:'$LAST'\"]'", backend.address));
    expect_names(&daemon, &[&backend.address.to_string(), "127.0.0.1:9"]);
    wait::until_true("it serves", || get(daemon.address(), "/").text() == "one");
}

#[test]
fn a_command_that_fails_hangs_forks_or_talks_nonsense_keeps_the_last_good_set() {
    let daemon = start("echo '[\"127.0.0.1:9\"]'");
    expect_names(&daemon, &["127.0.0.1:9"]);
    let path = daemon.folder().join("list.sh");
    let pid = daemon.folder().join("pid");
    let hangs = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let bad = [
        ("echo no access >&2; exit 1", "exit status 1: no access"),
        (hangs.as_str(), "was killed"),
        ("yes", "printed over"),
        ("echo nonsense", "no JSON"),
        ("true", "empty"),
        ("echo '[]'", "empty"),
        ("kill -9 $$", "signal 9"),
    ];
    for (turn, (script, words)) in bad.iter().enumerate() {
        write(&path, script);
        let stale = expect_state(&daemon, Freshness::Stale);
        let cause = stale.cause.unwrap();
        assert!(cause.contains(words), "{cause:?} for {script:?}");
        expect_looks(&daemon, 1);
        assert_eq!((names(&daemon), went_stale(&daemon)), (vec!["127.0.0.1:9".to_owned()], turn + 1));
        write(&path, "echo '[\"127.0.0.1:9\"]'");
        expect_state(&daemon, Freshness::Fresh);
    }
    expect_gone(&pid);
    fs::remove_file(&path).unwrap();
    assert!(expect_state(&daemon, Freshness::Stale).cause.unwrap().contains("cannot be started"));
}

#[test]
fn what_a_command_leaves_behind_ends_with_its_answer_and_what_runs_with_the_daemon() {
    let daemon = start("sleep 600 & echo $! > ${0%/*}/left; echo '[\"127.0.0.1:9\"]'");
    expect_names(&daemon, &["127.0.0.1:9"]);
    expect_gone(&daemon.folder().join("left"));
    let setup = daemon.keep_setup();
    write(&daemon.folder().join("list.sh"), "echo $$ > ${0%/*}/hangs; exec sleep 600");
    let pid = daemon.folder().join("hangs");
    wait::until_true("it runs", || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    daemon.stop();
    expect_gone(&pid);
    drop(setup);
}

/// Waits until the process in this file has ended.
fn expect_gone(file: &Path) {
    wait::until_true("the process has ended", || {
        let pid = fs::read_to_string(file).expect("it was written");
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| stat.contains(") Z ")) || !Path::new("/proc").join(pid.trim()).exists()
    });
}

//! Starting where something is in the way: a clear error, and nothing of anybody else is touched.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, Ended, Setup, pool};

fn setup() -> Setup {
    Setup::new("listen = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:9\"]\n")
}

/// Checks that the daemon ended with an error that has these words and a hint.
fn expect_error(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    for word in words.iter().chain(&["error: ", "hint: "]) {
        assert!(ended.log.contains(word), "{word} is not in {}", ended.log);
    }
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
}

#[test]
fn a_control_socket_in_use_is_left_alone() {
    let running = setup().start();

    let ended = setup().socket(running.socket()).fail();

    expect_error(&ended, &["another ayad answers", "--control PATH"]);
    assert!(running.control.answers(), "the first daemon goes on");
}

#[test]
fn a_daemon_that_ends_leaves_the_socket_of_its_successor_alone() {
    let first = setup().start();
    fs::remove_file(first.socket()).expect("the socket can be removed");
    let second = setup().socket(first.socket()).start();
    // The folder of the first is also where the socket of the second is.
    let folder = first.keep_setup();

    assert_eq!(first.stop().code, Some(0));

    assert!(second.control.again().answers());
    drop(folder);
}

#[test]
fn a_stale_control_socket_is_replaced() {
    let setup = setup();
    let socket = setup.folder().join("control.sock");
    drop(UnixListener::bind(&socket).expect("the socket can be made"));
    assert!(socket.exists());

    let daemon = setup.start();

    assert!(daemon.control.answers());
}

#[test]
fn a_control_socket_in_a_missing_folder_is_told() {
    let setup = setup();
    let socket = setup.folder().join("missing/control.sock");

    let ended = setup.socket(&socket).fail();

    expect_error(&ended, &["missing/control.sock", "make the folder"]);
}

#[test]
fn a_file_at_the_path_of_the_control_socket_is_left_alone() {
    let setup = setup();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let precious = folder.path().join("precious");
    fs::write(&precious, "precious").expect("the file can be written");

    let ended = setup.socket(&precious).fail();

    expect_error(&ended, &["is not a socket"]);
    assert_eq!(fs::read_to_string(&precious).expect("it is still there"), "precious");
}

#[test]
fn a_port_in_use_is_told_with_who_to_look_for() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound");

    let ended = Setup::new(&format!("listen = \"{address}\"\nbackends = [\"127.0.0.1:9\"]\n")).fail();

    expect_error(&ended, &[&address.to_string(), "already in use", "ss -ltnp"]);
}

#[test]
fn two_daemons_do_not_share_a_port() {
    let backend = Backend::saying("first");
    let first = Daemon::balancing(&[("one", backend.address)], "");

    let second = pool(&[("one", backend.address)], "").replace("127.0.0.1:0", &first.address().to_string());
    let ended = Setup::new(&second).fail();

    expect_error(&ended, &["already in use"]);
    assert_eq!(get(first.address(), "/").text(), "first");
}

#[test]
fn a_backend_that_does_not_resolve_is_told_with_its_place() {
    let ended = Setup::new("listen = \"127.0.0.1:0\"\nbackends = [\"no-such-host.invalid:80\"]\n").fail();

    assert_eq!(ended.code, Some(1));
    for word in ["no-such-host.invalid", "does not resolve", "ayad.toml:3"] {
        assert!(ended.log.contains(word), "{word} is not in {}", ended.log);
    }
}

#[test]
fn ten_mistakes_are_told_at_once() {
    let ended = Setup::new(
        r#"
[listen.web]
bind = "localhost:80"
protocol = "htp"
colour = "red"
[pool.shop]
algorithm = "round-robbin"
backends = [{ name = "a", address = "http://a:80" }, { name = "b", weight = 2000, address = "127.0.0.1:1" }]
health = { interval = "2 lightyears", rise = 0 }
sticky = {}
[route.shop]
match = { method = "get" }
pool = "shp"
"#,
    )
    .fail();

    assert_eq!(ended.code, Some(1));
    for (mistake, words) in [
        ("an address to listen on", &["localhost:80", "127.0.0.1:80"][..]),
        ("a protocol", &["htp"]),
        ("an unknown key", &["colour"]),
        ("an algorithm", &["round-robbin", "round-robin"]),
        ("an address of a backend", &["http://a:80"]),
        ("a weight", &["2000"]),
        ("a duration", &["2 lightyears"]),
        ("a count", &["rise"]),
        ("sticky without a kind", &["sticky"]),
        ("a method", &["\"get\"", "GET"]),
        ("a pool", &["shp", "shop"]),
    ] {
        for word in words {
            assert!(ended.log.contains(word), "{mistake}: {word} is not in {}", ended.log);
        }
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_told() {
    let setup = setup();
    let missing = Setup::flags(&["--config", "/nonexistent/ayad.toml"]).fail();
    let broken = Setup::new("listen = 127.0.0.1:80").fail();

    assert_eq!((missing.code, broken.code), (Some(1), Some(1)));
    assert!(missing.log.contains("/nonexistent/ayad.toml"), "{}", missing.log);
    assert!(broken.log.contains("ayad.toml:2"), "{}", broken.log);
    drop(setup);
}

#[test]
fn an_unclosed_bracket_is_one_problem() {
    let ended = Setup::new("listen = [").fail();

    assert!(ended.log.contains("1 problem in"), "{}", ended.log);
}

#[test]
fn a_state_folder_that_cannot_be_made_is_told() {
    let setup = setup();
    let file = setup.folder().join("state");
    fs::write(&file, "a file where the folder should be").expect("it can be written");

    let ended = setup.fail();

    expect_error(&ended, &["state_dir", "--state-dir"]);
    drop(ended);
}

#[test]
fn nothing_to_do_is_wrong_usage_with_an_example() {
    let output = run(&[]);

    assert_eq!(output.0, Some(2));
    assert!(output.1.contains("backends = [") && output.1.contains("--listen"), "{}", output.1);
}

#[test]
fn check_reports_and_changes_nothing() {
    let setup = setup();
    let file = setup.folder().join("good.toml");
    fs::write(&file, "aya = 1\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:9\"]\n")
        .expect("it can be written");
    let good = run(&["check", path(&file)]);
    fs::write(&file, "aya = 1\nlisten = \"127.0.0.1:0\"\n").expect("it can be written");
    let bad = run(&["check", path(&file)]);

    assert_eq!((good.0, bad.0), (Some(0), Some(1)), "{} {}", good.1, bad.1);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// Runs `ayad` to its end; its exit code, and what it wrote to both outputs.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(aya_tests::binary::ayad()).args(arguments).output();
    let output = output.expect("ayad can be run");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

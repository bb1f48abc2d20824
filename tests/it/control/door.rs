//! The file of the control socket: found again when it is gone, and left to whoever has taken it.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};

use aya_api::event::{Event, Severity};
use aya_tests::backend::Backend;
use aya_tests::control::Control;
use aya_tests::daemon::Daemon;
use aya_tests::wait;

fn daemon() -> (Backend, Daemon) {
    let backend = Backend::saying("one");
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    (backend, daemon)
}

fn told(daemon: &Daemon, words: &str) -> Option<Event> {
    daemon.control.events().into_iter().find(|event| event.cause.contains(words))
}

fn expect_answers(daemon: &Daemon) {
    let control = Control::at(daemon.socket());
    wait::until_true("the daemon answers at its path", || control.answers());
}

#[test]
fn a_socket_whose_file_was_removed_is_bound_again_and_told() {
    let (_backend, mut daemon) = daemon();
    let mut stream = daemon.control.stream(None);

    fs::remove_file(daemon.socket()).expect("there is a file");
    // Who had come in stays, and is told.
    while !stream.event().cause.contains("the file of the control socket was gone; bound again at") {}
    drop(stream);

    expect_answers(&daemon);
    let event = told(&daemon, "bound again").expect("it is kept");
    assert_eq!((event.severity, event.kind.as_str()), (Severity::Warning, "daemon"));
    // It goes over like the first one, and ends like it.
    daemon.upgrade();
    expect_answers(&daemon);
    let socket = daemon.socket().to_owned();
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn a_path_that_somebody_else_has_taken_is_left_to_them_until_they_are_gone() {
    let (_backend, daemon) = daemon();
    let mut stream = daemon.control.stream(None);

    // Its number must not be given to the next file: not every file system tells when a file was born.
    fs::hard_link(daemon.socket(), daemon.folder().join("kept")).expect("a second name");
    fs::remove_file(daemon.socket()).expect("there is a file");
    let other = UnixListener::bind(daemon.socket()).expect("the path is free");
    let cause = loop {
        let event = stream.event();
        if event.cause.contains("control socket") {
            break event.cause;
        }
    };
    assert!(cause.contains("cannot be bound again: another ayad answers"), "{cause}");
    UnixStream::connect(daemon.socket()).expect("the other one still has its path");

    drop(other);
    while !stream.event().cause.contains("bound again at") {}
    drop(stream);
    expect_answers(&daemon);
}

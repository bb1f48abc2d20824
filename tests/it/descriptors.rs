//! Descriptors run out one day. That is the proxy's own affair: no backend is blamed, the operator is answered.

use std::fs;
use std::os::unix::net::UnixStream;

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, get, request};
use aya_tests::daemon::{Daemon, LISTEN, Setup, pool};
use aya_tests::wait;

/// Descriptors that the daemon may have.
const OPEN_FILES: usize = 256;
/// Clients that come and say nothing: more than that.
const CLIENTS: usize = 400;
/// Connections to the control socket that a script forgot: more than that, too.
const CALLERS: usize = 276;
/// Clients that are served: each needs another descriptor for its backend.
const SERVED: usize = 40;
/// Checks of a backend that make a verdict several times over.
const CHECKS: usize = 10;

/// A daemon short of descriptors whose only backend is up.
fn short_of_descriptors(backend: &Backend) -> Daemon {
    let keys = "health = { kind = \"tcp\", interval = \"200ms\", timeout = \"200ms\" }";
    // Nobody of the crowd is sent away for its silence.
    let patient = format!("{LISTEN}timeouts = {{ header = \"1h\", idle = \"1h\" }}\n");
    let setup = Setup::new(&pool(&[("one", backend.address)], keys).replace(LISTEN, &patient));
    let daemon = setup.limit(&format!("-n {OPEN_FILES}")).start();
    daemon.control.expect_health("main/one", Health::Up);
    daemon
}

/// Idle clients, of whom the daemon has taken as many as it takes.
fn crowd(daemon: &Daemon) -> Vec<Client> {
    let address = daemon.address();
    let crowd = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    let (mut last, mut same) = (0, 0);
    wait::until_true("no more of the crowd are taken", || {
        let open = open_files(daemon);
        same = if open == last { same + 1 } else { 0 };
        last = open;
        same > 50
    });
    crowd
}

fn open_files(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.pid());
    fs::read_dir(folder).expect("Linux tells").count()
}

#[test]
fn idle_clients_never_make_a_backend_go_down() {
    let backend = Backend::saying("served");
    let daemon = short_of_descriptors(&backend);
    let mut early = Client::connect(daemon.address());
    early.send(request("GET", "/", &[]));
    early.answer();

    let crowd = crowd(&daemon);
    let already = backend.connections();
    wait::until_true("the checks go on", || backend.connections() > already + CHECKS);

    early.send(request("GET", "/", &[]));
    assert_eq!(early.answer().text(), "served");
    drop(crowd);
    let control = daemon.control.again();
    assert_eq!(control.backend("main/one").health.state, Health::Up);
    let events = control.events();
    assert!(!events.iter().any(|event| event.to.as_deref() == Some("down")), "{events:?}");
}

#[test]
fn the_operator_is_answered_however_many_clients_there_are() {
    let backend = Backend::saying("served");
    let daemon = short_of_descriptors(&backend);

    let crowd = crowd(&daemon);
    for _ in 0..10 {
        assert_eq!(daemon.control.again().status().daemon.state, "running");
    }

    assert!(daemon.control.again().listeners()[0].connections < crowd.len() as u64);
}

#[test]
fn callers_who_say_nothing_take_no_descriptors_from_clients() {
    let backend = Backend::saying("served");
    let daemon = short_of_descriptors(&backend);
    let address = daemon.address();

    let callers: Vec<_> = (0..CALLERS).map(|_| UnixStream::connect(daemon.socket())).collect();

    assert_eq!(daemon.control.again().status().daemon.state, "running");
    assert!(open_files(&daemon) < OPEN_FILES / 2);
    assert_eq!(get(address, "/").text(), "served");
    assert!(callers.iter().all(Result::is_ok));
}

#[test]
fn those_who_are_turned_away_take_no_descriptors_from_those_who_are_served() {
    let backend = Backend::saying("served");
    let daemon = short_of_descriptors(&backend);
    let mut served: Vec<_> = (0..SERVED).map(|_| Client::connect(daemon.address())).collect();
    wait::until_true("they are taken", || daemon.control.again().listeners()[0].connections >= SERVED as u64);

    let turned_away = crowd(&daemon);
    for client in &mut served {
        client.send(request("GET", "/", &[]));
    }

    let answers: Vec<_> = served.iter_mut().map(|client| client.answer().text()).collect();
    assert!(answers.iter().all(|answer| answer == "served"), "{answers:?}");
    drop(turned_away);
}

#[test]
fn a_client_too_many_waits_or_is_told_so() {
    let backend = Backend::saying("served");
    let daemon = short_of_descriptors(&backend);
    let mut crowd = crowd(&daemon);

    let mut last = crowd.pop().expect("there is a crowd");
    // It may have been refused, and its connection closed, by now.
    drop(last.try_send(request("GET", "/", &[])));
    drop(crowd);

    let answer = last.answer();
    let told = (answer.status, answer.reason());
    assert!(matches!(told, (200, None) | (503, Some("too-many-connections"))), "{told:?}");
    wait::until_true("there is room again", || daemon.control.again().listeners()[0].connections < 2);
    assert_eq!(get(daemon.address(), "/").text(), "served");
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let backend = Backend::saying("served");
    let setup = Setup::new(&pool(&[("one", backend.address)], ""));
    let daemon = setup.limit("-Sn 100").limit("-Hn 900").start();

    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("Linux tells");

    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("it is a limit");
    let numbers: Vec<&str> = files.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers, ["900", "900"], "{files}");
}

//! Checks that begin a session with PostgreSQL, MySQL and Redis: what each says about itself, and answers that are none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::wait;

use super::{expect_down, patient};

/// What a server says: at first unasked, when it does so, then one answer to each thing it hears.
#[derive(Clone, Copy)]
struct Talk {
    greeting: &'static [u8],
    answers: &'static [&'static [u8]],
    hangs_up: bool,
}

impl Talk {
    const fn greeting(greeting: &'static [u8], answers: &'static [&'static [u8]]) -> Self {
        Self { greeting, answers, hangs_up: false }
    }

    const fn answering(answers: &'static [&'static [u8]]) -> Self {
        Self::greeting(b"", answers)
    }
}

/// A server whose talk can be changed, and what it heard in its last session.
struct Server {
    backend: Backend,
    talk: Arc<Mutex<Talk>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn new(talk: Talk) -> Self {
        let (talk, heard) = (Arc::new(Mutex::new(talk)), Arc::new(Mutex::new(Vec::new())));
        let (of_backend, hears) = (Arc::clone(&talk), Arc::clone(&heard));
        let backend = Backend::raw(move |stream| {
            let talk = *of_backend.lock().expect("no server panics");
            let session = converse(stream, talk);
            *hears.lock().expect("no server panics") = session;
        });
        Self { backend, talk, heard }
    }

    fn says(&self, talk: Talk) {
        *self.talk.lock().expect("no server panics") = talk;
    }

    fn expect_heard(&self, words: &[u8]) {
        wait::until_true("the server hears it", || {
            self.heard.lock().expect("no server panics").windows(words.len()).any(|window| window == words)
        });
    }

    fn checked(&self, keys: &str) -> Daemon {
        Daemon::balancing(&[("one", self.backend.address)], &patient(keys))
    }
}

/// Follows the talk, then listens until the other side hangs up, unless it hangs up itself. Returns what it heard.
fn converse(mut stream: TcpStream, talk: Talk) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    stream.set_read_timeout(Some(wait::DEADLINE)).expect("a socket can be set up");
    // Checks that have seen enough hang up, which is what some tests are about.
    let say = |stream: &mut TcpStream, bytes: &[u8]| stream.write_all(bytes).is_ok();
    if !say(&mut stream, talk.greeting) {
        return heard;
    }
    let mut answers = talk.answers.iter();
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        heard.extend_from_slice(&buffer[..count]);
        if answers.next().is_some_and(|answer| !say(&mut stream, answer)) {
            break;
        }
        if talk.hangs_up && answers.len() == 0 {
            break;
        }
    }
    heard
}

const ASKS_FOR_PASSWORD: Talk = Talk::answering(&[b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"]);
const STARTING_UP: Talk =
    Talk::answering(&[b"E\0\0\0\x3eSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"]);
const NO_SUCH_USER: Talk = Talk::answering(&[b"E\0\0\0\x1cSFATAL\0C28000\0Mno user\0\0"]);

#[test]
fn postgres_is_up_while_it_lets_people_log_in() {
    let server = Server::new(ASKS_FOR_PASSWORD);
    let daemon = server.checked("kind = \"postgres\", user = \"watcher\"");
    daemon.control.expect_health("main/one", Health::Up);
    server.expect_heard(b"\0\x03\0\0user\0watcher\0");

    server.says(STARTING_UP);
    expect_down(&daemon, "says 57P03 the database system is starting up");
    server.says(NO_SUCH_USER);
    daemon.control.expect_health("main/one", Health::Up);
    server.says(Talk::answering(&[b"R\0\0\0\x08\0\0\0\0"]));
    server.expect_heard(b"X\0\0\0\x04");
}

/// Protocol 10, version 8.4.0, a challenge, all capabilities.
const GREETING: &[u8] = b"\x4a\0\0\0\x0a8.4.0\0\x01\0\0\0challeng\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0challenge-12\0caching_sha2_password\0\0";

const SWITCH_AND_DENY: &[&[u8]] =
    &[b"\x17\0\0\x02\xfecaching_sha2_password\0", b"\x16\0\0\x04\xff\x15\x04#28000Access denied"];

#[test]
fn mysql_is_up_while_it_welcomes_or_turns_people_away() {
    let welcoming = Talk::greeting(GREETING, &[b"\x07\0\0\x02\0\0\0\x02\0\0\0"]);
    let server = Server::new(welcoming);
    let daemon = server.checked("kind = \"mysql\", user = \"watcher\"");
    daemon.control.expect_health("main/one", Health::Up);
    server.expect_heard(b"watcher\0\0mysql_native_password\0\x01\0\0\0\x01");

    server.says(Talk::greeting(b"\x17\0\0\0\xff\x10\x04Too many connections", &[]));
    expect_down(&daemon, "says 1040 Too many connections");

    // It wants its own kind of proof, and there is none: that is how most servers answer.
    server.says(Talk { greeting: GREETING, answers: SWITCH_AND_DENY, hangs_up: true });
    daemon.control.expect_health("main/one", Health::Up);

    server.says(Talk::greeting(GREETING, &[b"\x11\0\0\x02\xff\x1d\x04#08S01Shutdown"]));
    expect_down(&daemon, "says 1053 Shutdown");
}

#[test]
fn redis_is_up_while_it_answers_a_ping() {
    let server = Server::new(Talk::answering(&[b"+PONG\r\n"]));
    let daemon = server.checked("kind = \"redis\"");
    daemon.control.expect_health("main/one", Health::Up);
    server.expect_heard(b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n");

    server.says(Talk::answering(&[b"-LOADING Redis is loading the dataset in memory\r\n"]));
    expect_down(&daemon, "says LOADING Redis is loading the dataset in memory");
    server.says(Talk::answering(&[b"-NOAUTH Authentication required.\r\n"]));
    daemon.control.expect_health("main/one", Health::Up);
    server.says(Talk::answering(&[b"-MASTERDOWN Link with MASTER is down\r\n"]));
    expect_down(&daemon, "says MASTERDOWN Link with MASTER is down");
}

#[test]
fn redis_gets_its_password_from_a_file_and_nobody_else_does() {
    let server = Server::new(Talk::answering(&[b"+OK\r\n", b"+PONG\r\n"]));
    let keys = patient("kind = \"redis\", user = \"watcher\", password = \"file:redis.secret\"");
    let setup = Setup::new(&pool(&[("one", server.backend.address)], &keys));
    std::fs::write(setup.folder().join("redis.secret"), "hunter2\n").unwrap();
    let daemon = setup.start();
    daemon.control.expect_health("main/one", Health::Up);
    server.expect_heard(b"*3\r\n$4\r\nAUTH\r\n$7\r\nwatcher\r\n$7\r\nhunter2\r\n*1\r\n$4\r\nPING\r\n");

    server.says(Talk::answering(&[b"-WRONGPASS invalid username-password pair\r\n"]));
    expect_down(&daemon, "says WRONGPASS invalid username-password pair");
    for path in ["/v1/pools", "/v1/backends", "/v1/events", "/metrics"] {
        assert!(!daemon.control.text(path).contains("hunter2"), "{path} tells the password");
    }
    assert!(!daemon.log().contains("hunter2"));
}

#[test]
fn redis_is_down_when_it_is_not_what_it_should_be() {
    let server = Server::new(Talk::answering(&[b"+PONG\r\n", b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"]));
    let daemon = server.checked("role = \"master\"");
    daemon.control.expect_health("main/one", Health::Up);

    server.says(Talk::answering(&[b"+PONG\r\n", b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n"]));
    expect_down(&daemon, "says role slave");
}

/// What no server says that is well, for each kind: what a check makes of it.
const WRONG: [(&str, Talk, &str); 13] = [
    ("postgres", Talk::answering(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), "garbage"),
    ("postgres", Talk::answering(&[b"R\xff\xff\xff\xff"]), "garbage"),
    ("postgres", Talk::answering(&[b"R\0\0\0\0"]), "garbage"),
    ("postgres", Talk::answering(&[b"E\0\0"]), "timed out"),
    ("postgres", Talk { greeting: b"", answers: &[b"E\0\0\0\x40SFATAL"], hangs_up: true }, "closed early"),
    ("mysql", Talk::greeting(b"SSH-2.0-OpenSSH_9.2\r\n", &[]), "garbage"),
    ("mysql", Talk::greeting(b"\xff\xff\xff\0\x0a", &[]), "garbage"),
    ("mysql", Talk::greeting(b"\x07\0\0\0\x0a8.4.0\0", &[]), "garbage"),
    ("mysql", Talk::greeting(b"\x49\0\0\0\x0a8.4", &[]), "timed out"),
    ("mysql", Talk { greeting: GREETING, answers: &[], hangs_up: true }, "closed early"),
    ("redis", Talk::answering(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), "garbage"),
    ("redis", Talk::answering(&[&[b'+'; 4000]]), "garbage"),
    ("redis", Talk { greeting: b"", answers: &[b"+PO"], hangs_up: true }, "closed early"),
];

#[test]
fn garbage_halves_huge_lengths_and_silence_are_told_apart() {
    for (kind, talk, cause) in WRONG {
        let server = Server::new(talk);
        let daemon = server.checked(&format!("kind = \"{kind}\""));
        expect_down(&daemon, cause);
    }
    for kind in ["postgres", "mysql", "redis", "grpc"] {
        let silent = Backend::silent();
        let daemon = Daemon::balancing(&[("one", silent.address)], &patient(&format!("kind = \"{kind}\"")));
        expect_down(&daemon, "timed out");
        silent.die();
        expect_down(&daemon, "refused");
    }
}

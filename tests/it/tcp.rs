//! TCP listeners: bytes both ways, whatever they mean, and the end of each connection told to both sides.

mod ends;
mod introduced;
mod names;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use aya_api::axis::{Admin, Breaker, Health};
use aya_tests::backend::Backend;
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, Setup, members};
use aya_tests::wait::{self, Gate};

/// What is said of a listener `main` that speaks TCP, with a route to the pool `main`.
pub(super) const LISTEN: &str = "[listen.main]\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\nLISTEN_KEYS\n[route.main]\nlisten = \"main\"\npool = \"main\"\n";

/// A configuration with that listener and these backends.
pub(super) fn config(backends: &[(&str, SocketAddr)], listen_keys: &str, pool_keys: &str) -> String {
    let health = if pool_keys.contains("health") { "" } else { "health = { kind = \"none\" }\n" };
    let listen = LISTEN.replace("LISTEN_KEYS", listen_keys);
    format!("{listen}[pool.main]\nbackends = {}\n{health}{pool_keys}\n", members(backends))
}

pub(super) fn daemon(backends: &[(&str, SocketAddr)], pool_keys: &str) -> Daemon {
    Daemon::start(&config(backends, "", pool_keys))
}

/// Sends everything back that comes, until the other side has ended.
pub(super) fn echo() -> Backend {
    Backend::raw(|mut stream| {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if stream.write_all(&bytes[..read]).is_err() {
                return;
            }
        }
    })
}

/// Says its name to whoever connects, then waits for their end.
pub(super) fn greeting(name: &'static str) -> Backend {
    Backend::raw(move |mut stream| {
        // A client may have gone already.
        if stream.write_all(format!("{name}\n").as_bytes()).is_ok() {
            drop(stream.read(&mut [0; 64]));
        }
    })
}

/// The lines of an access log once there are `count`.
pub(crate) fn logged(path: &std::path::Path, count: usize) -> Vec<serde_json::Value> {
    wait::until("the log has its lines", || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// Connects and reads a byte. A reset may come so early that connecting itself fails.
fn greeted(daemon: &Daemon) -> std::io::Result<u8> {
    Client::try_connect(daemon.address())?.try_byte()
}

#[test]
fn bytes_go_both_ways_and_the_connection_is_one_request() {
    let backend = echo();
    let setup = Setup::new(&config(&[("one", backend.address)], "", ""));
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let mut client = Client::connect(daemon.address());

    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    assert_eq!(daemon.control.backend("main/one").traffic.in_flight, 1);
    assert_eq!(daemon.control.listeners()[0].protocol, "tcp");
    client.finish_sending();
    client.expect_close();

    let line = &logged(&log, 1)[0];
    assert_eq!(
        (&line["protocol"], &line["backend"], &line["reason"]),
        (&"tcp".into(), &"one".into(), &().into())
    );
    assert_eq!(
        (&line["bytes_received"], &line["bytes_sent"], &line["attempts"]),
        (&5.into(), &5.into(), &1.into())
    );
    let traffic = daemon.control.backend("main/one").traffic;
    assert_eq!((traffic.in_flight, traffic.requests, traffic.failures), (0, 1, 0));
}

#[test]
fn a_server_may_speak_first() {
    let backend = greeting("hello from the server");
    let daemon = daemon(&[("one", backend.address)], "");

    let mut client = Client::connect(daemon.address());

    assert_eq!(client.line(), "hello from the server");
}

#[test]
fn a_backend_that_is_down_is_passed_over() {
    let (down, up) = (Backend::refusing(), greeting("up"));
    let daemon = daemon(&[("down", down.address), ("up", up.address)], "algorithm = \"round-robin\"");

    for _ in 0..4 {
        assert_eq!(Client::connect(daemon.address()).line(), "up");
    }

    let down = daemon.control.expect_health("main/down", Health::Down);
    assert_eq!((down.traffic.requests, down.traffic.failures), (1, 1), "asked once and never again");
}

#[test]
fn without_a_backend_the_client_is_told_by_a_reset() {
    let down = Backend::refusing();
    let daemon = daemon(&[("down", down.address)], "");

    let error = greeted(&daemon).unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_breaker_opens_and_the_next_connection_may_try() {
    let backend = greeting("back");
    let keys = "attempts = 1\nbreaker = { failures = 1, open = \"50ms\" }\ntimeouts = { connect = \"1s\" }";
    let daemon = daemon(&[("one", backend.address)], keys);
    backend.refuse();
    assert!(greeted(&daemon).is_err());
    assert_ne!(daemon.control.backend("main/one").breaker.state, Breaker::Closed);
    backend.reopen();

    wait::until("it is tried again", || greeted(&daemon).ok());

    assert_eq!(daemon.control.backend("main/one").breaker.state, Breaker::Closed);
}

#[test]
fn draining_keeps_connections_and_sends_new_ones_elsewhere() {
    let (one, two) = (echo(), greeting("two"));
    let daemon = daemon(&[("one", one.address), ("two", two.address)], "");
    daemon.control.set_admin("main/two", Admin::Maint);
    let mut old = Client::connect(daemon.address());
    old.send("a");
    assert_eq!(old.bytes(1), b"a");
    daemon.control.set_admin("main/two", Admin::Ready);

    daemon.control.set_admin("main/one", Admin::Draining);

    for _ in 0..3 {
        assert_eq!(Client::connect(daemon.address()).line(), "two");
    }
    old.send("b");
    assert_eq!(old.bytes(1), b"b");
    assert_eq!(daemon.control.backend("main/one").admin.state, Admin::Draining);
    old.finish_sending();
    old.expect_close();
    daemon.control.expect_admin("main/one", Admin::Drained);
}

#[test]
fn a_client_returns_to_its_backend_by_its_address() {
    let (one, two) = (greeting("one"), greeting("two"));
    let backends = [("one", one.address), ("two", two.address)];
    let daemon = daemon(&backends, "algorithm = \"round-robin\"\nsticky = { source = true }");

    let first = Client::connect(daemon.address()).line();

    for _ in 0..5 {
        assert_eq!(Client::connect(daemon.address()).line(), first);
    }
}

#[test]
fn too_many_connections_are_reset() {
    let backend = greeting("in");
    let daemon = Daemon::start(&config(&[("one", backend.address)], "max_connections = 1", ""));
    let mut first = Client::connect(daemon.address());
    assert_eq!(first.line(), "in");

    assert!(greeted(&daemon).is_err());

    assert_eq!(daemon.control.listeners()[0].refused, 1);
}

#[test]
fn a_hundred_megabytes_arrive_as_they_were_sent() {
    const PIECES: usize = 1600;
    let sum = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&sum);
    let backend = Backend::raw(move |mut stream| {
        let mut hash = Checksum::default();
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            hash.add(&bytes[..read]);
        }
        seen.store(hash.value(), Ordering::SeqCst);
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    let mut hash = Checksum::default();
    let mut piece: Vec<u8> = (0..1 << 16).map(|at: u32| (at ^ (at >> 7)) as u8).collect();

    for nth in 0..PIECES {
        piece[nth] ^= nth as u8;
        hash.add(&piece);
        stream.write_all(&piece).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);

    assert_eq!(sum.load(Ordering::SeqCst), hash.value());
    assert_eq!(hash.length, PIECES << 16);
}

/// FNV-1a over eight lanes, and the length.
#[derive(Default)]
struct Checksum {
    lanes: [u64; 8],
    length: usize,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let lane = &mut self.lanes[self.length % 8];
            *lane = (*lane ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            self.length += 1;
        }
    }

    fn value(&self) -> usize {
        self.lanes.iter().fold(self.length, |sum, lane| sum.rotate_left(7) ^ *lane as usize)
    }
}

#[test]
fn a_slow_reader_slows_its_writer() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let backend = Backend::raw(move |mut stream| {
        opened.pass();
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let daemon = daemon(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    let taken = AtomicUsize::new(0);
    let full = Gate::default();

    thread::scope(|scope| {
        scope.spawn(|| client.pour(256 << 20, &taken, &full));
        full.pass();
        let held = taken.load(Ordering::SeqCst);
        assert!(held < 128 << 20, "{held} bytes were taken for a backend that reads nothing");
        gate.open();
    });

    assert_eq!(taken.load(Ordering::SeqCst), 256 << 20);
}

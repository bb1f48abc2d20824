//! The engine against targets that behave, and against those that do not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aya_load::engine::{Fixed, Job, Step, start};
use aya_load::plan::{Arrivals, Model, Plan, Target};
use aya_load::profile::Profile;
use aya_load::record::{Ended, ErrorKind, Recording};
use aya_load::report::{Report, Word};

/// A server of one behaviour, until it is dropped.
struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Each connection is handed to `serve` on a thread of its own.
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = socket.local_addr().expect("it is bound");
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, serve) = (Arc::clone(&ended), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            for stream in socket.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { continue };
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// Answers every request of a connection with `answer`.
    fn answers(answer: &'static str) -> Self {
        Self::start(move |mut stream| {
            while head(&mut stream).is_some() {
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request without a body.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0; 1];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn plan(server: &Server, connections: u32) -> Plan {
    let mut plan = Plan::to(Target::plain(&server.address.to_string(), "/"));
    plan.connections = connections;
    plan.timeout_ms = 1_000;
    plan
}

fn open(mut plan: Plan, rate: f64, millis: u64) -> Recording {
    plan.model = Model::Open;
    plan.length_ms = millis;
    run(plan, Some(Profile::constant(rate, Duration::from_millis(millis))))
}

fn closed(mut plan: Plan, requests: u64) -> Recording {
    plan.requests = Some(requests);
    plan.length_ms = 20_000;
    run(plan, None)
}

fn run(plan: Plan, profile: Option<Profile>) -> Recording {
    let requests = Arc::new(Fixed::new(&plan, &[], Vec::new()).expect("it is valid"));
    let mut running = start(Job { plan, profile, requests, parts: 1 }).expect("it starts");
    while running.next(Duration::from_secs(60)) != Step::Over {}
    running.finish(Ended::Done)
}

fn errors(seen: &Recording, kind: ErrorKind) -> u64 {
    seen.total.errors.get(&kind).copied().unwrap_or(0)
}

#[test]
fn every_request_of_the_profile_is_sent_once_and_counted_once() {
    let server = Server::answers(HELLO);
    for (arrivals, threads) in [(Arrivals::Constant, 1), (Arrivals::Poisson, 2), (Arrivals::Burst(10), 2)] {
        let mut plan = plan(&server, 32);
        (plan.arrivals, plan.threads) = (arrivals, threads);
        plan.timeout_ms = 20_000;
        let seen = open(plan, 400.0, 1_500);
        let total = &seen.total;
        assert_eq!(total.offered, total.answered, "{arrivals:?}: {total:?}");
        assert_eq!(total.sent, total.answered);
        assert!((480..=720).contains(&total.offered), "{arrivals:?} offered {}", total.offered);
        assert_eq!(total.response.count(), total.answered);
        assert_eq!(total.bytes, 5 * total.answered);
        let by_second: u64 = seen.seconds.iter().map(|second| second.seen.answered).sum();
        assert_eq!(by_second, total.answered);
        let offered: u64 = seen.seconds.iter().map(|second| second.seen.offered).sum();
        assert_eq!(offered, total.offered);
    }
}

#[test]
fn a_closed_loop_sends_as_many_as_it_should_over_its_connections() {
    let server = Server::answers(HELLO);
    let seen = closed(plan(&server, 4), 1_000);
    assert_eq!((seen.total.answered, seen.generator.connections), (1_000, 4));
    assert!(seen.total.errors.is_empty(), "{:?}", seen.total.errors);
}

#[test]
fn bodies_of_every_framing_are_read_to_their_end() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for answer in [HELLO, chunked] {
        let server = Server::answers(answer);
        let seen = closed(plan(&server, 2), 50);
        assert_eq!((seen.total.answered, seen.total.bytes), (50, 250), "{answer}");
        assert_eq!(seen.generator.connections, 2, "{answer}");
    }
    let empty = Server::answers("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(closed(plan(&empty, 1), 20).total.statuses, [(204, 20)].into());
    let head_only = Server::answers("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n");
    let mut to_head = plan(&head_only, 1);
    to_head.method = "HEAD".into();
    assert_eq!(closed(to_head, 20).total.answered, 20);
    let interim =
        Server::answers("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(closed(plan(&interim, 1), 20).total.statuses, [(200, 20)].into());
}

#[test]
fn a_target_that_closes_after_each_answer_is_connected_to_again() {
    let server = Server::start(|mut stream| {
        if head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let seen = closed(plan(&server, 3), 200);
    assert_eq!(seen.total.answered, 200, "{:?}", seen.total.errors);
    assert!(seen.generator.connections >= 200);
    assert!(seen.generator.most_open <= 3);
}

#[test]
fn a_connection_that_the_target_closed_while_it_was_idle_takes_no_request() {
    let server = Server::start(|mut stream| {
        if head(&mut stream).is_some() {
            let _ = stream.write_all(HELLO.as_bytes());
        }
    });
    let mut plan = plan(&server, 4);
    plan.timeout_ms = 2_000;
    let seen = open(plan, 20.0, 1_000);
    assert_eq!((seen.total.offered, seen.total.answered), (20, 20), "{:?}", seen.total.errors);
    assert_eq!(seen.generator.connections, 20);
}

#[test]
fn what_had_no_answer_at_the_end_has_failed() {
    let silent = Server::start(|mut stream| while head(&mut stream).is_some() {});
    let mut plan = plan(&silent, 2);
    plan.timeout_ms = 300;
    let seen = open(plan, 20.0, 500);
    assert_eq!(errors(&seen, ErrorKind::Timeout), 10, "{:?}", seen.total.errors);
    assert_eq!((seen.total.failed, seen.total.error_share()), (10, Some(1.0)));
}

#[test]
fn what_goes_wrong_has_its_name() {
    let early = Server::start(|mut stream| {
        if head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf");
        }
    });
    assert_eq!(errors(&closed(plan(&early, 1), 20), ErrorKind::ClosedEarly), 20);
    let garbage = Server::start(|mut stream| {
        if head(&mut stream).is_some() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n");
        }
    });
    assert_eq!(errors(&closed(plan(&garbage, 1), 20), ErrorKind::Garbage), 20);
    let gone = {
        let server = Server::answers(HELLO);
        plan(&server, 1)
    };
    assert_eq!(errors(&closed(gone, 20), ErrorKind::Refused), 20);
}

#[test]
fn a_target_that_never_answers_has_timeouts_and_is_not_waited_for() {
    let server = Server::start(|mut stream| {
        let mut everything = Vec::new();
        let _ = stream.read_to_end(&mut everything);
    });
    let seen = open(plan(&server, 100), 50.0, 1_000);
    assert_eq!(seen.total.offered, 50);
    assert_eq!(errors(&seen, ErrorKind::Timeout), 50, "{:?}", seen.total.errors);
    assert_eq!(Report::of(&seen).verdict.word, Word::TargetBound);
}

#[test]
fn what_waits_for_a_connection_counts_from_its_planned_moment() {
    // At least 50 ms each over two connections: 40 a second at most, and 80 are asked for.
    let server = Server::start(|mut stream| {
        while head(&mut stream).is_some() {
            let mut nothing = [0; 1];
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.peek(&mut nothing);
            let _ = stream.set_read_timeout(None);
            if stream.write_all(HELLO.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut plan = plan(&server, 2);
    plan.timeout_ms = 20_000;
    let seen = open(plan, 80.0, 1_000);
    let total = &seen.total;
    assert_eq!(total.answered, 80);
    let (response, service) = (total.response.percentile_ms(99.0), total.service.percentile_ms(99.0));
    assert!(response > Some(700.0), "response {response:?}");
    assert!(service < response, "service {service:?} of {response:?}");
    assert!(total.waited > 20, "{} waited", total.waited);
    assert_eq!(Report::of(&seen).verdict.word, Word::TargetBound);
}

#[test]
fn what_is_sent_in_the_warm_up_does_not_count() {
    let server = Server::answers(HELLO);
    let mut plan = plan(&server, 8);
    (plan.warmup_ms, plan.timeout_ms) = (1_000, 20_000);
    let seen = open(plan, 100.0, 2_000);
    assert_eq!(seen.total.answered, 100);
    assert!(seen.seconds.iter().all(|second| second.at >= 1));
}

#[test]
fn a_stopped_test_ends_soon_with_what_there_is() {
    let server = Server::answers(HELLO);
    let mut plan = plan(&server, 8);
    (plan.model, plan.length_ms) = (Model::Open, 600_000);
    let profile = Profile::constant(200.0, Duration::from_secs(600));
    let requests = Arc::new(Fixed::new(&plan, &[], Vec::new()).expect("it is valid"));
    let mut running = start(Job { plan, profile: Some(profile), requests, parts: 4 }).expect("it starts");
    while !matches!(running.next(Duration::from_secs(30)), Step::Part(part) if part >= 3) {}
    let window = running.window();
    assert!(window.seen.sent > 0 && window.seconds.to_bits() == 1.0_f64.to_bits(), "{window:?}");
    running.control().stop();
    while running.next(Duration::from_secs(30)) != Step::Over {}
    let seen = running.finish(Ended::Interrupted);
    assert!(seen.total.answered > 0, "{:?}", seen.total);
    assert!(Report::of(&seen).ended_early.is_some());
}

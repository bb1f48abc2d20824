//! A request that waits long is sent to a second backend as well: which ones are, what becomes of the slower attempt,
//! and what is told of both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aya_tests::backend::{Backend, Then, Visit};
use aya_tests::client::{Client, ask, get, request};
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::h2::{self, Incoming, Server};
use aya_tests::load;
use aya_tests::rough::Pulse;
use aya_tests::wait::{self, Gate};

/// Half of the requests of this pool would be hedged, were it not for the least delay.
const EAGER: &str = "hedge = { after = \"p50\", min = \"20ms\" }\n";
/// How long a first backend takes for which no second one stands in: far beyond the delay of a hedge.
const LATE: Duration = Duration::from_millis(400);
/// Latencies from which a percentile is taken, and some more.
const KNOWN_AFTER: usize = 150;

/// What the scripts of both backends share.
#[derive(Default)]
struct Stage {
    /// Opens with the first request at the second backend.
    second_asked: Gate,
    /// Opens when requests that are held are to be answered.
    release: Gate,
    never: Gate,
    /// Requests at each backend whose connection was closed before they were answered.
    cancelled: [AtomicUsize; 2],
}

impl Stage {
    fn first(&self, visit: &mut Visit<'_>) -> std::io::Result<Then> {
        match visit.target() {
            "/hang" | "/outlast" => return Ok(self.hang(0, visit)),
            "/close" => {
                self.second_asked.pass();
                return Ok(Then::Close);
            }
            "/busy" => return visit.answer(503, "busy"),
            "/hints" => {
                visit.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
                self.never.linger(LATE);
            }
            "/late" => self.second_asked.linger(LATE),
            "/alone" => self.never.linger(LATE),
            "/hold" => self.release.pass(),
            _ => {}
        }
        visit.answer(200, "first")
    }

    fn second(&self, visit: &mut Visit<'_>) -> std::io::Result<Then> {
        self.second_asked.open();
        match visit.target() {
            "/late" => return Ok(self.hang(1, visit)),
            "/hold" | "/close" => self.release.pass(),
            "/outlast" => self.expect_cancelled(0),
            _ => {}
        }
        visit.answer(200, "second")
    }

    fn hang(&self, which: usize, visit: &mut Visit<'_>) -> Then {
        visit.wait_for_close();
        self.cancelled[which].fetch_add(1, Ordering::SeqCst);
        Then::Close
    }

    fn expect_cancelled(&self, which: usize) {
        let cancelled = || self.cancelled[which].load(Ordering::SeqCst);
        wait::until_true("the slower attempt is dropped", || cancelled() == 1);
    }
}

/// A daemon before two backends, of which the first one is asked first.
struct Bench {
    stage: Arc<Stage>,
    first: Backend,
    second: Backend,
    daemon: Daemon,
    log: PathBuf,
}

impl Bench {
    /// A pool with these keys.
    fn plain(keys: &str) -> Self {
        let stage = Arc::new(Stage::default());
        let (for_first, for_second) = (Arc::clone(&stage), Arc::clone(&stage));
        let first = Backend::with(move |visit| for_first.first(visit));
        let second = Backend::with(move |visit| for_second.second(visit));
        let (daemon, log) = logging(&[("first", first.address), ("second", second.address)], keys);
        Self { stage, first, second, daemon, log }
    }

    /// A pool with these keys that hedges, and knows after what time.
    fn hedging(keys: &str) -> Self {
        let bench = Self::plain(&format!("{EAGER}{keys}"));
        learn(&bench.daemon);
        bench
    }

    fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    fn in_flight(&self) -> u64 {
        self.daemon.control.backends().iter().map(|backend| backend.traffic.in_flight).sum()
    }

    fn expect_nothing_in_flight(&self) {
        wait::until_true("nothing is in flight", || self.in_flight() == 0);
    }
}

/// A daemon that asks the backend `first` whenever it may, and writes an access log: where.
fn logging(backends: &[(&str, SocketAddr)], keys: &str) -> (Daemon, PathBuf) {
    // The other one would have its turn after some five hundred requests.
    let text = pool(backends, &format!("algorithm = \"weighted-round-robin\"\n{keys}"));
    let setup = Setup::new(&text.replace("name = \"first\"", "name = \"first\", weight = 1000"));
    let log = setup.folder().join("access.jsonl");
    (setup.daemon(&format!("access_log = \"{}\"", log.display())).start(), log)
}

/// Has the pool answer until it is known what slow is.
fn learn(daemon: &Daemon) {
    load::send(daemon.address(), KNOWN_AFTER).expect_all_fine();
    wait::until_true("it is known what slow is", || {
        daemon.control.text("/metrics").contains("ayad_pool_hedge_delay_seconds{pool=\"main\"}")
    });
}

/// The last line of the log about this path.
fn line(log: &Path, path: &str) -> serde_json::Value {
    wait::until("the request is logged", || {
        let text = std::fs::read_to_string(log).ok()?;
        let whole = text.rsplit_once('\n')?.0;
        let mut lines = whole.lines().rev().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        lines.find(|line: &serde_json::Value| line["uri"] == path)
    })
}

/// What the log says of the request for this path: how the hedge ended, who answered, and who else was asked.
fn logged(log: &Path, path: &str) -> (String, String, Vec<String>) {
    let line = line(log, path);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    let others = line["failed_attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(line["attempts"], others.len() + usize::from(line["backend"].is_string()), "{line}");
    let others = others.iter().map(|one| format!("{} {}", text(&one["backend"]), text(&one["outcome"])));
    (text(&line["hedge"]), text(&line["backend"]), others.collect())
}

fn told(hedge: &str, backend: &str, others: &[&str]) -> (String, String, Vec<String>) {
    (hedge.to_owned(), backend.to_owned(), others.iter().map(|&one| one.to_owned()).collect())
}

/// Hedges sent, and how many of them were faster.
fn counted(daemon: &Daemon) -> (u64, u64) {
    let text = daemon.control.text("/metrics");
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{pool=\"main\"} "));
        line.and_then(|count| count.parse().ok()).expect("the metric is there")
    };
    (count("ayad_pool_hedges_total"), count("ayad_pool_hedges_won_total"))
}

#[test]
fn hints_of_an_attempt_that_may_lose_are_passed_on() {
    let bench = Bench::hedging("");
    let mut client = Client::connect(bench.address());

    client.send(request("GET", "/hints", &[]));

    let hints = client.head();
    assert_eq!((hints.word(1), hints.field("link")), ("103", Some("</a>")));
    assert_eq!(client.answer().text(), "second");
}

#[test]
fn a_hedge_that_answers_first_is_passed_on_and_the_first_attempt_is_dropped() {
    let bench = Bench::hedging("");

    assert_eq!(get(bench.address(), "/hang").text(), "second");

    bench.stage.expect_cancelled(0);
    assert_eq!(logged(&bench.log, "/hang"), told("won", "second", &["first given-up"]));
    assert_eq!(counted(&bench.daemon), (1, 1));
    assert_eq!(bench.daemon.control.backend("main/first").traffic.failures, 0, "slow is no failure");
    bench.expect_nothing_in_flight();
}

#[test]
fn a_hedge_that_is_slower_is_dropped() {
    let bench = Bench::hedging("");

    assert_eq!(get(bench.address(), "/late").text(), "first");

    bench.stage.expect_cancelled(1);
    assert_eq!(logged(&bench.log, "/late"), told("lost", "first", &["second given-up"]));
    assert_eq!(counted(&bench.daemon), (1, 0));
    bench.expect_nothing_in_flight();
}

#[test]
fn an_attempt_that_fails_beside_a_hedge_counts_as_a_failure_and_costs_the_client_nothing() {
    let bench = Bench::hedging("");
    let mut client = Client::connect(bench.address());
    let before = bench.first.requests();

    client.send(request("GET", "/close", &[]));
    // It is asked on a kept connection, and once more on a fresh one.
    bench.first.expect_requests(before + 2);
    bench.first.expect_no_connections();
    Pulse::of(bench.daemon.pid(), 1).settle();
    bench.stage.release.open();

    assert_eq!(client.answer().text(), "second");
    assert_eq!(bench.daemon.control.backend("main/first").traffic.failures, 1);
    assert_eq!(logged(&bench.log, "/close"), told("won", "second", &["first closed-early"]));
    bench.expect_nothing_in_flight();
}

#[test]
fn when_both_take_too_long_both_are_told() {
    let bench = Bench::hedging("timeouts = { first_byte = \"200ms\" }\n");

    let answer = get(bench.address(), "/hold");

    assert_eq!((answer.status, answer.reason()), (504, Some("first-byte-timeout")));
    let both = ["first first-byte-timeout"];
    assert_eq!(logged(&bench.log, "/hold"), told("lost", "second", &both));
    bench.expect_nothing_in_flight();
    bench.stage.release.open();
}

#[test]
fn the_deadline_of_an_attempt_is_not_moved_by_the_one_beside_it() {
    let bench = Bench::plain("hedge = { after = \"p50\", min = \"500ms\" }\nretry = { per_try = \"1s\" }\n");
    learn(&bench.daemon);

    // The second attempt answers once the first one has had its time, and has half a second for it.
    assert_eq!(get(bench.address(), "/outlast").text(), "second");

    assert_eq!(logged(&bench.log, "/outlast"), told("won", "second", &["first first-byte-timeout"]));
}

#[test]
fn a_client_that_leaves_takes_both_attempts_along() {
    let bench = Bench::hedging("");
    let mut client = Client::connect(bench.address());

    client.send(request("GET", "/hold", &[]));
    bench.second.expect_requests(1);
    assert_eq!(bench.in_flight(), 2);
    drop(client);

    bench.expect_nothing_in_flight();
    assert_eq!(logged(&bench.log, "/hold"), told("lost", "first", &["second given-up"]));
    bench.stage.release.open();
}

#[test]
fn nothing_is_hedged_unless_the_pool_says_so() {
    let bench = Bench::plain("");
    load::send(bench.address(), KNOWN_AFTER).expect_all_fine();

    assert_eq!(get(bench.address(), "/late").text(), "first");

    assert_eq!(bench.second.requests(), 0);
    assert_eq!(logged(&bench.log, "/late"), told("none", "first", &[]));
    assert!(!bench.daemon.control.text("/metrics").contains("ayad_pool_hedge"));
}

#[test]
fn what_may_not_be_sent_twice_is_not_hedged() {
    let bench = Bench::hedging("");
    let body = |method, fields| request(method, "/late", fields) + "body";

    for unsafe_or_long in [
        request("POST", "/late", &[("content-length", "0")]),
        body("POST", &[("content-length", "4"), ("idempotency-key", "1")]),
        body("PUT", &[("content-length", "4")]),
    ] {
        assert_eq!(ask(bench.address(), &unsafe_or_long).text(), "first", "{unsafe_or_long}");
        assert_eq!(bench.second.requests(), 0, "{unsafe_or_long}");
    }

    ask(bench.address(), request("POST", "/late", &[("content-length", "0"), ("idempotency-key", "1")]));
    assert_eq!(bench.second.requests(), 1, "a key says that it may be");
}

#[test]
fn hedges_and_retries_share_one_budget() {
    let bench = Bench::hedging("retry = { on = [503], budget = \"0%\", budget_least = 1 }\n");
    let mut holder = Client::connect(bench.address());
    holder.send(request("GET", "/hold", &[]));
    bench.second.expect_requests(1);

    assert_eq!(get(bench.address(), "/busy").status, 503, "no room for a retry beside the hedge");
    assert_eq!(get(bench.address(), "/alone").text(), "first");
    assert_eq!(bench.second.requests(), 1, "no room for another hedge either");
    let timing = &line(&bench.log, "/alone")["timing_us"];
    let first_byte = timing["first_byte"].as_u64();
    assert!(first_byte >= Some(LATE.as_micros() as u64 * 9 / 10), "the time of its backend: {timing}");

    bench.stage.release.open();
    assert_eq!(holder.answer().status, 200);
    bench.expect_nothing_in_flight();
    assert_eq!(get(bench.address(), "/busy").text(), "second", "what was taken is given back");
    assert_eq!(get(bench.address(), "/alone").text(), "second");
}

#[test]
fn a_kept_connection_that_was_closed_costs_a_hedged_request_nothing() {
    let never = Gate::default();
    let stale = Arc::new(AtomicUsize::new(0));
    let closed = Arc::clone(&stale);
    let first = Backend::with(move |visit| match (visit.target(), visit.nth_on_connection) {
        ("/stale", 1..) => {
            closed.fetch_add(1, Ordering::SeqCst);
            Ok(Then::Close)
        }
        _ => visit.answer(200, "first"),
    });
    let second = Backend::with(move |visit| {
        never.pass();
        visit.answer(200, "second")
    });
    let (daemon, log) = logging(&[("first", first.address), ("second", second.address)], EAGER);
    learn(&daemon);

    assert_eq!(get(daemon.address(), "/stale").text(), "first");

    assert_eq!(
        stale.load(Ordering::SeqCst),
        1,
        "the kept connection was tried, and the request sent once more"
    );
    assert_eq!(logged(&log, "/stale").1, "first");
}

#[test]
fn over_http_2_the_slower_attempt_is_reset_and_its_connection_goes_on() {
    let reset = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&reset);
    let first = Server::with(move |mut incoming: Incoming| {
        let seen = Arc::clone(&seen);
        async move {
            if incoming.request.uri().path() == "/hang" {
                let why = h2::reset(&mut incoming.respond).await;
                *seen.lock().expect("nobody panics with it") = Some(why);
            } else {
                incoming.answer(200, "first");
            }
        }
    });
    let second = Server::saying("second");
    let backends = [("first", first.address), ("second", second.address)];
    let (daemon, log) = logging(&backends, &format!("protocol = \"h2\"\n{EAGER}"));
    learn(&daemon);
    let connections = first.connections();

    let address = daemon.address();
    let (hung, next) = h2::run(async {
        let client = h2::Client::connect(address).await;
        (client.get("/hang").await.text(), client.get("/next").await.text())
    });

    assert_eq!((hung.as_str(), next.as_str()), ("second", "first"));
    let why = wait::until("the slower stream is reset", || *reset.lock().expect("nobody panics with it"));
    assert_eq!(why, ::h2::Reason::CANCEL);
    assert_eq!(first.connections(), connections, "only the stream is reset");
    assert_eq!(logged(&log, "/hang"), told("won", "second", &["first given-up"]));
    assert_eq!(counted(&daemon), (1, 1));
}

#[test]
fn a_client_of_http_2_that_resets_its_request_takes_both_attempts_along() {
    let bench = Bench::hedging("");
    let address = bench.address();

    h2::run(async {
        let client = h2::Client::connect(address).await;
        let (answer, mut send) = client.begin(h2::request("GET", "/hold"), true).await;
        while bench.second.requests() == 0 {
            tokio::task::yield_now().await;
        }
        send.send_reset(::h2::Reason::CANCEL);
        assert!(answer.await.is_err());
        assert_eq!(client.get("/").await.text(), "first", "other requests of the connection go on");
    });

    bench.expect_nothing_in_flight();
    assert_eq!(logged(&bench.log, "/hold"), told("lost", "first", &["second given-up"]));
    bench.stage.release.open();
}

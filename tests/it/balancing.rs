//! Shares of traffic, as backends really see them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aya_api::axis::{Admin, StickyDrain};
use aya_tests::backend::Backend;
use aya_tests::client::{Answer, Client, ask, request};
use aya_tests::daemon::{Daemon, ROUTE, Setup, members, pool};
use aya_tests::load::{self, Load, Tally};
use aya_tests::wait::{self, Gate};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three backends that answer with their names.
fn three() -> [Backend; 3] {
    NAMES.map(Backend::saying)
}

fn named(backends: &[Backend; 3]) -> [(&'static str, std::net::SocketAddr); 3] {
    std::array::from_fn(|i| (NAMES[i], backends[i].address))
}

fn balancing(backends: &[Backend; 3], algorithm: &str) -> Daemon {
    Daemon::balancing(&named(backends), &format!("algorithm = \"{algorithm}\""))
}

fn counts(tally: &Tally) -> [usize; 3] {
    NAMES.map(|name| tally.of(name))
}

#[test]
fn round_robin_takes_turns() {
    let backends = three();
    let daemon = balancing(&backends, "round-robin");

    let tally = load::send(daemon.address(), 99);

    assert_eq!(counts(&tally), [33, 33, 33]);
}

#[test]
fn weighted_round_robin_follows_weights_exactly_and_smoothly() {
    let backends = three();
    let daemon = balancing(&backends, "weighted-round-robin");
    daemon.control.set_weight("main/a", 5);
    let mut client = Client::connect(daemon.address());

    let mut order = String::new();
    for _ in 0..70 {
        client.send(request("GET", "/", &[]));
        order += &client.answer().text();
    }

    assert_eq!(NAMES.map(|name| order.matches(name).count()), [50, 10, 10]);
    assert!(!order.contains("aaaaa"), "a heavy backend gets its five without a burst of five: {order}");
}

#[test]
fn random_and_p2c_share_evenly_within_chance() {
    // Six standard deviations of a fair draw.
    share_evenly(&["random", "p2c"], 600, 130..=270);
}

#[test]
fn idle_backends_share_evenly_under_every_counting_algorithm() {
    share_evenly(&["least-connections", "weighted-least-connections"], 90, 15..=60);
}

/// Three equal backends each get a number of requests within `share`.
fn share_evenly(algorithms: &[&str], requests: usize, share: RangeInclusive<usize>) {
    for algorithm in algorithms {
        let backends = three();
        let daemon = balancing(&backends, algorithm);

        let tally = load::send(daemon.address(), requests);

        tally.expect_all_fine();
        assert!(counts(&tally).iter().all(|count| share.contains(count)), "{algorithm}: {tally:?}");
    }
}

#[test]
fn least_response_time_comes_to_prefer_the_faster_backend() {
    let (slow, fast) = (Backend::slow("slow", Duration::from_millis(20)), Backend::saying("fast"));
    let members = [("slow", slow.address), ("fast", fast.address)];
    let daemon = Daemon::balancing(&members, "algorithm = \"least-response-time\"");

    // On a busy machine the fast one may look slow at first; that must not last.
    wait::until_true("the faster backend gets most requests", || {
        let tally = load::send(daemon.address(), 30);
        tally.expect_all_fine();
        tally.of("fast") > 20
    });
}

#[test]
fn ip_hash_keeps_a_client_and_spreads_clients() {
    let backends = three();
    let daemon = trusting(&backends, "algorithm = \"ip-hash\"");

    let mut used = BTreeSet::new();
    for client in 0..30 {
        let address = format!("192.0.2.{client}");
        let seen: BTreeSet<String> = (0..3).map(|_| from(&daemon, &address).text()).collect();
        assert_eq!(seen.len(), 1, "{address} went to {seen:?}");
        used.extend(seen);
    }

    assert_eq!(used.len(), 3);
}

/// A daemon that believes what its clients say about where they come from.
fn trusting(backends: &[Backend; 3], keys: &str) -> Daemon {
    let members = members(&named(backends));
    Daemon::start(&format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [pool.main]\nhealth = {{ kind = \"none\" }}\nbackends = {members}\n{keys}\n{ROUTE}"
    ))
}

fn from(daemon: &Daemon, address: &str) -> Answer {
    ask(daemon.address(), request("GET", "/", &[("x-forwarded-for", address)]))
}

#[test]
fn a_changed_weight_changes_shares_at_once() {
    let backends = three();
    let daemon = balancing(&backends, "weighted-round-robin");
    assert_eq!(counts(&load::send(daemon.address(), 30)), [10, 10, 10]);

    daemon.control.set_weight("main/a", 0);
    daemon.control.set_weight("main/b", 2);

    let tally = load::send(daemon.address(), 30);
    assert_eq!(counts(&tally), [0, 20, 10]);
}

#[test]
fn a_changed_algorithm_takes_effect_at_once() {
    let backends = three();
    let daemon = balancing(&backends, "weighted-round-robin");
    daemon.control.set_weight("main/a", 8);
    assert_eq!(counts(&load::send(daemon.address(), 30)), [24, 3, 3]);

    let change = daemon.control.set_algorithm("main", "round-robin");

    assert_eq!((change.before.as_str(), change.after.as_str()), ("weighted-round-robin", "round-robin"));
    assert_eq!(counts(&load::send(daemon.address(), 30)), [10, 10, 10]);
}

#[test]
fn least_connections_counts_over_all_workers() {
    let gate = Arc::new(Gate::default());
    let backends = NAMES.map(|name| {
        let gate = Arc::clone(&gate);
        Backend::with(move |visit| {
            gate.pass();
            visit.answer(200, name)
        })
    });
    let daemon = Setup::new(&pool(&named(&backends), "algorithm = \"least-connections\"")).workers(2).start();
    let address = daemon.address();

    let mut clients = Vec::new();
    for sent in 1..=12 {
        let mut client = Client::connect(address);
        client.send(request("GET", "/", &[]));
        clients.push(client);
        wait::until_true("the request is at a backend", || {
            backends.iter().map(Backend::requests).sum::<usize>() == sent
        });
    }

    assert_eq!(backends.each_ref().map(Backend::requests), [4, 4, 4]);
    assert_eq!(daemon.control.backend("main/a").traffic.in_flight, 4);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    wait::until_true("nothing is in flight", || {
        daemon.control.backends().iter().all(|backend| backend.traffic.in_flight == 0)
    });
}

#[test]
fn every_algorithm_serves_under_concurrency_and_passes_over_the_ineligible() {
    let backends = three();
    let daemon = Setup::new(&pool(&named(&backends), "")).workers(2).start();
    daemon.control.set_admin("main/c", Admin::Maint);

    // Only pools whose configuration has arms can be ordered to choose by themselves.
    let all = daemon.control.call(&aya_api::command::algorithms::GetAlgorithms);
    for algorithm in all.into_iter().filter(|algorithm| algorithm.name != "auto") {
        daemon.control.set_algorithm("main", &algorithm.name);
        let tally = load::run(daemon.address(), &Load { requests: 120, connections: 6, fields: &[] });
        tally.expect_all_fine();
        assert_eq!(tally.of("c"), 0, "{}", algorithm.name);
    }
}

/// The cookie that an answer binds its client with.
fn cookie(answer: &Answer) -> String {
    let field = answer.field("set-cookie").expect("the answer binds the client");
    let (pair, attributes) = field.split_once(';').expect("a cookie has attributes");
    assert!(attributes.contains("HttpOnly") && attributes.contains("Path=/"), "{field}");
    pair.to_owned()
}

fn with_cookie(daemon: &Daemon, cookie: &str) -> Answer {
    ask(daemon.address(), request("GET", "/", &[("cookie", &format!("other=1; {cookie}"))]))
}

#[test]
fn a_cookie_keeps_a_client_at_its_backend() {
    let backends = three();
    let daemon =
        Daemon::balancing(&named(&backends), "algorithm = \"round-robin\"\nsticky = { cookie = \"aya\" }");

    for _ in 0..3 {
        let first = ask(daemon.address(), request("GET", "/", &[]));
        let cookie = cookie(&first);
        assert!(cookie.starts_with("aya="));
        for _ in 0..4 {
            let next = with_cookie(&daemon, &cookie);
            assert_eq!(next.text(), first.text());
            assert_eq!(next.field("set-cookie"), None, "a bound client is not bound again");
        }
    }
}

/// Asks with these bytes as its fields, and expects to stay at the backend that gave `first`.
fn expect_bound(daemon: &Daemon, first: &Answer, fields: &[&[u8]]) {
    for _ in 0..4 {
        let text = [b"GET / HTTP/1.1\r\nhost: test\r\n", &fields.concat()[..], b"\r\n"].concat();
        let next = ask(daemon.address(), text);
        let fields = String::from_utf8_lossy(&fields.concat()).into_owned();
        assert_eq!(next.text(), first.text(), "{fields}");
        assert_eq!(next.field("set-cookie"), None, "{fields}");
    }
}

#[test]
fn a_cookie_is_found_among_others_of_any_bytes() {
    let backends = three();
    let daemon =
        Daemon::balancing(&named(&backends), "algorithm = \"round-robin\"\nsticky = { cookie = \"aya\" }");
    let first = ask(daemon.address(), request("GET", "/", &[]));
    let cookie = cookie(&first);
    let own = cookie.as_bytes();

    expect_bound(&daemon, &first, &["cookie: name=José; ".as_bytes(), own, b"\r\n"]);
    expect_bound(&daemon, &first, &[b"cookie: name=Jos\xe9; ", own, b"\r\n"]);
    expect_bound(&daemon, &first, &[b"cookie: ", own, b"; name=Jos\xe9; flag\r\n"]);
}

#[test]
fn a_cookie_is_found_behind_a_stale_one_of_its_name() {
    let backends = three();
    let daemon =
        Daemon::balancing(&named(&backends), "algorithm = \"round-robin\"\nsticky = { cookie = \"aya\" }");
    let first = ask(daemon.address(), request("GET", "/", &[]));
    let cookie = cookie(&first);
    let own = cookie.as_bytes();

    expect_bound(&daemon, &first, &[b"cookie: aya=x; ", own, b"\r\n"]);
    expect_bound(&daemon, &first, &[b"cookie: aya=; aya=\xff; ", own, b"\r\n"]);
    expect_bound(&daemon, &first, &[b"cookie: aya=x\r\ncookie: ", own, b"\r\n"]);
}

#[test]
fn a_client_whose_backend_is_gone_is_bound_to_another() {
    let backends = three();
    let daemon =
        Daemon::balancing(&named(&backends), "algorithm = \"round-robin\"\nsticky = { cookie = \"aya\" }");
    let first = ask(daemon.address(), request("GET", "/", &[]));
    let old = cookie(&first);
    daemon.control.drain(&format!("main/{}", first.text()), StickyDrain::Move);

    let moved = with_cookie(&daemon, &old);

    assert_ne!(moved.text(), first.text());
    let new = cookie(&moved);
    assert_eq!(with_cookie(&daemon, &new).text(), moved.text());
}

#[test]
fn a_forged_cookie_is_as_good_as_none() {
    let backends = three();
    let daemon =
        Daemon::balancing(&named(&backends), "algorithm = \"round-robin\"\nsticky = { cookie = \"aya\" }");

    for forged in ["aya=", "aya=x", "aya=ffffffffffffffff", "aya=0123456789abcdef0123456789abcdef"] {
        let answer = with_cookie(&daemon, forged);
        assert_eq!(answer.status, 200, "{forged}");
        cookie(&answer);
    }
}

#[test]
fn a_source_address_keeps_a_client_at_its_backend() {
    let backends = three();
    let daemon = trusting(&backends, "algorithm = \"round-robin\"\nsticky = { source = true }");

    let mut used = BTreeSet::new();
    for client in 0..30 {
        let address = format!("198.51.100.{client}");
        let seen: BTreeSet<String> = (0..3).map(|_| from(&daemon, &address).text()).collect();
        assert_eq!(seen.len(), 1, "{address} went to {seen:?}");
        used.extend(seen);
    }
    assert_eq!(used.len(), 3);
}

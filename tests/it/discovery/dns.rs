//! Addresses and services from DNS.

use aya_api::view::Freshness;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::Daemon;
use aya_tests::dns::{NameServer, Record, Reply};
use aya_tests::{load, wait};

use super::{config, events, expect_looks, expect_names, expect_state, names, source, went_stale};

/// Short waits, so that a change is found soon.
const PACE: &str = "interval = \"100ms\", min_interval = \"30ms\", timeout = \"2s\"";

fn by_name(server: &NameServer, port: u16, keys: &str) -> String {
    let resolver = server.address;
    config(&format!("{{ dns = \"shop.test:{port}\", resolver = \"{resolver}\", {PACE}{keys} }}"))
}

fn servers(list: &[(u16, u16, u16)]) -> Reply {
    let server = |(priority, weight, port): &(u16, u16, u16)| Record::Server {
        priority: *priority,
        weight: *weight,
        port: *port,
        target: "node.test".to_owned(),
        ttl: 0,
    };
    Reply::Records(list.iter().map(server).collect())
}

#[test]
fn every_address_of_a_name_is_a_backend_from_the_first_request_on() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    server.addresses("shop.test", &["127.0.0.1"], 0);
    let port = backend.address.port();

    let daemon = Daemon::start(&by_name(&server, port, ""));

    assert_eq!(get(daemon.address(), "/").text(), "one");
    let found = source(&daemon);
    assert_eq!((found.state, found.backends), (Freshness::Fresh, 1));
    assert_eq!(found.source, format!("dns shop.test:{port}"));
    let detail = daemon.control.detail(&format!("main/127.0.0.1:{port}"));
    assert_eq!(detail.defined, Some(found.source));
    assert_eq!(detail.backend.address, format!("shop.test:{port}"));
    server.addresses("shop.test", &["127.0.0.3", "127.0.0.1", "127.0.0.2"], 0);
    expect_names(&daemon, &[1, 2, 3].map(|last| format!("127.0.0.{last}:{port}")).each_ref().map(|s| &**s));
}

#[test]
fn who_is_missing_once_stays_and_who_is_missing_twice_goes_and_comes_back_as_it_was() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    let port = backend.address.port();
    server.addresses("shop.test", &["127.0.0.1", "127.0.0.2"], 0);
    let daemon = Daemon::start(&by_name(&server, port, ", linger = 3"));
    let both = [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")];
    expect_names(&daemon, &[&both[0], &both[1]]);
    assert_eq!(get(daemon.address(), "/").text(), "one");

    server.addresses("shop.test", &["127.0.0.2"], 0);
    expect_names(&daemon, &[&both[1]]);
    assert!(daemon.control.backends().iter().all(|b| b.name == both[1]));
    server.addresses("shop.test", &["127.0.0.1", "127.0.0.2"], 0);
    expect_names(&daemon, &[&both[0], &both[1]]);

    let id = format!("main/{}", both[0]);
    assert_eq!(daemon.control.backend(&id).traffic.requests, 1, "it goes on counting");
    let removed = events(&daemon).into_iter().filter(|e| e.cause.contains(&format!("-{}", both[0]))).count();
    assert_eq!(removed, 1);
}

#[test]
fn answers_that_say_nothing_good_keep_the_last_good_set_and_are_told_once() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    server.addresses("shop.test", &["127.0.0.1"], 0);
    let daemon = Daemon::start(&by_name(&server, backend.address.port(), ""));
    let bad = [
        (Reply::Code(2), "failed"),
        (Reply::Code(3), "no such name"),
        (Reply::Records(Vec::new()), "no such records"),
        (Reply::Silence, ""),
        (Reply::Garbage, ""),
    ];
    for (turn, (reply, words)) in bad.into_iter().enumerate() {
        server.say("shop.test", &reply);
        let stale = expect_state(&daemon, Freshness::Stale);
        let cause = stale.cause.expect("a cause");
        assert!(cause.contains(words), "{cause}");
        expect_looks(&daemon, 1);
        assert_eq!(get(daemon.address(), "/").text(), "one");
        assert_eq!(went_stale(&daemon), turn + 1);
        server.addresses("shop.test", &["127.0.0.1"], 0);
        let fresh = expect_state(&daemon, Freshness::Fresh);
        assert_eq!((fresh.backends, fresh.cause), (1, None));
    }
}

#[test]
fn an_answer_is_asked_for_again_when_it_no_longer_holds() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    server.addresses("shop.test", &["127.0.0.1"], 3600);
    let (resolver, port) = (server.address, backend.address.port());
    let pace = "interval = \"1h\", min_interval = \"30ms\"";
    let daemon = Daemon::start(&config(&format!(
        "{{ dns = \"shop.test:{port}\", resolver = [\"{resolver}\"], {pace} }}"
    )));
    let held = server.asked("shop.test");
    assert_eq!(source(&daemon).looks, 1);

    // Whoever asks anew looks at once.
    server.addresses("shop.test", &["127.0.0.1"], 0);
    let other = NameServer::start();
    other.addresses("shop.test", &["127.0.0.1"], 0);
    let text = format!("{{ dns = \"shop.test:{port}\", resolver = \"{}\", {pace} }}", other.address);
    let mut daemon = daemon;
    daemon.reconfigure(&config(&text));

    expect_looks(&daemon, 3);
    assert!(other.asked("shop.test") >= 3, "a TTL of 0 is looked at again soon");
    assert_eq!(server.asked("shop.test"), held, "one of an hour is not");
}

#[test]
fn half_an_answer_takes_nobody_away() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    let port = backend.address.port();
    let record = |text: &str| Record::Address(text.parse().unwrap(), 0);
    server.say("shop.test", &Reply::Records(vec![record("127.0.0.1"), record("::1")]));
    let daemon = Daemon::start(&by_name(&server, port, ", linger = 1"));
    let both = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    expect_names(&daemon, &[&both[0], &both[1]]);

    server.say_of_ipv6("shop.test", Reply::Code(2));
    let found = expect_looks(&daemon, 3);
    assert_eq!((found.state, names(&daemon)), (Freshness::Fresh, both.to_vec()));
    server.say_of_ipv6("shop.test", Reply::Records(Vec::new()));
    expect_names(&daemon, &[&both[0]]);
}

#[test]
fn what_does_not_fit_into_a_datagram_is_asked_for_by_tcp() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    let record = Record::Address("127.0.0.1".parse().unwrap(), 0);
    server.say("shop.test", &Reply::TcpOnly(vec![record]));
    let daemon = Daemon::start(&by_name(&server, backend.address.port(), ""));
    assert_eq!(get(daemon.address(), "/").text(), "one");
}

#[test]
fn a_service_gives_ports_and_weights_and_priorities_as_groups() {
    let server = NameServer::start();
    let [one, two, spare] = ["one", "two", "spare"].map(Backend::saying);
    let ports = [&one, &two, &spare].map(|backend| backend.address.port());
    server.addresses("node.test", &["127.0.0.1"], 0);
    server.say("_http._tcp.test", &servers(&[(5, 10, ports[0]), (5, 30, ports[1]), (9, 1, ports[2])]));
    let text = format!("{{ srv = \"_http._tcp.test\", resolver = \"{}\", {PACE} }}", server.address);

    let daemon = Daemon::start(&config(&text));

    let mut all: Vec<_> = daemon.control.backends().into_iter().map(|b| (b.weight, b.name)).collect();
    all.sort_unstable();
    assert_eq!(
        all,
        [(1, 2), (10, 0), (30, 1)].map(|(weight, at)| (weight, format!("127.0.0.1:{}", ports[at])))
    );
    assert_eq!(load::send(daemon.address(), 20).of("spare"), 0);
    one.die();
    two.die();
    wait::until_true("the next group serves", || get(daemon.address(), "/").text() == "spare");
}

#[test]
fn more_than_the_limit_is_left_out_and_told() {
    let server = NameServer::start();
    server.addresses("shop.test", &["127.0.0.1", "127.0.0.2", "127.0.0.3"], 0);
    let daemon = Daemon::start(&by_name(&server, 9, ", max_backends = 2"));
    expect_names(&daemon, &["127.0.0.1:9", "127.0.0.2:9"]);
    assert_eq!(source(&daemon).left_out, 1);
    assert!(events(&daemon).iter().any(|event| event.cause.contains("1 backends are left out")));
}

#[test]
fn a_name_that_was_never_answered_leaves_a_pool_that_serves_nobody_and_says_why() {
    let server = NameServer::start();
    server.say("shop.test", &Reply::Code(2));
    let daemon = Daemon::start(&by_name(&server, 9, ""));
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));
    assert!(expect_state(&daemon, Freshness::Stale).cause.is_some());
    assert!(events(&daemon).iter().any(|event| event.cause.contains("there are no backends yet")));
    server.addresses("shop.test", &["127.0.0.1"], 0);
    expect_names(&daemon, &["127.0.0.1:9"]);
}

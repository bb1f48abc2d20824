//! Listeners at run time: they come, go, move and are renamed, and no connection is lost by it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use aya_tests::backend::Backend;
use aya_tests::client::{Client, get, request};
use aya_tests::daemon::{Daemon, LISTEN, Setup, members, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{self, Gate};

#[test]
fn listeners_come_and_go_without_touching_the_others() {
    let one = Backend::saying("one");
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&base);
    let main = daemon.address();
    let mut kept = Client::connect(main);
    kept.send(request("GET", "/", &[]));
    kept.answer();

    daemon.reconfigure(&format!("[listen.more]\nbind = \"127.0.0.1:0\"\n{base}"));
    let more = daemon.address_of("more");
    let mut other = Client::connect(more);
    other.send(request("GET", "/", &[]));
    assert_eq!(other.answer().text(), "one");
    daemon.reconfigure(&base);

    other.expect_close();
    wait::until_true("nobody listens there", || Client::try_connect(more).is_err());
    assert_eq!(daemon.address_of("main"), main);
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");
}

#[test]
fn a_request_on_a_removed_listener_is_answered() {
    let gate = Arc::new(Gate::default());
    let opened = Arc::clone(&gate);
    let one = Backend::with(move |visit| {
        opened.pass();
        visit.answer(200, "late")
    });
    let base = pool(&[("one", one.address)], "");
    let mut daemon = Daemon::start(&format!("[listen.more]\nbind = \"127.0.0.1:0\"\n{base}"));
    let mut client = Client::connect(daemon.address_of("more"));
    client.send(request("GET", "/", &[]));
    one.expect_requests(1);

    daemon.reconfigure(&base);
    gate.open();

    assert_eq!(client.answer().text(), "late");
    client.expect_close();
}

/// An address that nobody else binds: the other tests take their ports at 127.0.0.1.
fn address_of_its_own() -> SocketAddr {
    let socket = TcpListener::bind("127.84.0.1:0").expect("a loopback port is free");
    socket.local_addr().expect("a bound socket has an address")
}

#[test]
fn a_listener_that_is_renamed_loses_no_connection() {
    const RENAMED: usize = 60;
    let one = Backend::saying("one");
    let address = address_of_its_own();
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |name: &str| format!("[listen.{name}]\nbind = \"{address}\"\n{pool}");
    let mut daemon = Setup::new(&text("main")).workers(2).start();
    let mut renamed = 0;

    let load = Load { requests: 8000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(address, &load, || {
        if renamed < RENAMED {
            renamed += 1;
            daemon.reconfigure(&text(if renamed % 2 == 0 { "main" } else { "other" }));
        }
    });

    tally.expect_all_fine();
    assert!(renamed > 1, "the load was over before anything was renamed");
    assert_eq!(daemon.control.listeners().len(), 1);
}

#[test]
fn a_listener_that_gets_another_bind_list_loses_no_connection() {
    const CHANGES: usize = 100;
    let one = Backend::saying("one");
    let [stays, comes] = [(); 2].map(|()| address_of_its_own());
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |bind: &[SocketAddr]| {
        let bind: Vec<_> = bind.iter().map(|address| format!("\"{address}\"")).collect();
        format!("[listen.main]\nbind = [{}]\n{pool}", bind.join(", "))
    };
    let mut daemon = Setup::new(&text(&[stays])).workers(2).start();
    let mut changes = 0;

    let load = Load { requests: 20_000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(stays, &load, || {
        if changes < CHANGES {
            changes += 1;
            let lists: [&[SocketAddr]; 3] = [&[stays, comes], &[comes, stays], &[stays]];
            assert!(daemon.reconfigure(&text(lists[changes % lists.len()])).changed);
        }
    });

    tally.expect_all_fine();
    assert!(changes >= 3, "the load was over before every list had come");
    assert!(daemon.control.listeners()[0].accepted >= 20_000, "its counters go on");
}

#[test]
fn an_address_that_goes_to_another_listener_loses_no_connection() {
    const CHANGES: usize = 50;
    let one = Backend::saying("one");
    let [a, b] = [(); 2].map(|()| address_of_its_own());
    let pool = pool(&[("one", one.address)], "").replace(LISTEN, "");
    let text = |left: SocketAddr, right: SocketAddr| {
        format!("[listen.left]\nbind = \"{left}\"\n[listen.right]\nbind = \"{right}\"\n{pool}")
    };
    let mut daemon = Setup::new(&text(a, b)).workers(2).start();
    let mut kept = Client::connect(a);
    kept.send(request("GET", "/", &[]));
    kept.answer();
    let mut changes = 0;

    let load = Load { requests: 8000, connections: 8, fields: &[("connection", "close")] };
    let tally = load::run_while(a, &load, || {
        if changes < CHANGES {
            changes += 1;
            daemon.reconfigure(&if changes % 2 == 0 { text(a, b) } else { text(b, a) });
        }
    });

    tally.expect_all_fine();
    assert!(changes > 1, "the load was over before anything was changed");
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one", "who is connected stays with the listener that took it in");
    let accepted: Vec<u64> = daemon.control.listeners().iter().map(|l| l.accepted).collect();
    assert!(accepted.iter().all(|count| *count > 0), "both have served the address: {accepted:?}");
}

#[test]
fn an_address_that_is_removed_serves_whoever_came_before() {
    const ROUNDS: usize = 4;
    let one = Backend::saying("one");
    let [stays, goes] = [(); 2].map(|()| address_of_its_own());
    let base = pool(&[("one", one.address)], "");
    let text = |bind: String| format!("[listen.main]\nbind = {bind}\n{}", base.replace(LISTEN, ""));
    let with = text(format!("[\"{stays}\", \"{goes}\"]"));
    let mut daemon = Setup::new(&with).workers(2).start();
    for _ in 0..ROUNDS {
        let mut early: Vec<Client> = (0..16).map(|_| Client::connect(goes)).collect();

        daemon.reconfigure(&text(format!("\"{stays}\"")));

        for client in &mut early {
            client.send(request("GET", "/", &[]));
            assert_eq!(client.answer().text(), "one");
        }
        wait::until_true("nobody listens there", || Client::try_connect(goes).is_err());
        daemon.reconfigure(&with);
    }
}

#[test]
fn a_kept_connection_stays_with_its_listener_when_others_come_before_it() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let pools = format!(
        "[pool.one]\nhealth = {{ kind = \"none\" }}\nbackends = {}\n[pool.two]\nhealth = {{ kind = \"none\" }}\nbackends = {}\n",
        members(&[("one", one.address)]),
        members(&[("two", two.address)]),
    );
    let main = "[listen.main]\nbind = \"127.0.0.1:0\"\n[route.main]\nlisten = \"main\"\npool = \"one\"\n";
    let before =
        "[listen.early]\nbind = \"127.0.0.1:0\"\n[route.early]\nlisten = \"early\"\npool = \"two\"\n";
    let mut daemon = Daemon::start(&format!("{main}{pools}"));
    let mut kept = Client::connect(daemon.address_of("main"));
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");

    let change = daemon.reconfigure(&format!("{main}{before}{pools}"));

    assert!(!change.after.contains("main"), "only the new one is new: {}", change.after);
    kept.send(request("GET", "/", &[]));
    assert_eq!(kept.answer().text(), "one");
    assert_eq!(get(daemon.address_of("early"), "/").text(), "two");
}

#[test]
fn a_listener_that_goes_answers_by_its_routes_until_its_connections_have_ended() {
    const ROUNDS: usize = 8;
    let one = Backend::saying("one");
    let named = |name: &str| {
        format!(
            "[listen.{name}]\nbind = \"127.0.0.1:0\"\n[route.{name}]\nlisten = \"{name}\"\npool = \"one\"\n"
        )
    };
    let backends = members(&[("one", one.address)]);
    let pool = format!("[pool.one]\nhealth = {{ kind = \"none\" }}\nbackends = {backends}\n");
    let (without, with) = (named("main") + &pool, named("main") + &named("goes") + &pool);
    let mut daemon = Setup::new(&with).workers(2).start();
    for _ in 0..ROUNDS {
        let address = daemon.address_of("goes");
        let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(address)).collect();
        thread::scope(|scope| {
            for client in &mut clients {
                // Until it is told to leave, or the connection is closed between two requests.
                scope.spawn(|| {
                    while client.try_send(request("GET", "/", &[])).is_ok() {
                        let Ok(answer) = client.try_answer() else { return };
                        assert_eq!(answer.text(), "one");
                    }
                });
            }
            daemon.reconfigure(&without);
        });
        daemon.reconfigure(&with);
    }
}

#[test]
fn a_few_long_connections_are_spread_over_the_workers() {
    let one = Backend::saying("one");
    let daemon = Setup::new(&pool(&[("one", one.address)], "")).workers(2).start();
    let address = daemon.address();

    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send(request("GET", "/", &[]));
            client.answer();
            client
        })
        .collect();

    let metrics = daemon.control.text("/metrics");
    for worker in 0..2 {
        let line = format!("ayad_worker_connections{{worker=\"{worker}\"}} 4");
        assert!(metrics.lines().any(|found| found.starts_with(&line)), "{line} is not in {metrics}");
    }
    drop(clients);
}

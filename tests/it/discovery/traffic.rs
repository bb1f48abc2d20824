//! Changes under traffic: nobody loses a request.

use std::fs;

use aya_tests::backend::Backend;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, pool};
use aya_tests::dns::NameServer;
use aya_tests::load::{self, Load};

use super::{config, expect_names, names, replace};

/// Changes of the set under traffic.
const CHANGES: usize = 20;

#[test]
fn twenty_sets_one_after_the_other_lose_no_request_and_keep_who_stays() {
    let backends = ["a", "b", "c", "d"].map(Backend::saying);
    let entry = |index: usize| {
        let name = ["a", "b", "c", "d"][index];
        format!("{{\"name\": \"{name}\", \"address\": \"{}\"}}", backends[index].address)
    };
    // The first one stays, the others take turns.
    let list = |turn: usize| format!("[{}, {}]", entry(0), entry(1 + turn % 3));
    let setup = Setup::new(&config("{ file = \"shop.json\", interval = \"20ms\", min_interval = \"20ms\" }"));
    fs::write(setup.folder().join("shop.json"), list(0)).unwrap();
    let daemon = setup.start();
    expect_names(&daemon, &["a", "b"]);
    let path = daemon.folder().join("shop.json");
    let mut turn = 0;

    let load = Load { requests: 20_000, connections: 4, fields: &[] };
    let tally = load::run_while(daemon.address(), &load, || {
        if turn < CHANGES {
            turn += 1;
            replace(&path, &list(turn));
            expect_names(&daemon, &["a", ["b", "c", "d"][turn % 3]]);
        }
    });

    tally.expect_all_fine();
    assert_eq!(turn, CHANGES, "every change was made under traffic");
    let stayed = daemon.control.backend("main/a").traffic.requests as usize;
    assert_eq!(stayed, tally.of("a"), "it was the same backend throughout");
}

#[test]
fn a_name_that_flaps_under_traffic_loses_no_request() {
    let (server, backend) = (NameServer::start(), Backend::saying("one"));
    let port = backend.address.port();
    let (full, half) = (["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]);
    server.addresses("shop.test", &full, 0);
    let pace = "interval = \"20ms\", min_interval = \"10ms\"";
    let text = format!("{{ dns = \"shop.test:{port}\", resolver = \"{}\", {pace} }}", server.address);
    let daemon = Daemon::start(&config(&text));
    let mut turn = 0;

    let load = Load { requests: 10_000, connections: 4, fields: &[] };
    let tally = load::run_while(daemon.address(), &load, || {
        turn += 1;
        server.addresses("shop.test", if turn % 2 == 0 { &full } else { &half }, 0);
    });

    tally.expect_all_fine();
    assert!(names(&daemon).contains(&format!("127.0.0.1:{port}")));
}

#[test]
fn a_pool_that_learns_to_discover_goes_on_with_what_it_had_until_the_first_answer() {
    let backend = Backend::saying("one");
    let mut daemon = Daemon::start(&pool(&[("a", backend.address)], ""));
    let load = Load { requests: 6000, connections: 2, fields: &[] };
    let discovering = format!(
        "{LISTEN}[pool.main]\ndiscover = {{ file = \"shop.json\", interval = \"20ms\", min_interval = \"20ms\" }}\n\
         health = {{ kind = \"none\" }}\n{ROUTE}"
    );
    let (address, mut turn) = (daemon.address(), 0);

    let tally = load::run_while(address, &load, || {
        turn += 1;
        match turn {
            1 => {
                daemon.reconfigure(&discovering);
                assert_eq!(names(&daemon), ["a"]);
            }
            2 => {
                let list = format!("[{{\"name\": \"b\", \"address\": \"{}\"}}]", backend.address);
                replace(&daemon.folder().join("shop.json"), &list);
                expect_names(&daemon, &["b"]);
            }
            3 => {
                daemon.control.reload();
                assert_eq!(names(&daemon), ["b"], "a reload keeps what was found");
            }
            _ => {}
        }
    });

    tally.expect_all_fine();
    assert!(turn >= 3);
}

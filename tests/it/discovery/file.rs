//! Lists in files, which are replaced, cut off, spoiled and lost.

use std::fs;

use aya_api::axis::Admin;
use aya_api::view::Freshness;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup};
use ayad::metrics::names;

use super::{config, expect_looks, expect_names, expect_state, names as found, replace, source, went_stale};

const FAST: &str = "interval = \"30ms\", min_interval = \"30ms\"";

/// A daemon whose pool is in `shop.json`, beside its configuration.
fn start(list: &str) -> Daemon {
    let setup = Setup::new(&config(&format!("{{ file = \"shop.json\", {FAST} }}")));
    fs::write(setup.folder().join("shop.json"), list).expect("the folder can be written to");
    setup.start()
}

#[test]
fn a_list_is_followed_with_all_it_says() {
    let backend = Backend::saying("one");
    let daemon = start(&format!("[\"{}\"]", backend.address));
    assert_eq!(get(daemon.address(), "/").text(), "one");
    let list = format!(
        "[{{\"name\": \"a\", \"address\": \"{}\", \"weight\": 3, \"zone\": \"z\", \"tags\": [\"blue\"]}}]",
        backend.address
    );

    replace(&daemon.folder().join("shop.json"), &list);

    expect_names(&daemon, &["a"]);
    let found = daemon.control.backend("main/a");
    assert_eq!((found.weight, found.zone.as_deref(), found.tags), (3, Some("z"), vec!["blue".to_owned()]));
    assert_eq!(get(daemon.address(), "/").text(), "one");
    replace(&daemon.folder().join("shop.json"), &list.replace("\"weight\": 3", "\"weight\": 4"));
    aya_tests::wait::until_true("the weight follows", || daemon.control.backend("main/a").weight == 4);
    assert_eq!(daemon.control.backend("main/a").traffic.requests, 1, "it is the same backend");
    let metrics = daemon.control.text("/metrics");
    for metric in names::ALL.iter().filter(|metric| metric.name.starts_with("ayad_discovery_")) {
        let is_told =
            |line: &str| line.starts_with(metric.name) && line.contains("{pool=\"main\",source=\"file ");
        assert!(metrics.lines().any(is_told), "{} is not in {metrics}", metric.name);
    }
}

#[test]
fn a_file_that_is_spoiled_cut_off_or_lost_changes_nothing_until_it_is_good_again() {
    let backend = Backend::saying("one");
    let good = format!("[\"{}\", \"127.0.0.1:9\"]", backend.address);
    let daemon = start(&good);
    let path = daemon.folder().join("shop.json");
    let before = found(&daemon);
    let spoiled: [(&str, &str); 6] = [
        ("", "empty"),
        ("[]", "empty"),
        ("[\"127.0.0.1:1\", ", "no JSON"),
        ("\u{0}\u{1}\u{2}", "no JSON"),
        ("[\"127.0.0.1:1\", {\"addres\": \"127.0.0.1:2\"}]", "entry 2"),
        ("[\"no-such-host.invalid:80\"]", "does not resolve"),
    ];
    for (turn, (text, words)) in spoiled.iter().enumerate() {
        // In place, as careless writers do.
        fs::write(&path, text).unwrap();
        let stale = expect_state(&daemon, Freshness::Stale);
        assert!(stale.cause.as_ref().unwrap().contains(words), "{:?} for {text:?}", stale.cause);
        expect_looks(&daemon, 2);
        assert_eq!((found(&daemon), went_stale(&daemon)), (before.clone(), turn + 1));
        replace(&path, &good);
        expect_state(&daemon, Freshness::Fresh);
    }
    fs::remove_file(&path).unwrap();
    assert!(expect_state(&daemon, Freshness::Stale).cause.unwrap().contains("cannot read"));
    assert_eq!(found(&daemon), before);
    replace(&path, "[\"127.0.0.1:9\"]");
    expect_names(&daemon, &["127.0.0.1:9"]);
}

#[test]
fn a_pipe_or_a_folder_in_the_place_of_the_file_is_told_and_holds_up_nobody() {
    let daemon = start("[\"127.0.0.1:9\"]");
    let path = daemon.folder().join("shop.json");
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    aya_tests::wait::until_true("it is told", || {
        source(&daemon).cause.is_some_and(|cause| cause.contains("is no file"))
    });
    assert_eq!(found(&daemon), ["127.0.0.1:9"]);
}

#[test]
fn the_last_good_set_survives_a_restart_with_orders_about_it_and_an_upgrade() {
    let backend = Backend::saying("one");
    let daemon =
        start(&format!("[{{\"name\": \"a\", \"address\": \"{}\"}}, \"127.0.0.1:9\"]", backend.address));
    expect_names(&daemon, &["a", "127.0.0.1:9"]);
    daemon.control.set_admin("main/127.0.0.1:9", Admin::Maint);
    daemon.control.set_weight("main/a", 7);
    fs::remove_file(daemon.folder().join("shop.json")).unwrap();

    let mut daemon = daemon.restart("TERM");

    assert_eq!(found(&daemon), ["a", "127.0.0.1:9"]);
    assert_eq!(get(daemon.address(), "/").text(), "one");
    assert_eq!(daemon.control.backend("main/a").weight, 7);
    assert_eq!(daemon.control.backend("main/127.0.0.1:9").admin.state, Admin::Maint);
    daemon.upgrade();
    assert_eq!(found(&daemon), ["a", "127.0.0.1:9"]);
    assert_eq!(daemon.control.backend("main/127.0.0.1:9").admin.state, Admin::Maint);
    assert_eq!(get(daemon.address(), "/").text(), "one");
    replace(&daemon.folder().join("shop.json"), "[\"127.0.0.1:9\"]");
    expect_names(&daemon, &["127.0.0.1:9"]);
}

#[test]
fn a_damaged_file_of_last_good_sets_costs_only_itself() {
    let daemon = start("[\"127.0.0.1:9\"]");
    expect_names(&daemon, &["127.0.0.1:9"]);
    let setup = daemon.keep_setup();
    daemon.stop();
    fs::write(setup.folder().join("state/discovered.json"), "{\"version\":1,\"sets\":[{").unwrap();

    let daemon = setup.start();

    expect_names(&daemon, &["127.0.0.1:9"]);
    assert!(
        super::events(&daemon).iter().any(|event| event.cause.contains("discovered.json cannot be read"))
    );
}

#[test]
fn those_in_the_configuration_stay_and_win() {
    let (fixed, found) = (Backend::saying("fixed"), Backend::saying("found"));
    let text = format!(
        "{LISTEN}[pool.main]\nbackends = [{{ name = \"a\", address = \"{}\" }}]\n\
         discover = {{ file = \"shop.toml\", {FAST} }}\nhealth = {{ kind = \"none\" }}\n{ROUTE}",
        fixed.address
    );
    let setup = Setup::new(&text);
    let list = |names: [&str; 2]| {
        let each = names.map(|name| format!("{{ name = \"{name}\", address = \"{}\" }}", found.address));
        format!("backends = [{}]", each.join(", "))
    };
    fs::write(setup.folder().join("shop.toml"), list(["a", "b"])).unwrap();
    let daemon = setup.start();
    expect_names(&daemon, &["a", "b"]);
    assert_eq!(daemon.control.backend("main/a").address, fixed.address.to_string());
    replace(&daemon.folder().join("shop.toml"), &list(["c", "d"]));
    expect_names(&daemon, &["a", "c", "d"]);
}

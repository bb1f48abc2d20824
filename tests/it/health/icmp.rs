//! Checks by ICMP, in networks of their own where that can be had.

use std::fs;

use aya_api::axis::Health;
use aya_tests::daemon::{LISTEN, ROUTE, Setup, has_networks};

use super::{expect_down, expect_event, patient};

const ALLOWED: &str = "ip link set lo up && echo '0 0' > /proc/sys/net/ipv4/ping_group_range";
/// Nobody may, unless somebody says so.
const FORBIDDEN: &str = "ip link set lo up";

fn setup(address: &str) -> Setup {
    let backends = format!("[{{ name = \"one\", address = \"{address}\" }}]");
    let keys = patient("kind = \"icmp\"");
    Setup::new(&format!("{LISTEN}[pool.main]\nbackends = {backends}\n{keys}\n{ROUTE}"))
}

/// Whether the groups of the system's own network may ping; only root's counts for a test that runs as root.
fn is_allowed_here() -> bool {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    range.split_whitespace().next() == Some("0")
}

#[test]
fn a_host_that_answers_is_up_and_one_that_cannot_be_reached_is_down() {
    if !has_networks() {
        return a_system_that_allows_it_or_not_is_told();
    }
    for address in ["127.0.0.1:9", "[::1]:9"] {
        let daemon = setup(address).in_network(ALLOWED).start();
        daemon.control.expect_health("main/one", Health::Up);
    }
    // Without an interface no packet leaves: the system itself refuses.
    let daemon = setup("[fe80::1]:9").in_network(ALLOWED).start();
    expect_down(&daemon, "unreachable: cannot connect");
    let daemon = setup("192.0.2.1:9").in_network(ALLOWED).start();
    expect_down(&daemon, "unreachable: network unreachable");
}

#[test]
fn a_system_that_does_not_allow_it_is_told_and_health_stays() {
    if !has_networks() {
        return a_system_that_allows_it_or_not_is_told();
    }
    let daemon = setup("127.0.0.1:9").in_network(FORBIDDEN).start();

    expect_event(&daemon, "set net.ipv4.ping_group_range to a range with its group");
    assert_eq!(daemon.control.backend("main/one").health.state, Health::Unknown);
    assert!(daemon.control.detail("main/one").checks.is_empty());
}

fn a_system_that_allows_it_or_not_is_told() {
    let daemon = setup("127.0.0.1:9").start();
    if is_allowed_here() {
        daemon.control.expect_health("main/one", Health::Up);
    } else {
        expect_event(&daemon, "net.ipv4.ping_group_range");
    }
}

//! HTTP/2 on either side of the proxy, and on both.

mod backends;
mod floods;
mod grpc;
mod malformed;
mod messages;
mod streams;
mod websocket;

use std::net::SocketAddr;

use aya_tests::daemon::Daemon;

/// A daemon whose one backend speaks HTTP/1.1.
fn before_h1(backend: SocketAddr) -> Daemon {
    Daemon::balancing(&[("one", backend)], "")
}

/// A daemon whose one backend speaks HTTP/2.
fn before_h2(backend: SocketAddr) -> Daemon {
    Daemon::balancing(&[("one", backend)], "protocol = \"h2\"")
}

/// Counts how often the proxy itself ended something for this reason.
fn refusals(daemon: &Daemon, reason: &str) -> u64 {
    let reasons = daemon.control.status().daemon.reasons;
    reasons.iter().find(|count| count.name == reason).map_or(0, |count| count.count)
}

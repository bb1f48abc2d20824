//! The proxy between real sockets: what it passes on, what it refuses, what it survives.

mod fields;
mod framing;
mod hedge;
mod limits;
mod messages;
mod passage;
mod retry;
mod slow;
mod stream;
mod trouble;
mod uploads;

use aya_tests::backend::Backend;
use aya_tests::daemon::Daemon;

/// A daemon with one backend, named `one`, in pool `main`.
fn before(backend: &Backend) -> Daemon {
    Daemon::balancing(&[("one", backend.address)], "")
}

/// Counts how often the proxy itself ended a request for this reason.
fn refusals(daemon: &Daemon, reason: &str) -> u64 {
    let reasons = daemon.control.status().daemon.reasons;
    reasons.iter().find(|count| count.name == reason).map_or(0, |count| count.count)
}

//! Numbers about backends: believed from backends and monitors alone, aged, and never in the way of traffic.

mod asked;
mod headers;

use aya_api::view::{BackendView, SignalView};
use aya_tests::backend::Backend;
use aya_tests::daemon::Daemon;
use aya_tests::wait;

const ONE: &str = "main/one";

/// A daemon with these settings for signals, and without checks that would ask the backend too.
fn daemon(backend: &Backend, signals: &str) -> Daemon {
    Daemon::balancing(
        &[("one", backend.address)],
        &format!("health = {{ kind = \"none\" }}\nsignals = {{ {signals} }}"),
    )
}

fn signal(view: &BackendView, name: &str) -> Option<SignalView> {
    view.signals.iter().find(|signal| signal.signal == name).cloned()
}

fn value(daemon: &Daemon, name: &str) -> Option<f64> {
    signal(&daemon.control.backend(ONE), name).map(|signal| signal.value)
}

/// Waits for a value, and returns it with all that is known of it.
fn expect(daemon: &Daemon, name: &str, wanted: f64) -> SignalView {
    wait::until("the signal is there", || {
        signal(&daemon.control.backend(ONE), name).filter(|found| (found.value - wanted).abs() < 1e-3)
    })
}

/// Waits until a source fails, and returns why.
fn cause_of_failure(daemon: &Daemon, source: &str) -> String {
    wait::until("the source fails", || {
        let view = daemon.control.backend(ONE);
        view.signal_sources.into_iter().find(|one| one.source == source && !one.ok)?.cause
    })
}

/// Events about signals that say this.
fn told(daemon: &Daemon, words: &str) -> usize {
    let events = daemon.control.events();
    events.iter().filter(|event| event.kind == "signal" && event.cause.contains(words)).count()
}

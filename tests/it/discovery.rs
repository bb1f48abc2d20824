//! Backends that are not written in the file: found by DNS, in files, by commands, and said by operators. A source that
//! has nothing good to say changes nothing, and says so.

mod api;
mod command;
mod dns;
mod file;
mod traffic;

use std::fs;
use std::path::Path;

use aya_api::event::Event;
use aya_api::view::{DiscoveryView, Freshness};
use aya_tests::daemon::{Daemon, LISTEN, ROUTE};
use aya_tests::wait;

/// A configuration whose pool `main` discovers its backends like this.
fn config(discover: &str) -> String {
    format!("{LISTEN}[pool.main]\ndiscover = {discover}\nhealth = {{ kind = \"none\" }}\n{ROUTE}")
}

/// The names of the backends of pool `main`, in their order.
fn names(daemon: &Daemon) -> Vec<String> {
    daemon.control.backends().into_iter().map(|backend| backend.name).collect()
}

fn expect_names(daemon: &Daemon, wanted: &[&str]) {
    wait::until_true(&format!("the backends are {wanted:?}"), || names(daemon) == wanted);
}

/// The first source of pool `main`.
fn source(daemon: &Daemon) -> DiscoveryView {
    daemon.control.status().pools[0].discovery[0].clone()
}

fn expect_state(daemon: &Daemon, wanted: Freshness) -> DiscoveryView {
    wait::until(&format!("the source is {}", wanted.as_str()), || {
        Some(source(daemon)).filter(|source| source.state == wanted)
    })
}

/// Waits until the source was looked at this often more, and returns it.
fn expect_looks(daemon: &Daemon, more: u64) -> DiscoveryView {
    let before = source(daemon).looks;
    wait::until("the source was looked at", || {
        Some(source(daemon)).filter(|source| source.looks >= before + more)
    })
}

fn events(daemon: &Daemon) -> Vec<Event> {
    daemon.control.events().into_iter().filter(|event| event.kind == "discovery").collect()
}

/// Events that say that a source went stale.
fn went_stale(daemon: &Daemon) -> usize {
    events(daemon).iter().filter(|event| event.to.as_deref() == Some("stale")).count()
}

/// Puts a file in its place as a whole.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).expect("the folder can be written to");
    fs::rename(&fresh, path).expect("the file can be replaced");
}

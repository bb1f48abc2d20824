//! Faults: what they do to requests, connections and checks, whom they hit, and that nothing of them remains.
//!
//! The daemon runs inside this process, so that faults are started where the control thread starts them.

mod bytes;
mod held;
mod http2;
mod residue;
mod tcp;
mod whole;

use std::net::SocketAddr;
use std::sync::Arc;

use aya_api::fault::{ChaosLimits, Fault, FaultTarget, Observed, Per};
use aya_tests::daemon::members;
use aya_tests::load::{self, Load, Tally};
use ayad::args::Origin;
use ayad::chaos::{Active, FaultOrder};
use ayad::config::{Env, Kept};
use ayad::handover::Program;
use ayad::server::{self, Running, Start};

/// A daemon in this process, with two workers.
pub(super) struct Inside {
    running: Running,
    _folder: tempfile::TempDir,
}

impl Inside {
    /// Runs this configuration.
    pub(super) fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ayad.toml");
        let (control, state) = (folder.path().join("control.sock"), folder.path().join("state"));
        let daemon = format!(
            "[daemon]\ncontrol = \"{}\"\nstate_dir = \"{}\"\nworkers = 2\n",
            control.display(),
            state.display()
        );
        std::fs::write(&path, format!("aya = 1\n{daemon}{text}")).expect("a file in it");
        let (env, kept, source) = (Env::default(), Arc::new(Kept::default()), Origin::File(path));
        let config = source.load(&env, &kept).unwrap_or_else(|problems| panic!("{problems}"));
        let start = Start { config, source, kept, env, program: Program::of_process() };
        let running = server::start(start, None).unwrap_or_else(|error| panic!("{error}"));
        // What fails here is told on the terminal, not in the daemon's log.
        drop(std::panic::take_hook());
        Self { running, _folder: folder }
    }

    /// An HTTP listener before these backends.
    pub(super) fn http(backends: &[(&str, SocketAddr)], keys: &str) -> Self {
        Self::speaking("http", backends, keys)
    }

    /// A TCP listener before these backends.
    pub(super) fn tcp(backends: &[(&str, SocketAddr)], keys: &str) -> Self {
        Self::speaking("tcp", backends, keys)
    }

    fn speaking(protocol: &str, backends: &[(&str, SocketAddr)], keys: &str) -> Self {
        let health = if keys.contains("health =") { "" } else { "health = { kind = \"none\" }\n" };
        let backends = members(backends);
        Self::start(&format!(
            "[listen.main]\nbind = \"127.0.0.1:0\"\nprotocol = \"{protocol}\"\n[route.main]\nlisten = \"main\"\n\
             pool = \"main\"\n[pool.main]\nbackends = {backends}\n{health}{keys}\n"
        ))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.running.state.snapshot.load().listeners[0].bound[0]
    }

    /// The state of the daemon.
    pub(super) fn state(&self) -> &Arc<ayad::state::State> {
        &self.running.state
    }

    /// Injects a fault.
    pub(super) fn inject(&self, order: FaultOrder) -> Arc<Active> {
        let snapshot = self.state().snapshot.load();
        self.state().faults.start(order, &snapshot).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Injects a fault for all of the pool.
    pub(super) fn all(&self, fault: Fault) -> Arc<Active> {
        self.inject(order(fault))
    }

    /// Ends all faults.
    pub(super) fn calm(&self) {
        let snapshot = self.state().snapshot.load();
        self.state().faults.end_all(&snapshot);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.calm();
        // Its workers end; the control thread stays until the process does.
        self.state().cut.send_replace(true);
    }
}

/// A fault `f1` for the pool `main`, all of it.
pub(super) fn order(fault: Fault) -> FaultOrder {
    FaultOrder {
        id: "f1".into(),
        fault,
        target: FaultTarget::pool("main"),
        share: 1.0,
        per: Per::Request,
        seed: 7,
        limits: ChaosLimits::default(),
    }
}

/// A fault from its JSON.
pub(super) fn fault(json: &str) -> Fault {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
}

/// Sends so many requests over so many connections.
pub(super) fn run_load(daemon: &Inside, requests: usize, connections: usize) -> Tally {
    load::run(daemon.address(), &Load { requests, connections, fields: &[] })
}

/// True when the share asked for lies in the interval of the one observed.
pub(super) fn is_believable(observed: &Observed, share: f64) -> bool {
    observed.low.is_some_and(|low| low <= share) && observed.high.is_some_and(|high| share <= high)
}

#[test]
fn every_kind_has_a_line_in_the_table_of_the_core() {
    let core: Vec<_> = aya_core::chaos::FAULTS.iter().map(|spec| spec.name).collect();
    let api: Vec<_> = aya_api::fault::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(core, api);
}

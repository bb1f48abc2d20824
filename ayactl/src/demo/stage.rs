//! Everything a demo consists of, set up in order and taken down in the right one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aya_api::exit::Exit;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::crew::Crew;
use super::daemon::Daemon;
use super::signals::Signals;
use super::traffic::{Plan, Tally};
use super::{config, daemon, traffic, troupe};
use crate::args::DemoArgs;
use crate::failure::Failure;

/// Longest path of a Unix socket, in bytes.
const SOCKET_PATH: usize = 107;

/// What runs during a demo. Dropped in the order of the fields, whatever happens: clients first, so that the
/// daemon's end fails no request, the folder last.
pub(super) struct Stage {
    traffic: Crew,
    daemon: Daemon,
    backends: Crew,
    folder: TempDir,
    socket: PathBuf,
    address: SocketAddr,
    tally: Arc<Mutex<Tally>>,
}

/// What is left of a demo.
pub(super) struct Strike {
    /// What the clients saw.
    pub tally: Tally,
    /// The folder, when it was to be kept.
    pub kept: Option<PathBuf>,
}

impl Stage {
    /// Sets everything up. Whatever fails, nothing of it is left.
    pub(super) fn set(runtime: &Runtime, args: &DemoArgs, signals: &Signals) -> Result<Self, Failure> {
        let binary = daemon::find()?;
        let folder = tempfile::Builder::new().prefix("aya-demo-").tempdir()?;
        let socket = folder.path().join("control.sock");
        if socket.as_os_str().len() > SOCKET_PATH {
            let message = format!("{} is too long for a socket", socket.display());
            return Err(Failure::new(Exit::Error, "path-too-long", message, "set TMPDIR to a shorter path"));
        }
        let (backends, addresses) = troupe::start(args.seed, &socket)?;
        let file = folder.path().join("ayad.toml");
        std::fs::write(&file, config::text(folder.path(), &socket, &addresses))?;
        let mut daemon = Daemon::start(runtime, &binary, &file, folder.path().join("ayad.log"))?;
        let address = runtime.block_on(daemon.address(&socket, signals))?;
        let address: SocketAddr = address.parse().map_err(|_| {
            let message = format!("ayad listens on \"{address}\", which is no address");
            Failure::new(Exit::Error, "daemon-failed", message, "are ayad and ayactl of the same version?")
        })?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let plan = Plan { address, rate: args.rate, seed: args.seed };
        let seen = Arc::clone(&tally);
        let traffic = Crew::start("clients", move |stop| traffic::run(plan, seen, stop))?;
        Ok(Self { traffic, daemon, backends, folder, socket, address, tally })
    }

    /// The daemon's control socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where the proxy is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests and failures so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        (tally.requests, tally.failures)
    }

    /// Fails when the daemon has ended by itself.
    pub(super) fn check_daemon(&mut self) -> Result<(), Failure> {
        self.daemon.check()
    }

    /// Takes everything down and returns what the clients saw.
    pub(super) fn strike(self, runtime: &Runtime, keep: bool) -> Result<Strike, Failure> {
        let Self { traffic, mut daemon, backends, folder, tally, .. } = self;
        drop(traffic);
        let stopped = daemon.stop(runtime);
        drop(backends);
        let kept = if keep {
            Some(folder.keep())
        } else {
            folder.close()?;
            None
        };
        stopped?;
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Strike { tally, kept })
    }
}

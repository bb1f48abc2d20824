//! Start: binds everything, then starts the threads. This is the only place where randomness is seeded.
//!
//! Threads: `aya-worker-N` (data plane, one runtime each), `aya-control` (control API, only writer of the
//! state), `aya-health` (checks), `aya-tls` (certificates), `aya-log` (access log). The calling thread waits for signals.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use aya_api::event::Severity;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::args::Origin;
use crate::config::{Config, Env};
use crate::control::apply::{self, ApplyError, Before};
use crate::control::{self, Journal, Setup, Signal};
use crate::log::AccessLog;
use crate::proxy::accept;
use crate::proxy::worker::Worker;
use crate::sockets::{self, BindError};
use crate::state::{NewEvent, State, WorkerOrder};
use crate::{certificates, clock, descriptors, health};

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The control socket cannot be had.
    #[error("control socket: {0}")]
    Control(BindError),
    /// The address for metrics cannot be had.
    #[error("admin_listen: {0}")]
    Admin(BindError),
    /// The configuration cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The journal cannot be opened.
    #[error("state_dir {}: {source}", path.display())]
    Journal {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Control(error) | Self::Admin(error) => error.hint(),
            Self::Apply(error) => error.hint(),
            Self::Journal { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
                "another ayad uses it: stop that one, or give this one a folder with --state-dir DIR".into()
            }
            Self::Journal { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room on its disk, or name another folder with --state-dir DIR".into()
            }
            Self::Journal { .. } => "check its owner, or name another folder with --state-dir DIR".into(),
            Self::Thread(_) => "is a limit on processes reached? see `ulimit -u`".into(),
        }
    }
}

/// A running daemon, as the thread that waits for signals sees it.
pub struct Running {
    /// The shared state.
    pub state: Arc<State>,
    /// Tells the control thread about signals.
    pub signals: mpsc::UnboundedSender<Signal>,
    /// Control socket, to be removed at the end.
    pub control: std::path::PathBuf,
}

/// Starts the daemon. When it returns, every listener accepts. When it cannot start it leaves nothing behind.
pub fn start(config: Config, source: Origin, env: Env) -> Result<Running, StartError> {
    let control = config.daemon.control.clone();
    if control == env.default_control() {
        sockets::make_folder(&control);
    }
    let socket = sockets::bind_control(&control).map_err(StartError::Control)?;
    let started = start_behind(socket, config, source, env);
    if started.is_err()
        && let Err(error) = std::fs::remove_file(&control)
    {
        tracing::debug!(%error, "the control socket is gone already");
    }
    started
}

fn start_behind(
    socket: UnixListener,
    config: Config,
    source: Origin,
    env: Env,
) -> Result<Running, StartError> {
    let daemon = config.daemon.clone();
    let journal_failed = |source| StartError::Journal { path: daemon.state_dir.clone(), source };
    let (journal, damage) = Journal::open(&daemon.state_dir).map_err(journal_failed)?;
    let admin = match daemon.admin_listen {
        Some(address) => sockets::bind(address, 1, false).map_err(StartError::Admin)?.pop(),
        None => None,
    };
    let revs = std::cell::Cell::new(0);
    let next_rev = || revs.replace(revs.get() + 1) + 1;
    let challenges = Arc::default();
    let before = Before {
        snapshot: None,
        workers: daemon.workers,
        ordered: &|_| None,
        challenges: &challenges,
        next_rev: &next_rev,
    };
    let prepared = apply::prepare(config, &before)?;

    let (refusals, refused) = mpsc::unbounded_channel();
    let access_log = AccessLog::new();
    let max_clients = descriptors::max_clients(prepared.snapshot.backends().count(), daemon.workers);
    access_log.switch(prepared.log);
    let state = Arc::new(State::new(
        prepared.snapshot,
        daemon.workers,
        revs.get(),
        max_clients,
        refusals,
        access_log,
        challenges,
    ));
    warn(&state, prepared.warnings);
    let workers = start_workers(&state, daemon.workers)?;
    for (cell, worker, socket) in prepared.sockets {
        // The worker was just started and lives as long as the process.
        drop(workers[worker].send(WorkerOrder::Listen(cell, socket)));
    }
    let (applied, on_applied) = watch::channel(0);
    let of_health = Arc::clone(&state);
    spawn("aya-health", move || health::run(of_health, refused, on_applied, seed()))?;
    keep_certificates(&state, applied.subscribe())?;
    let (signals, on_signal) = mpsc::unbounded_channel();
    let setup = Setup {
        state: Arc::clone(&state),
        source,
        env,
        journal,
        damage,
        applied,
        workers,
        signals: on_signal,
        socket,
        admin,
    };
    spawn("aya-control", move || async {
        if let Err(error) = control::run(setup).await {
            tracing::error!(%error, "the control API has ended");
        }
    })?;
    Ok(Running { state, signals, control: daemon.control })
}

/// Tells what is valid in the configuration but probably not meant.
fn warn(state: &State, warnings: Vec<String>) {
    for warning in warnings {
        state.events.push(NewEvent::new(Severity::Warning, "config", "ayad", warning));
    }
}

fn keep_certificates(state: &Arc<State>, applied: watch::Receiver<u64>) -> Result<(), StartError> {
    let state = Arc::clone(state);
    spawn("aya-tls", move || certificates::run(state, applied, seed()))
}

/// Starts a thread with a runtime of its own.
fn spawn<F>(name: &str, task: impl FnOnce() -> F + Send + 'static) -> Result<(), StartError>
where
    F: Future<Output = ()>,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let run = move || LocalSet::new().block_on(&runtime, task());
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(StartError::Thread)
}

type Orders = mpsc::UnboundedSender<WorkerOrder>;

fn start_workers(state: &Arc<State>, count: usize) -> Result<Vec<Orders>, StartError> {
    let start = |index| {
        let (orders, received) = mpsc::unbounded_channel();
        let state = Arc::clone(state);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let run = move || {
            Worker::install(index, seed(), Arc::clone(&state.snapshot));
            runtime.block_on(work(state, received));
        };
        let name = format!("aya-worker-{index}");
        thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)?;
        Ok(orders)
    };
    (0..count).map(start).collect()
}

async fn work(state: Arc<State>, mut orders: mpsc::UnboundedReceiver<WorkerOrder>) {
    while let Some(WorkerOrder::Listen(cell, socket)) = orders.recv().await {
        match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => drop(tokio::spawn(accept::listen(Arc::clone(&state), cell, socket))),
            Err(error) => tracing::error!(%error, listener = cell.name, "cannot listen"),
        }
    }
    // The control thread is gone; connections go on until the process ends.
    std::future::pending::<()>().await;
}

/// A seed that differs from process to process and from thread to thread.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds this from the system, once for each thread.
    RandomState::new().hash_one(clock::now().as_nanos())
}

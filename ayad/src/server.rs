//! Start: binds everything, then starts the threads. This is the only place where randomness is seeded.
//!
//! Threads: `aya-worker-N` (data plane, one runtime each), `aya-control` (control API, only writer of the
//! state), `aya-health` (checks), `aya-signals` (load of backends), `aya-tls` (certificates), `aya-discovery` (sources
//! of backends), `aya-log` (access log). The calling thread waits for signals.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use aya_api::event::Severity;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::args::Origin;
use crate::command::Slots;
use crate::config::{Config, Env, Kept};
use crate::control::apply::{self, ApplyError, Before, Prepared};
use crate::control::{self, Discovered, Entrance, Journal, JournalDamage, Setup, Signal};
use crate::discovery::Look;
use crate::handover::taker::Inheritance;
use crate::handover::{self, Handed, HandoverError, Program, REV_GAP, TakenOver};
use crate::log::AccessLog;
use crate::proxy::accept;
use crate::proxy::worker::Worker;
use crate::sockets::{self, BindError, ControlFile};
use crate::state::{Crew, EventLog, HealthNews, Inbox, NewEvent, Parts, Snapshot, State, WorkerOrder};
use crate::{certificates, clock, descriptors, discovery, health, panics, signals, tend};

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
    /// The process that was to hand over did not.
    #[error(transparent)]
    Handover(#[from] HandoverError),
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
            Self::Handover(error) => error.hint(),
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
    /// File of the control socket, to be removed at the end.
    pub control: Arc<ControlFile>,
}

/// What a daemon starts with.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Where it comes from.
    pub source: Origin,
    /// What was kept of reading that.
    pub kept: Arc<Kept>,
    /// Its surroundings.
    pub env: Env,
    /// How this process was started.
    pub program: Program,
}

/// Starts the daemon. When it returns, every listener accepts. When it cannot start it leaves nothing behind.
/// With an `inheritance`, another process serves until this one does.
pub fn start(start: Start, mut inheritance: Option<&mut Inheritance>) -> Result<Running, StartError> {
    let control = start.config.daemon.control.clone();
    if let Some((socket, file)) = inheritance.as_mut().and_then(|inheritance| inheritance.control(&control)) {
        return start_behind(socket, Arc::new(file), start, inheritance);
    }
    if control == start.env.default_control() {
        ControlFile::make_folder(&control);
    }
    let (socket, file) = ControlFile::bind(control).map_err(StartError::Control)?;
    let file = Arc::new(file);
    let started = start_behind(socket, Arc::clone(&file), start, inheritance);
    if started.is_err() {
        file.remove();
    }
    started
}

fn start_behind(
    socket: UnixListener,
    file: Arc<ControlFile>,
    start: Start,
    mut inheritance: Option<&mut Inheritance>,
) -> Result<Running, StartError> {
    let Start { mut config, source, kept, env, program } = start;
    let daemon = config.daemon.clone();
    let admin = admin(daemon.admin_listen, &mut inheritance)?;
    let open = inheritance.as_mut().map(|inheritance| inheritance.addresses()).unwrap_or_default();
    let revs = std::cell::Cell::new(inheritance.as_ref().map_or(0, |before| before.rev() + REV_GAP));
    let next_rev = || revs.replace(revs.get() + 1) + 1;
    let (workers, challenges) = (daemon.workers, Arc::default());
    let discovered = Discovered::resume(&mut config);
    let before = Before {
        snapshot: None,
        open,
        ending: &[],
        workers,
        ordered: &|_| None,
        challenges: &challenges,
        next_rev: &next_rev,
    };
    let prepared = apply::prepare(config, &before)?;
    drop(before);
    let (handed, journal, damage) = take_journal(&prepared.snapshot, &daemon.state_dir, &mut inheritance)?;
    let Handed { rev, seq, events, learned, chosen, line } = handed;
    let drained = handover::learned::resume(&prepared.snapshot, learned);
    let taken_over = inheritance.map(|before| TakenOver { from: before.pid(), line, chosen, drained });

    let (health_news, heard) = mpsc::unbounded_channel();
    let access_log = AccessLog::new();
    let max_clients = descriptors::max_clients(prepared.snapshot.backends().count(), workers);
    access_log.switch(prepared.log);
    let ((crew, inboxes), events) = (Crew::new(workers), EventLog::resume(seq, events));
    let (mut snapshot, rev) = (prepared.snapshot, revs.get().max(rev));
    snapshot.generation += taken_over.as_ref().map_or(0, |before| before.line.generation);
    let parts = Parts { snapshot, crew, rev, max_clients, health_news, access_log, challenges, events };
    let state = Arc::new(State::new(parts));
    warn(&state, prepared.warnings);
    Prepared::serve(&state.snapshot.load(), &prepared.served);
    let (signals, on_signal) = mpsc::unbounded_channel();
    let (ready, on_ready) = std::sync::mpsc::sync_channel(1);
    let (looked, looks) = mpsc::channel(discovery::LOOKS_QUEUED);
    let entrance = Entrance::new(Arc::clone(&file), socket, admin);
    let setup = Setup {
        seed: seed(),
        state: Arc::clone(&state),
        source,
        kept,
        env,
        journal,
        damage,
        applied: watch::Sender::new(0),
        moved: watch::Sender::new(0),
        signals: on_signal,
        entrance,
        program,
        opened: prepared.opened,
        discovered,
        looks,
        taken_over,
        ready,
    };
    start_threads(&state, inboxes, heard, looked, setup)?;
    // Fails when that thread has ended, which it told.
    on_ready.recv().map_err(|_| StartError::Thread(io::Error::other("the control thread has ended")))?;
    Ok(Running { state, signals, control: file })
}

/// Takes what another process hands over last, and opens the journal.
fn take_journal(
    snapshot: &Snapshot,
    state_dir: &Path,
    inheritance: &mut Option<&mut Inheritance>,
) -> Result<(Handed, Journal, JournalDamage), StartError> {
    let taken = inheritance.as_mut().map(|inheritance| inheritance.ready(snapshot)).transpose()?;
    let (handed, lock) = taken.map(|(handed, lock)| (handed, Some(lock))).unwrap_or_default();
    let failed = |source| StartError::Journal { path: state_dir.to_owned(), source };
    let (journal, damage) = Journal::open(state_dir, lock).map_err(failed)?;
    Ok((handed, journal, damage))
}

/// The socket of metrics, if they are served besides.
fn admin(
    address: Option<SocketAddr>,
    inheritance: &mut Option<&mut Inheritance>,
) -> Result<Option<(SocketAddr, Arc<TcpListener>)>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let inherited = inheritance.as_mut().and_then(|inheritance| inheritance.admin(address));
    let bound = match inherited {
        Some(inherited) => Some(inherited),
        None => sockets::bind(address, 1, false).map_err(StartError::Admin)?.pop(),
    };
    Ok(bound.map(|socket| (address, Arc::new(socket))))
}

fn start_threads(
    state: &Arc<State>,
    inboxes: Vec<Inbox>,
    heard: mpsc::UnboundedReceiver<HealthNews>,
    looked: mpsc::Sender<Look>,
    setup: Setup,
) -> Result<(), StartError> {
    panics::tell(Arc::clone(state));
    let slots = Slots::of(state.snapshot.load().daemon.max_commands);
    let of_checks = slots.clone();
    start_workers(state, inboxes)?;
    let of_health = Arc::clone(state);
    let (applied, moved) = (setup.applied.subscribe(), setup.moved.subscribe());
    spawn("aya-health", move || async move {
        tokio::spawn(tend::run(Arc::clone(&of_health)));
        health::run(of_health, heard, moved, of_checks, seed()).await;
    })?;
    let (of_signals, changed) = (Arc::clone(state), setup.moved.subscribe());
    spawn("aya-signals", move || signals::run(of_signals, changed, seed()))?;
    keep_certificates(state, applied)?;
    let (of_discovery, applied) = (Arc::clone(state), setup.applied.subscribe());
    spawn("aya-discovery", move || discovery::run(of_discovery, looked, applied, slots, seed()))?;
    spawn("aya-control", move || async {
        if let Err(error) = control::run(setup).await {
            tracing::error!(%error, "the control API has ended");
        }
    })
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

fn start_workers(state: &Arc<State>, inboxes: Vec<Inbox>) -> Result<(), StartError> {
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let state = Arc::clone(state);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let cut = state.cut.subscribe();
        let run = move || {
            Worker::install(index, seed(), Arc::clone(&state.snapshot));
            runtime.block_on(work(state, inbox, cut.clone()));
            // Everything that is still served is dropped with its task, and recorded by that.
            drop(runtime);
            // Whoever waits for the end of that counts those who listen.
            drop(cut);
        };
        let name = format!("aya-worker-{index}");
        thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)?;
    }
    Ok(())
}

/// Does what is sent to a worker until all that it serves is to be cut.
async fn work(state: Arc<State>, mut inbox: Inbox, mut cut: watch::Receiver<bool>) {
    let mut cut = pin!(cut.wait_for(|cut| *cut));
    loop {
        tokio::select! {
            // Only fails when the state is gone, which this function holds.
            _ = &mut cut => return,
            Some(arrival) = inbox.arrivals.recv() => accept::receive(&state, arrival),
            Some(order) = inbox.orders.recv() => match order {
                WorkerOrder::Listen(binding, socket) => {
                    drop(tokio::spawn(accept::listen(Arc::clone(&state), binding, socket)));
                }
                WorkerOrder::EndClients(of) => Worker::with(|worker| worker.close_clients(of.as_ref())),
                WorkerOrder::Explain(pool, position, (key, rule), answer) => {
                    let explained = Worker::with(|worker| worker.explain(&pool, position, key, rule));
                    if answer.send(explained).is_err() {
                        tracing::debug!(pool = %pool.name, "an explanation came too late");
                    }
                }
            },
            // The state, which this function holds, holds the other ends.
            else => return,
        }
    }
}

/// A seed that differs from process to process and from thread to thread.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds this from the system, once for each thread.
    RandomState::new().hash_one(clock::now().as_nanos())
}

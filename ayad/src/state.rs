//! What the data plane and the control plane share, and the only place where they meet.
//!
//! There is one pointer that changes: [`State::snapshot`]. One writer (the control thread) builds a new
//! [`Snapshot`] and stores it; a request loads it once. What must outlive a configuration (counters, health,
//! connections, sockets, orders) lives in cells ([`Backend`], [`ListenerCell`], [`Binding`]) that the next
//! snapshot takes over.
//! Nothing here decides anything: decisions are in `aya-core`, orders come through `control`.

mod auto;
mod backend;
mod binding;
mod counters;
mod crew;
mod events;
mod reported;
mod route;
mod runs;
mod snapshot;
mod traces;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use aya_api::event::Severity;
use aya_core::axis::Health;
use aya_core::reason::Reason;
use tokio::sync::watch;

pub use auto::{Note, Scouted};
pub use backend::{
    AdminOrder, Backend, BreakerOrder, CheckRecord, HISTORY_KEPT, Past, PastEntry, Totals, WorkerCell,
};
pub use binding::{Binding, Ending, LAST_CALL};
pub use counters::{Padded, WorkerCounters};
pub use crew::{Arrival, Crew, Inbox, Seat, WorkerOrder};
pub use events::{EVENTS_KEPT, EventLog, NewEvent};
pub use reported::{AgentFact, Reported, Standing, Turn};
pub use route::{Route, Target};
pub use runs::LiveRuns;
pub use snapshot::{Hedging, Listener, ListenerCell, Pool, Snapshot, is_same_pool};
pub use traces::{TRACES_KEPT, Traces};

use crate::chaos::Faults;
use crate::log::AccessLog;
use crate::panics::Panic;
use crate::tls::acme::Challenges;

/// Everything shared between threads; one for the process.
#[derive(Debug)]
pub struct State {
    /// The configuration in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What happened.
    pub events: EventLog,
    /// Counters of each worker, written by that worker alone.
    pub counters: Vec<Padded<WorkerCounters>>,
    /// What traffic and faults say about the health of backends, on its way to the health thread.
    pub health_news: tokio::sync::mpsc::UnboundedSender<HealthNews>,
    /// Where requests are logged.
    pub access_log: AccessLog,
    /// What directories ask for to believe that a name is ours.
    pub challenges: Arc<Challenges>,
    /// Requests that can be explained.
    pub traces: Traces,
    /// The workers.
    pub crew: Crew,
    /// Client connections open now, over all listeners, also removed ones.
    pub clients: AtomicU64,
    /// Sockets on which workers accept now, also of addresses that end.
    pub accepting: AtomicU64,
    /// Most client connections at once: more would leave no descriptors for backends, checks and operators.
    pub max_clients: u64,
    /// Defects of this program that ended a connection, a request or whatever else they happened in.
    pub panics: AtomicU64,
    /// Set once the sockets belong to another process, or are about to: what is done to them here is done to it.
    pub handed_over: AtomicBool,
    /// Set once the daemon is asked to stop.
    pub stopping: AtomicBool,
    /// Turns true when the time to stop is over: workers cut what they still serve, and then no longer listen here.
    pub cut: watch::Sender<bool>,
    /// Faults that are injected.
    pub faults: Faults,
    /// Load tests that are under way.
    pub runs: LiveRuns,
    rev: AtomicU64,
}

/// What others know about the health of a backend.
#[derive(Debug)]
pub enum HealthNews {
    /// It refused a connection of traffic.
    Refused(Arc<Backend>),
    /// A fault had a part in its health, which was this before, and has ended.
    FaultOver(Arc<Backend>, Health),
}

/// What a [`State`] begins with.
#[derive(Debug)]
pub struct Parts {
    /// The first configuration.
    pub snapshot: Snapshot,
    /// The workers.
    pub crew: Crew,
    /// The last revision number in use.
    pub rev: u64,
    /// Most client connections at once.
    pub max_clients: u64,
    /// To the health thread.
    pub health_news: tokio::sync::mpsc::UnboundedSender<HealthNews>,
    /// Where requests are logged.
    pub access_log: AccessLog,
    /// Proofs for ACME directories.
    pub challenges: Arc<Challenges>,
    /// What happened before.
    pub events: EventLog,
}

impl State {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { snapshot, crew, rev, max_clients, health_news, access_log, challenges, events } = parts;
        Self {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            events,
            counters: (0..crew.len()).map(|_| Padded::default()).collect(),
            health_news,
            access_log,
            challenges,
            traces: Traces::new(crew.len()),
            crew,
            clients: AtomicU64::new(0),
            accepting: AtomicU64::new(0),
            max_clients,
            panics: AtomicU64::new(0),
            handed_over: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            cut: watch::channel(false).0,
            faults: Faults::default(),
            runs: LiveRuns::default(),
            rev: AtomicU64::new(rev),
        }
    }

    /// Puts a configuration in force. The control thread alone does.
    pub fn publish(&self, snapshot: &Arc<Snapshot>) {
        self.snapshot.store(Arc::clone(snapshot));
        self.faults.resolve(snapshot);
    }

    /// A revision number never used before in this process.
    pub fn next_rev(&self) -> u64 {
        self.rev.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The newest revision.
    pub fn rev(&self) -> u64 {
        self.rev.load(Ordering::Relaxed)
    }

    /// Takes note that a backend refused a connection: it leaves at once, and the health thread keeps the
    /// cause. The first caller reports; the others only see that it is gone.
    pub fn refused(&self, backend: &Arc<Backend>) {
        if backend.leave_at_once() && self.health_news.send(HealthNews::Refused(Arc::clone(backend))).is_err()
        {
            tracing::debug!(backend = %backend.id, "no health thread to report a refusal to: stopping");
        }
    }

    /// Counts a defect of this program, and tells it.
    pub fn panicked(&self, panic: &Panic) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        self.events.push(NewEvent::new(Severity::Error, "daemon", "ayad", panic.to_string()));
    }

    /// True once the daemon is asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Why something ended that was dropped before its end: nobody else drops what a worker still serves.
    pub fn reason_of_drop(&self) -> Reason {
        if *self.cut.borrow() { Reason::Stopping } else { Reason::ClientGone }
    }
}

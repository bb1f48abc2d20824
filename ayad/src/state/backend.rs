//! One backend as it lives from its first configuration to its last request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aya_api::axis::StickyDrain;
use aya_core::axis::{Admin, Health};
use aya_core::hash::hash64;
use aya_core::health::{Cause, HealthMachine, Start};
use aya_core::histogram::Histogram;
use aya_core::load::Load;
use aya_core::report::{Subject, Told};
use aya_core::signal::Signal;
use aya_core::time::Tick;

use super::counters::{Padded, bump};
use super::reported::Reported;
use crate::chaos::Touch;
use crate::clock;
use crate::config;
use crate::config::signals::Source;
use crate::stream::Endpoint;
use crate::upstream::{IdleList, SharedList};

/// How long no bound client may come before a backend that honours sticky sessions counts as drained.
pub(super) const BOUND_QUIET: Duration = Duration::from_secs(5);

/// How many transitions and checks of a backend are kept.
pub const HISTORY_KEPT: usize = 100;

/// One backend. What is hot is in [`Load`] and in the cells of the workers; the rest is behind a lock that
/// a request takes only when it changes the breaker.
#[derive(Debug)]
pub struct Backend {
    /// `pool/backend`.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub name: String,
    /// Its address as it was written.
    pub address: String,
    /// What that resolved to.
    pub resolved: Endpoint,
    /// What algorithms look at.
    pub load: Arc<Load>,
    /// One cell for each worker.
    pub workers: Vec<Padded<WorkerCell>>,
    /// What is said about it from outside its traffic.
    pub reported: Reported,
    /// Changes whenever configuration or orders change this backend.
    pub rev: AtomicU64,
    /// What faults did to it.
    pub touch: Touch,
    past: Mutex<Past>,
    leaving: AtomicBool,
    bound_at: AtomicU64,
}

/// What one worker keeps about one backend. Counters are written by that worker alone.
#[derive(Debug, Default)]
pub struct WorkerCell {
    /// Latencies of all requests, in microseconds.
    pub latency: Histogram,
    /// Connections waiting for their next request. The lock is taken by this worker, and by the control
    /// thread when it closes idle connections.
    pub idle: IdleList,
    /// Connections that many requests share.
    pub shared: SharedList,
    requests: AtomicU64,
    failures: AtomicU64,
    moved: AtomicU64,
    /// Smoothed time of connecting in nanoseconds; 0 before the first connection.
    connect: AtomicU64,
}

impl WorkerCell {
    /// Counts a finished request.
    pub fn finished(&self, micros: u64, ok: bool) {
        self.latency.record(micros);
        bump(&self.requests, 1);
        bump(&self.failures, u64::from(!ok));
    }

    /// Counts a failed request that went on to another backend: a failure of this one, not of the pool.
    pub fn moved_on(&self) {
        bump(&self.moved, 1);
    }

    /// A connection was made, in this time: TLS and what else comes before a request included.
    pub fn connected(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let before = self.connect.load(Ordering::Relaxed);
        let smoothed = if before == 0 { took } else { before - before / 8 + took / 8 };
        self.connect.store(smoothed, Ordering::Relaxed);
    }

    /// Everything since the start.
    pub fn totals(&self) -> Totals {
        Totals {
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            moved: self.moved.load(Ordering::Relaxed),
        }
    }
}

/// What happened to requests since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished requests; also those that failed.
    pub requests: u64,
    /// Requests without an answer, or with a 5xx.
    pub failures: u64,
    /// Failures after which the request went on to another backend.
    pub moved: u64,
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            failures: self.failures + other.failures,
            moved: self.moved + other.moved,
        }
    }
}

/// An order about the admin state, as people gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminOrder {
    /// Since when, wall clock.
    pub since_ms: u64,
    /// Who; absent for what the configuration says.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When it reverts itself, wall clock.
    pub until_ms: Option<u64>,
    /// Read back from the journal.
    pub restored: bool,
    /// What happens to bound clients while draining.
    pub sticky: Option<StickyDrain>,
}

/// An order about the breaker, as people gave it. What it says is in the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOrder {
    /// Since when, wall clock.
    pub since_ms: u64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When it reverts itself, wall clock.
    pub until_ms: Option<u64>,
    /// Read back from the journal.
    pub restored: bool,
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub struct PastEntry {
    /// When, wall clock.
    pub at_ms: u64,
    /// Which axis.
    pub axis: &'static str,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// Why.
    pub cause: String,
    /// Who, for orders.
    pub by: Option<String>,
}

/// One finished check.
#[derive(Clone, Debug)]
pub struct CheckRecord {
    /// When, wall clock.
    pub at_ms: u64,
    /// Verdict.
    pub verdict: Result<(), Cause>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// The part of a backend that changes rarely.
#[derive(Debug)]
pub struct Past {
    /// Verdict of checks and traffic.
    pub health: HealthMachine,
    /// Since when health is as it is, wall clock.
    pub health_since_ms: u64,
    /// The order in force.
    pub admin: AdminOrder,
    /// What opened the breaker, and when it last changed, wall clock.
    pub breaker_since_ms: u64,
    /// The order about the breaker in force.
    pub breaker_order: Option<BreakerOrder>,
    /// Weight in the configuration.
    pub configured_weight: u32,
    /// When a changed weight reverts, wall clock.
    pub weight_until_ms: Option<u64>,
    /// A changed weight came from the journal.
    pub weight_restored: bool,
    /// Zone in the configuration.
    pub zone: Option<String>,
    /// Tags in the configuration.
    pub tags: Vec<String>,
    /// Where it is defined.
    pub origin: String,
    /// Transitions, oldest first.
    pub history: VecDeque<PastEntry>,
    /// Checks, oldest first.
    pub checks: VecDeque<CheckRecord>,
}

impl Past {
    /// Adds to the history.
    pub fn remember(&mut self, entry: PastEntry) {
        if self.history.len() == HISTORY_KEPT {
            self.history.pop_front();
        }
        self.history.push_back(entry);
    }

    /// Adds a finished check.
    pub fn checked(&mut self, record: CheckRecord) {
        if self.checks.len() == HISTORY_KEPT {
            self.checks.pop_front();
        }
        self.checks.push_back(record);
    }
}

impl Backend {
    /// A new backend of `pool`, as the configuration says.
    pub fn new(pool: &config::Pool, conf: &config::Backend, workers: usize, rev: u64) -> Self {
        let id = format!("{}/{}", pool.name, conf.name);
        let start = pool.check.as_ref().map_or(Start::Unknown, |c| c.start);
        let machine = HealthMachine::new(start, clock::now());
        let load = Load::new(hash64(id.as_bytes()), conf.weight, machine.state());
        load.breaker().configure(pool.breaker.as_ref());
        let wall = clock::wall_ms();
        Self {
            pool: pool.name.clone(),
            name: conf.name.clone(),
            address: conf.address.clone(),
            resolved: conf.resolved.clone(),
            load: Arc::new(load),
            workers: (0..workers).map(|_| Padded::default()).collect(),
            reported: Reported::default(),
            rev: AtomicU64::new(rev),
            touch: Touch::default(),
            past: Mutex::new(Past {
                health: machine,
                health_since_ms: wall,
                admin: AdminOrder::configured(wall),
                breaker_since_ms: wall,
                breaker_order: None,
                configured_weight: conf.weight,
                weight_until_ms: None,
                weight_restored: false,
                zone: conf.zone.clone(),
                tags: conf.tags.clone(),
                origin: conf.origin.0.clone(),
                history: VecDeque::new(),
                checks: VecDeque::new(),
            }),
            leaving: AtomicBool::new(false),
            bound_at: AtomicU64::new(0),
            id,
        }
    }

    /// True when `conf` describes this very server, so that its connections and counters go on.
    pub fn is_same_server(&self, conf: &config::Backend) -> bool {
        self.name == conf.name && self.resolved == conf.resolved
    }

    /// Its past, locked. No request takes this lock.
    pub fn past(&self) -> MutexGuard<'_, Past> {
        // Every holder leaves whole values behind, also when it panics.
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a change of the breaker to its past, and says what it was before.
    pub fn remember_breaker(&self, to: &str, cause: &str) -> String {
        let before = self.past().history.iter().rev().find(|e| e.axis == "breaker").map(|e| e.to.clone());
        let from = before.unwrap_or_else(|| "closed".to_owned());
        self.past().breaker_since_ms = clock::wall_ms();
        self.remember("breaker", &from, to, cause);
        from
    }

    /// Adds a change that nobody ordered to its past.
    pub fn remember(&self, axis: &'static str, from: &str, to: &str, cause: &str) {
        let (from, to, cause) = (from.to_owned(), to.to_owned(), cause.to_owned());
        self.past().remember(PastEntry { at_ms: clock::wall_ms(), axis, from, to, cause, by: None });
    }

    /// Takes it out of traffic after a refused connection. True for the first caller.
    pub fn leave_at_once(&self) -> bool {
        self.load.set_health(Health::Down);
        !self.leaving.swap(true, Ordering::AcqRel)
    }

    /// The health thread has taken note of the refusal; the next one is reported again.
    pub fn left(&self) {
        self.leaving.store(false, Ordering::Release);
    }

    /// Closes its idle connections on all workers and says how many there were.
    pub fn close_idle(&self) -> usize {
        self.workers.iter().map(|w| w.idle.close_all() + w.shared.close_all()).sum()
    }

    /// Idle connections on all workers.
    pub fn idle(&self) -> usize {
        self.workers.iter().map(|w| w.idle.len() + w.shared.idle()).sum()
    }

    /// How long making a connection takes of late, the mean over the workers that made one.
    pub fn connect_time(&self) -> Option<Duration> {
        let known =
            self.workers.iter().map(|w| w.connect.load(Ordering::Relaxed)).filter(|nanos| *nanos != 0);
        let (sum, count) =
            known.fold((0_u64, 0), |(sum, count), nanos| (sum.saturating_add(nanos), count + 1));
        (count > 0).then(|| Duration::from_nanos(sum / count))
    }

    /// Takes in a number that this backend, or somebody who knows it, told; says in words why it was not believed.
    pub fn hear(&self, source: Source, told: Told, now: Tick) -> Option<String> {
        let (subject, value) = told;
        let Ok(value) = value else {
            self.reported.not_believed();
            return disbelief(told);
        };
        match subject {
            Subject::Slots => self.load.set_slots(value as u32),
            Subject::Signal(signal) => {
                if let Err(why) = self.reported.take(&self.load, source, signal, value, now) {
                    return disbelief((subject, Err(why)));
                }
                if signal == Signal::InFlight {
                    // What is asked for beside requests has no request of its own to be left out.
                    let extra = if source == Source::Headers { 0.0 } else { -1.0 };
                    self.load.report_in_flight(
                        now,
                        (value + extra * f64::from(self.load.in_flight().min(1))).max(0.0),
                    );
                }
            }
        }
        None
    }

    /// What happened to its requests since the start, over all workers.
    pub fn totals(&self) -> Totals {
        self.workers.iter().map(|w| w.totals()).fold(Totals::default(), std::ops::Add::add)
    }

    /// Takes note of a request of a client that is bound to this backend while it drains.
    pub fn bound_request(&self, now: Tick) {
        self.bound_at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// A draining backend without requests is drained; one that still honours bound clients only after none
    /// of them came for [`BOUND_QUIET`]. True when this call found that out.
    pub fn settle_drain(&self, now: Tick) -> bool {
        let bound_at = Tick::from_nanos(self.bound_at.load(Ordering::Relaxed));
        let settled = self.load.admin() == Admin::Draining
            && self.load.in_flight() == 0
            && (!self.load.honours_sticky() || now.since(bound_at) >= BOUND_QUIET);
        if settled {
            self.load.set_admin(Admin::Drained, false);
        }
        settled
    }
}

/// Why a number was not believed, in words.
fn disbelief((subject, value): Told) -> Option<String> {
    value.err().map(|why| format!("{} {}", subject.as_str(), why.as_str()))
}

impl AdminOrder {
    /// What holds without any order.
    pub fn configured(since_ms: u64) -> Self {
        Self { since_ms, by: None, reason: None, until_ms: None, restored: false, sticky: None }
    }
}

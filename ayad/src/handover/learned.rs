//! What a process knows about its backends beyond what is written down, as it travels to the next one.
//!
//! Times travel as distances, because every process has a clock of its own. What cannot be read on the other side
//! is left out there: a backend that is learned anew is no harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aya_core::axis::{Admin, Health};
use aya_core::health::{Cause, HealthMachine, HealthWas};
use aya_core::load::LearnedLoad;
use aya_core::signal::Signal;
use serde::{Deserialize, Serialize};

use super::standing::{Among, Followed};
use crate::clock;
use crate::health::reasons;
use crate::state::{AdminOrder, Backend, Past, PastEntry, Pool, Snapshot};

/// What is known about one backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learned {
    id: String,
    /// Where it was: another server of the same name is another backend.
    resolved: String,
    /// Whether its pool has checks: verdicts of checks mean nothing to a pool without, and the other way round.
    is_checked: bool,
    health: Verdict,
    latency: Option<Latency>,
    breaker: Breaker,
    admin: Standing,
    /// Since when nothing is in flight there, in wall-clock milliseconds, when it is drained.
    drained_ms: Option<u64>,
    history: Vec<Entry>,
    #[serde(default)]
    among: Option<Among>,
    #[serde(default)]
    followed: Option<Followed>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Verdict {
    state: String,
    since_ms: u64,
    cause: String,
    status: u16,
    why: String,
    passes: u32,
    failures: u32,
    refusals: u32,
}

/// Since when the admin state is as it is, and by whom. The state itself comes from the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Standing {
    since_ms: u64,
    by: Option<String>,
    reason: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Latency {
    ns: f64,
    samples: u32,
    age_ns: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Breaker {
    failures: u32,
    /// Nanoseconds until the next trial, when it is open.
    retry_in_ns: Option<u64>,
    since_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    at_ms: u64,
    axis: String,
    from: String,
    to: String,
    cause: String,
    by: Option<String>,
}

/// Axes that a history speaks of.
const AXES: &[&str] =
    &["admin", "health", "breaker", "breaker-order", "outlier", "weight", "learned", "backend"];

/// Everything that is known about the backends of a snapshot.
pub fn of(snapshot: &Snapshot) -> Vec<Learned> {
    let of_pool = |pool: &Arc<Pool>| {
        let is_checked = pool.conf.check.is_some();
        let follows = follows(pool);
        pool.backends.iter().map(|backend| learned(backend, is_checked, follows)).collect::<Vec<_>>()
    };
    snapshot.pools.iter().flat_map(of_pool).collect()
}

/// Has the backends of a snapshot go on with it. Backends that are drained already are returned with since when;
/// the order to drain them comes from the journal.
pub fn resume(snapshot: &Snapshot, all: Vec<Learned>) -> Vec<(Arc<Backend>, u64)> {
    let mut by_id: HashMap<String, Learned> = all.into_iter().map(|l| (l.id.clone(), l)).collect();
    let mut drained = Vec::new();
    for pool in &snapshot.pools {
        for backend in &pool.backends {
            let learned = by_id.remove(&backend.id);
            let Some(learned) = learned.filter(|l| l.resolved == backend.resolved.to_string()) else {
                continue;
            };
            drained.extend(learned.drained_ms.map(|since| (Arc::clone(backend), since)));
            learned.give_to(backend, pool);
        }
    }
    drained
}

/// The signal that weights follow.
fn follows(pool: &Pool) -> Option<Signal> {
    pool.conf.signals.follow.as_ref().map(|rules| rules.signal)
}

fn learned(backend: &Backend, is_checked: bool, follows: Option<Signal>) -> Learned {
    let now = clock::now();
    let past = backend.past();
    let latency = backend.load.learned(now).map(|learned| Latency {
        ns: learned.latency_ns,
        samples: learned.samples,
        age_ns: learned.age.as_nanos() as u64,
    });
    let breaker = backend.load.breaker();
    Learned {
        id: backend.id.clone(),
        resolved: backend.resolved.to_string(),
        is_checked,
        health: Verdict::of(&past),
        latency,
        breaker: Breaker {
            failures: breaker.failures(),
            retry_in_ns: breaker.retry_at().map(|at| at.since(now).as_nanos() as u64),
            since_ms: past.breaker_since_ms,
        },
        admin: Standing {
            since_ms: past.admin.since_ms,
            by: past.admin.by.clone(),
            reason: past.admin.reason.clone(),
        },
        drained_ms: (backend.load.admin() == Admin::Drained).then_some(past.admin.since_ms),
        history: past.history.iter().map(Entry::of).collect(),
        among: Among::of(backend, now),
        followed: follows.map(|signal| Followed::of(backend, signal, now)),
    }
}

impl Verdict {
    fn of(past: &Past) -> Self {
        let HealthWas { state, cause, passes, failures, refusals } = past.health.was();
        let (status, why) = cause.details();
        Self {
            state: state.as_str().to_owned(),
            since_ms: past.health_since_ms,
            cause: cause.code().to_owned(),
            status,
            why: why.to_owned(),
            passes,
            failures,
            refusals,
        }
    }

    fn was(&self) -> Option<HealthWas> {
        let known = reasons().find(|why| **why == self.why).copied().unwrap_or_default();
        Some(HealthWas {
            state: Health::ALL.iter().copied().find(|state| state.as_str() == self.state)?,
            cause: Cause::of_code(&self.cause, self.status, &self.why, known)?,
            passes: self.passes,
            failures: self.failures,
            refusals: self.refusals,
        })
    }
}

impl Entry {
    fn of(entry: &PastEntry) -> Self {
        let PastEntry { at_ms, axis, from, to, cause, by } = entry.clone();
        Self { at_ms, axis: axis.to_owned(), from, to, cause, by }
    }

    fn past(self) -> Option<PastEntry> {
        let Self { at_ms, axis, from, to, cause, by } = self;
        let axis = AXES.iter().copied().find(|known| *known == axis)?;
        Some(PastEntry { at_ms, axis, from, to, cause, by })
    }
}

impl Learned {
    fn give_to(self, backend: &Backend, pool: &Pool) {
        let is_checked = pool.conf.check.is_some();
        let now = clock::now();
        let mut past = backend.past();
        if let Some(was) = self.health.was().filter(|_| self.is_checked == is_checked) {
            backend.load.set_health(was.state);
            past.health = HealthMachine::resume(was, now);
            past.health_since_ms = self.health.since_ms;
        }
        if let Some(Latency { ns, samples, age_ns }) = self.latency {
            let learned = LearnedLoad { latency_ns: ns, samples, age: Duration::from_nanos(age_ns) };
            backend.load.learn_from(now, &learned);
        }
        let Breaker { failures, retry_in_ns, since_ms } = self.breaker;
        backend.load.breaker().resume(now, failures, retry_in_ns.map(Duration::from_nanos));
        past.breaker_since_ms = since_ms;
        // Where nobody looks for outliers, the next look would take it back and tell so.
        if let Some(among) = self.among.filter(|_| pool.conf.outliers.is_some()) {
            among.give_to(backend, now);
        }
        if let Some(followed) = self.followed {
            followed.give_to(backend, follows(pool), now);
        }
        let Standing { since_ms, by, reason } = self.admin;
        past.admin = AdminOrder { by, reason, ..AdminOrder::configured(since_ms) };
        for entry in self.history.into_iter().filter_map(Entry::past) {
            past.remember(entry);
        }
    }
}

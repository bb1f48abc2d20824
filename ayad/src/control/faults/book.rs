//! Who injected what, why and until when, and the faults that have ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aya_api::condition::{Condition, Hold};
use aya_api::event::Severity;
use aya_api::fault::{FaultBody, FaultState, FaultView, LockView, Observed, StopState, StopView};
use aya_core::chaos::caution::Limits;
use aya_core::time::Tick;

use crate::chaos::{Active, put_back};
use crate::clock;
use crate::control::Control;
use crate::control::sampler::Sampler;
use crate::state::NewEvent;

/// Faults that ended and are kept.
const ENDED_KEPT: usize = 64;

/// What the control thread knows of faults.
#[derive(Debug, Default)]
pub(in crate::control) struct Chaos {
    /// Set while nobody may inject.
    pub(in crate::control) lock: Option<LockView>,
    /// Those that are injected, oldest first.
    pub(super) active: Vec<Entry>,
    /// The last ones that ended, newest first.
    pub(super) ended: VecDeque<FaultView>,
    /// Figures of the pools that stop conditions are about.
    pub(super) figures: Sampler,
    /// What those that ended did, by kind.
    before: BTreeMap<&'static str, Sums>,
    /// The number of the last one.
    pub(super) last: u64,
    /// What seeds of faults are drawn from.
    pub(super) seed: u64,
    /// When figures are taken next.
    pub(super) look_at: Tick,
}

/// What faults of one kind did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Sums {
    /// As many are injected now.
    pub(in crate::control) active: u64,
    /// What matched.
    pub(in crate::control) matched: u64,
    /// What was hit of that.
    pub(in crate::control) hit: u64,
    /// What was meant to be hit and was not.
    pub(in crate::control) skipped: u64,
    /// What is held now.
    pub(in crate::control) held: u64,
}

impl Sums {
    fn add(&mut self, observed: &Observed) {
        self.matched += observed.matched;
        self.hit += observed.hit;
        self.skipped += observed.skipped.iter().map(|skipped| skipped.count).sum::<u64>();
    }
}

/// A fault that is injected.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// As it was ordered.
    pub(super) body: FaultBody,
    pub(super) seed: u64,
    pub(super) by: String,
    pub(super) reason: Option<String>,
    pub(super) limits: Limits,
    pub(super) since_ms: u64,
    pub(super) ends: Tick,
    pub(super) lease: Option<Lease>,
    pub(super) stops: Vec<Stop>,
    pub(super) skips: Skips,
    /// What injects it; absent for one that is only tried.
    pub(super) active: Option<Arc<Active>>,
    /// Whom it is for, where nothing injects it.
    pub(super) backends: Vec<String>,
}

/// The time within which the caller of an attached fault must be heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) length: Duration,
    pub(super) ends: Tick,
}

/// A stop condition, and how it stands.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) condition: Condition,
    /// Pool or `pool/backend` that it is about.
    pub(super) scope: String,
    pub(super) hold: Hold,
    pub(super) state: StopState,
    pub(super) value: Option<f64>,
    pub(super) since: Tick,
}

/// What was told of what was skipped.
#[derive(Debug, Default)]
pub(super) struct Skips {
    pub(super) told: u64,
    pub(super) told_at: Option<Tick>,
}

impl Entry {
    /// Whom it is for now.
    pub(super) fn backends(&self) -> Vec<String> {
        self.active.as_ref().map_or_else(|| self.backends.clone(), |active| active.reach().ids().to_vec())
    }

    /// What became of what matched.
    pub(super) fn observed(&self) -> Observed {
        self.active.as_ref().map(|active| active.observed()).unwrap_or_default()
    }

    pub(super) fn view(&self) -> FaultView {
        let stop = |stop: &Stop| StopView {
            condition: stop.condition.to_string(),
            state: stop.state,
            value: stop.value,
            since_ms: clock::wall_of(stop.since),
        };
        FaultView {
            id: self.id.clone(),
            fault: self.body.fault.clone(),
            target: self.body.target.clone(),
            share: self.body.share,
            per: self.body.per,
            seed: self.seed,
            state: if self.active.is_some() { FaultState::Active } else { FaultState::Planned },
            started_ms: self.since_ms,
            ends_ms: self.since_ms + self.body.for_ms,
            lease_ends_ms: self.lease.map(|lease| clock::wall_of(lease.ends)),
            ended_ms: None,
            ended_by: None,
            by: self.by.clone(),
            reason: self.reason.clone(),
            run: self.body.run.clone(),
            backends: self.backends(),
            observed: self.observed(),
            stop_if: self.stops.iter().map(stop).collect(),
            limits: super::shown(self.limits),
        }
    }

    /// An event about it.
    pub(super) fn event(&self, severity: Severity, cause: impl Into<String>) -> NewEvent {
        NewEvent::new(severity, "fault", self.id.as_str(), cause)
    }

    /// What it does to whom, and why: `latency 200 ms for shop, 5 % of requests: game day`.
    pub(super) fn words(&self) -> String {
        let share = self.body.share * 100.0;
        let per = match self.body.per {
            aya_api::fault::Per::Request => "requests",
            aya_api::fault::Per::Connection => "connections",
        };
        let why = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        if !self.body.fault.has_share() {
            return format!("{} for {}{why}", self.body.fault, self.body.target);
        }
        format!("{} for {}, {share} % of {per}{why}", self.body.fault, self.body.target)
    }
}

impl Chaos {
    /// No faults; those to come draw from `seed` who is hit.
    pub(in crate::control) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Faults that are injected, oldest first.
    pub(super) fn active_views(&self) -> Vec<FaultView> {
        self.active.iter().map(Entry::view).collect()
    }

    /// One of them, or one that has ended.
    pub(super) fn view(&self, id: &str) -> Option<FaultView> {
        let active = self.active.iter().find(|entry| entry.id == id).map(Entry::view);
        active.or_else(|| self.ended.iter().find(|view| view.id == id).cloned())
    }

    /// What faults of a kind did since the start.
    pub(in crate::control) fn sums(&self, kind: &str) -> Sums {
        let mut sums = self.before.get(kind).copied().unwrap_or_default();
        for entry in self.active.iter().filter(|entry| entry.body.fault.kind() == kind) {
            let observed = entry.observed();
            sums.active += 1;
            sums.held += observed.held;
            sums.add(&observed);
        }
        sums
    }

    /// All ids there are.
    pub(super) fn ids(&self) -> Vec<String> {
        let active = self.active.iter().map(|entry| &entry.id);
        active.chain(self.ended.iter().map(|view| &view.id)).cloned().collect()
    }

    /// Moves the end of a lease; false when the fault is not attached.
    pub(super) fn renew(&mut self, id: &str, now: Tick) -> bool {
        let entry = self.active.iter_mut().find(|entry| entry.id == id);
        let Some(lease) = entry.and_then(|entry| entry.lease.as_mut()) else { return false };
        lease.ends = now.after(lease.length);
        true
    }
}

impl Control {
    /// Ends a fault at once, keeps it among those that ended, and tells.
    pub(super) fn end_fault(&mut self, id: &str, cause: &str, by: &str) -> Option<FaultView> {
        let snapshot = self.state.snapshot.load_full();
        self.state.faults.end(id, &snapshot);
        put_back(&self.state);
        let at = self.chaos.active.iter().position(|entry| entry.id == id)?;
        let entry = self.chaos.active.remove(at);
        let mut view = entry.view();
        view.state = FaultState::Ended;
        view.ended_ms = Some(clock::wall_ms());
        view.ended_by = Some(cause.to_owned());
        self.chaos.before.entry(entry.body.fault.kind()).or_default().add(&view.observed);
        let Observed { hit, matched, .. } = view.observed;
        let cause = if entry.body.fault.has_share() {
            format!("{cause}; it hit {hit} of {matched}")
        } else {
            cause.to_owned()
        };
        let event = entry.event(Severity::Info, cause).change("active", "ended");
        self.state.events.push(event.ordered(Some(by.to_owned()), None));
        self.chaos.ended.push_front(view.clone());
        self.chaos.ended.truncate(ENDED_KEPT);
        Some(view)
    }
}

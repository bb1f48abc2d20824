//! What faults did to backends, and undoing what the daemon learned of it when none of them reaches a backend any more.
//!
//! Breakers, outlier detection, health and latency learn of attempts that a fault hits as of any other: that is what
//! faults are for. But it says nothing about the backend. So each backend that faults reach is remembered as it was
//! before, and is that again once no fault reaches it any more, in what faults touched. What was bad before stays bad;
//! what goes bad for other reasons does so again at once. What `auto` learned about algorithms stays.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aya_api::event::Severity;
use aya_core::chaos::undo::Before;

use super::Active;
use crate::clock;
use crate::state::{Backend, HealthNews, NewEvent, Snapshot, State};
use crate::tend;

/// Said of what is undone.
const FORGOTTEN: &str = "a fault had hit it, and has ended: what it taught is forgotten";

/// What faults did to a backend since they reach it.
#[derive(Debug, Default)]
pub struct Touch {
    attempts: AtomicBool,
    health: AtomicBool,
}

impl Touch {
    /// An attempt was hit.
    pub fn attempt(&self) {
        self.attempts.store(true, Ordering::Release);
    }

    /// A check was, or an attempt was refused, which says as much.
    pub fn health(&self) {
        self.health.store(true, Ordering::Release);
    }

    /// What was hit, attempts and health, and begins anew.
    fn take(&self) -> (bool, bool) {
        (self.attempts.swap(false, Ordering::AcqRel), self.health.swap(false, Ordering::AcqRel))
    }
}

/// Backends as they were before faults reached them. Held by whoever changes the set of faults.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Those that a fault changed something of.
    pub(super) forced: Vec<Arc<Backend>>,
    /// Those that faults reach.
    reached: Vec<(Arc<Backend>, Before)>,
    /// Those that none reaches any more.
    over: Vec<(Arc<Backend>, Before)>,
}

impl Memory {
    /// Takes note of whom `faults` reach; true when there is somebody whom none reaches any more.
    pub(super) fn follow(&mut self, faults: &[Arc<Active>], snapshot: &Snapshot) -> bool {
        let is_reached = |backend: &Backend| {
            let token = backend.load.token();
            faults.iter().any(|active| active.order().share > 0.0 && active.reach().has(token))
        };
        let (kept, over) =
            std::mem::take(&mut self.reached).into_iter().partition(|(backend, _)| is_reached(backend));
        self.reached = kept;
        let over: Vec<_> = over;
        let is_any_over = !over.is_empty();
        self.over.extend(over);
        let now = clock::now();
        let known: HashSet<_> = self.reached.iter().map(|(backend, _)| Arc::as_ptr(backend)).collect();
        for backend in snapshot.backends().filter(|backend| is_reached(backend)) {
            if !known.contains(&Arc::as_ptr(backend)) {
                backend.touch.take();
                self.reached.push((Arc::clone(backend), Before::of(&backend.load, now)));
            }
        }
        is_any_over
    }

    /// Those that none reaches any more, once.
    pub(super) fn take_over(&mut self) -> Vec<(Arc<Backend>, Before)> {
        std::mem::take(&mut self.over)
    }
}

/// Makes backends that no fault reaches any more what they were before, and tells.
pub fn put_back(state: &State) {
    for (backend, before) in state.faults.take_over() {
        let (attempts, health) = backend.touch.take();
        if attempts {
            forget(state, &backend, &before);
        }
        // The health thread owns that, and what it has not heard of yet comes before this.
        if health
            && state.health_news.send(HealthNews::FaultOver(Arc::clone(&backend), before.health())).is_err()
        {
            tracing::debug!(backend = %backend.id, "no health thread to tell of the end of a fault: stopping");
        }
    }
}

fn forget(state: &State, backend: &Backend, before: &Before) {
    let undone = before.put_back(&backend.load, clock::now());
    if let Some(was) = undone.breaker {
        backend.remember_breaker("closed", FORGOTTEN);
        let event = NewEvent::new(Severity::Info, "breaker", &backend.id, FORGOTTEN);
        state.events.push(event.change(was.as_str(), "closed"));
    }
    let snapshot = state.snapshot.load();
    if let (Some(change), Some(pool)) = (&undone.outlier, snapshot.pool(&backend.pool)) {
        tend::tell(state, pool, backend, change);
    }
}

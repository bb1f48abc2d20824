//! Faults that are injected: who is active, whom each one reaches, and what became of what matched.
//!
//! The control thread starts and ends faults, and never waits for a worker. Workers read one immutable set behind one
//! pointer; while it is empty that costs them one relaxed load. What a fault does to an attempt is decided in
//! [`aya_core::chaos`]; the steps of the proxy carry it out between proxy and backend, so that retries, breakers and
//! hedges see it as if the backend had done it.
//!
//! Faults are in this memory alone: nothing of them is written down, and a new process has none.

mod active;
mod made;
mod meters;
mod reach;
mod shaped;
mod spoken;
mod strike;
mod touch;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aya_api::axis::BreakerOrder as Word;
use aya_api::fault::{ChaosLimits, Fault, FaultTarget, Per};
use aya_core::breaker::Order;
use aya_core::chaos::undo::Before;
use aya_core::time::Tick;

pub use self::active::{Active, Cause, Held, Marks};
use self::meters::Meters;
pub use self::reach::{BadTarget, Reach};
pub use self::shaped::{Shaped, Spoken};
pub use self::strike::{Asked, CheckFate, Struck};
use self::touch::Memory;
pub use self::touch::{Touch, put_back};
use crate::state::{Backend, Snapshot};

/// A fault as it is started: all that was asked for, and the limits in force for it.
#[derive(Clone, Debug)]
pub struct FaultOrder {
    /// Its id, e.g. `f7`.
    pub id: String,
    /// What is done.
    pub fault: Fault,
    /// To whom.
    pub target: FaultTarget,
    /// Share of what matches that is hit, 0 to 1.
    pub share: f64,
    /// What the share is of.
    pub per: Per,
    /// Decides who is hit.
    pub seed: u64,
    /// The narrower of what configuration and caller allow; `max_traffic` and `max_held` are held here, the rest is for
    /// whoever starts it.
    pub limits: ChaosLimits,
}

/// The faults of the process.
#[derive(Debug, Default)]
pub struct Faults {
    /// Whether there is any; read before everything else.
    any: AtomicBool,
    set: ArcSwap<Vec<Arc<Active>>>,
    /// Requests of each pool that faults are counted against.
    meters: Meters,
    /// How often there were backends that no fault reached any more.
    epoch: AtomicU64,
    /// What backends were before. Held by whoever changes the set.
    memory: Mutex<Memory>,
}

impl Faults {
    /// True while no fault is injected.
    #[inline]
    pub fn is_idle(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Injects a fault from now on. Errors when its target cannot be read or names what is not there; then nothing is
    /// injected.
    pub fn start(&self, order: FaultOrder, snapshot: &Snapshot) -> Result<Arc<Active>, BadTarget> {
        let reach = Reach::of(&order.target, snapshot)?;
        let active = Arc::new(Active::new(order, reach)?);
        let mut memory = self.lock();
        let mut faults = Vec::clone(&self.set.load());
        faults.push(Arc::clone(&active));
        self.put(faults, snapshot, &mut memory);
        drop(memory);
        Ok(active)
    }

    /// Ends a fault at once: whoever it holds goes on. `None` when there is none of this id.
    pub fn end(&self, id: &str, snapshot: &Snapshot) -> Option<Arc<Active>> {
        let mut memory = self.lock();
        let mut faults = Vec::clone(&self.set.load());
        let ended = faults.remove(faults.iter().position(|active| active.order().id == id)?);
        self.put(faults, snapshot, &mut memory);
        drop(memory);
        ended.end();
        Some(ended)
    }

    /// Ends all faults at once, and says which these were.
    pub fn end_all(&self, snapshot: &Snapshot) -> Vec<Arc<Active>> {
        let mut memory = self.lock();
        let ended = Vec::clone(&self.set.load());
        self.put(Vec::new(), snapshot, &mut memory);
        drop(memory);
        for active in &ended {
            active.end();
        }
        ended
    }

    /// The faults that are injected, oldest first.
    pub fn list(&self) -> Vec<Arc<Active>> {
        Vec::clone(&self.set.load())
    }

    /// How long attempts at one of the backends `tokens` wait by `now` because of a fault.
    pub fn waits(&self, tokens: &[u64], now: Tick) -> Vec<Duration> {
        self.set.load().iter().flat_map(|active| active.waits(tokens, now)).collect()
    }

    /// Finds anew whom each fault reaches, after the snapshot changed. A target that names what is not there any more
    /// reaches nobody until it is there again.
    pub fn resolve(&self, snapshot: &Snapshot) {
        if self.is_idle() {
            return;
        }
        let mut memory = self.lock();
        let faults = Vec::clone(&self.set.load());
        for active in &faults {
            active.reaches(Reach::of(&active.order().target, snapshot).unwrap_or_default());
        }
        self.put(faults, snapshot, &mut memory);
    }

    /// A number that changes when a backend is reached by no fault any more: what an attempt was hit by before that says
    /// nothing about a backend after it.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Backends that no fault reaches any more, once, as they were before.
    fn take_over(&self) -> Vec<(Arc<Backend>, Before)> {
        self.lock().take_over()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Every holder leaves whole lists behind.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a set in force, and what it makes of breakers and loads.
    fn put(&self, faults: Vec<Arc<Active>>, snapshot: &Snapshot, memory: &mut Memory) {
        for backend in memory.forced.drain(..) {
            backend.load.set_phantom(0);
            backend.load.breaker().set_fault(None);
        }
        for backend in snapshot.backends() {
            let mut is_touched = false;
            let token = backend.load.token();
            let reaching = |active: &&Arc<Active>| active.order().share > 0.0 && active.reach().has(token);
            for active in faults.iter().filter(reaching) {
                match active.order().fault {
                    Fault::Load { in_flight } => {
                        backend.load.set_phantom(backend.load.phantom().saturating_add(in_flight));
                        is_touched = true;
                    }
                    Fault::Breaker { order } => {
                        backend.load.breaker().set_fault(forced(order));
                        is_touched = true;
                    }
                    _ => {}
                }
            }
            if is_touched {
                memory.forced.push(Arc::clone(backend));
            }
        }
        let any = !faults.is_empty();
        let is_any_over = memory.follow(&faults, snapshot);
        self.set.store(Arc::new(faults));
        if is_any_over {
            self.epoch.fetch_add(1, Ordering::Release);
        }
        self.any.store(any, Ordering::Release);
        if !any {
            self.meters.clear();
        }
    }
}

/// The order of the core that means the same.
fn forced(order: Word) -> Option<Order> {
    match order {
        Word::None => None,
        Word::Open => Some(Order::Open),
        Word::Closed => Some(Order::Closed),
        Word::Held => Some(Order::Held),
    }
}

//! What all workers share about one backend: how much it has in flight, whether it may get more, and how fast
//! it has been. One cell lives as long as its backend, through reloads and changes of algorithm.
//!
//! Admin state, health, ejection and the sticky flag are packed in one word, the gate, so that whether a backend may be
//! picked is a load, a mask and a look at the breaker in the same cache line. Setters are read-modify-write:
//! the control thread and a health worker can change different axes at the same moment without loss. How fast the
//! backend has been is in the same cell, and its arithmetic in `latency`.
//!
//! What it deliberately does not hold: names, addresses, connections and statistics for people (see
//! [`crate::histogram`]); a picker reads every cell of its pool for every request, so the cell stays small.

mod ease;
mod latency;
mod reported;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use ease::{FULL_EASE, SlowStart};
pub use latency::LearnedLoad;

use crate::axis::{Admin, Health};
use crate::breaker::{Breaker, Entry, Order};
use crate::outlier::Watch;
use crate::signal::{Signals, Stamped};
use crate::time::Tick;

const ADMIN: u32 = 0b11;
const HEALTH_SHIFT: u32 = 2;
const HEALTH: u32 = 0b11 << HEALTH_SHIFT;
/// The bit of the health code that is set in `down` and `warming` and clear in `up` and `unknown`.
const UNHEALTHY: u32 = 0b10 << HEALTH_SHIFT;
const HONOUR_STICKY: u32 = 1 << 4;
/// Worse than the others of its pool (see [`crate::outlier`]).
const EJECTED: u32 = 1 << 5;
/// One request may pass, and ejects it again by passing.
const ON_TRIAL: u32 = 1 << 6;
/// Requests are granted to it on purpose (see [`crate::outlier`]).
const LOOK: u32 = 1 << 7;
const CLOSED: u32 = ADMIN | UNHEALTHY | EJECTED;

/// What came of asking a backend to take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// Not taken: the backend stopped being eligible between pick and now. Nothing is counted.
    Refused,
    /// Taken; owes one [`Load::release`].
    Taken,
    /// Taken as the one trial of a breaker that was open; owes one [`Load::release`].
    Trial,
}

/// The shared cell of one backend.
// 128 bytes, because adjacent cache lines are fetched in pairs and two backends must not disturb each other.
// In the order written: what a pick reads comes first and fits one such pair.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Load {
    gate: AtomicU32,
    in_flight: AtomicU32,
    weight: AtomicU32,
    ease: AtomicU32,
    /// Estimated service time in nanoseconds, as the bits of an `f64`; zero bits mean that there is none.
    latency: AtomicU64,
    latency_at: AtomicU64,
    others: Stamped,
    token: u64,
    /// Decayed peak latency and estimated service time in nanoseconds, as the bits of an `f32`; zero bits for none.
    peak: AtomicU32,
    service: AtomicU32,
    slots: AtomicU32,
    decay_ms: AtomicU32,
    samples: AtomicU32,
    /// Looks that are granted, while the gate says so.
    looks: AtomicU32,
    /// Requests that a fault makes up.
    phantom: AtomicU32,
    /// What signals leave of its weight, in [`FULL_EASE`]ths.
    signal: AtomicU32,
    /// When it came into traffic, in nanoseconds; 0 when it was there from the beginning or that is long ago.
    ramp_since: AtomicU64,
    /// Begins with the one word that a pick reads; the rest of it and what follows is for results.
    breaker: Breaker,
    signals: Signals,
    watch: Watch,
}

impl Load {
    /// A cell for a backend that people want ready and whose breaker is off. `token` is a stable hash of its
    /// name (see [`crate::hash::hash64`]); cookies and rendezvous hashing know it by that.
    pub fn new(token: u64, weight: u32, health: Health) -> Self {
        Self {
            gate: AtomicU32::new((health as u32) << HEALTH_SHIFT),
            in_flight: AtomicU32::new(0),
            weight: AtomicU32::new(weight),
            ease: AtomicU32::new(FULL_EASE),
            latency: AtomicU64::new(0),
            latency_at: AtomicU64::new(0),
            others: Stamped::default(),
            token,
            peak: AtomicU32::new(0),
            service: AtomicU32::new(0),
            slots: AtomicU32::new(0),
            decay_ms: AtomicU32::new(latency::DECAY_MS),
            samples: AtomicU32::new(0),
            looks: AtomicU32::new(0),
            phantom: AtomicU32::new(0),
            signal: AtomicU32::new(FULL_EASE),
            ramp_since: AtomicU64::new(0),
            breaker: Breaker::default(),
            signals: Signals::default(),
            watch: Watch::default(),
        }
    }

    /// The stable number of this backend.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Its share relative to the others of its pool; 0 means nothing new under algorithms that know weights.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Changes the weight from the next pick on.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// What people ordered.
    pub fn admin(&self) -> Admin {
        Admin::from_code(self.gate.load(Ordering::SeqCst))
    }

    /// Sets what people order. `honour_sticky` lets clients bound to this backend keep coming while it
    /// drains.
    pub fn set_admin(&self, admin: Admin, honour_sticky: bool) {
        let sticky = if honour_sticky { HONOUR_STICKY } else { 0 };
        self.change_gate(ADMIN | HONOUR_STICKY, admin as u32 | sticky);
    }

    /// Whether clients bound to this backend keep coming while it drains.
    pub fn honours_sticky(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & HONOUR_STICKY != 0
    }

    /// What checks and traffic say.
    pub fn health(&self) -> Health {
        Health::from_code(self.gate.load(Ordering::SeqCst) >> HEALTH_SHIFT)
    }

    /// Sets what checks and traffic say.
    pub fn set_health(&self, health: Health) {
        self.change_gate(HEALTH, (health as u32) << HEALTH_SHIFT);
    }

    /// What the backend and its monitors say about it.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The breaker of this backend.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// How it does among the others of its pool.
    pub fn watched(&self) -> &Watch {
        &self.watch
    }

    /// Whether it is out of traffic because it does worse than the others of its pool. A trial may be free all the same.
    pub fn is_ejected(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & (EJECTED | ON_TRIAL) != 0
    }

    pub(crate) fn set_ejected(&self, is_ejected: bool) {
        let wanted = if is_ejected { EJECTED } else { 0 };
        if self.gate.load(Ordering::SeqCst) & (EJECTED | ON_TRIAL) != wanted {
            self.change_gate(EJECTED | ON_TRIAL | LOOK, wanted);
        }
    }

    /// Grants so many requests on purpose, in place of those that were granted before and not taken.
    pub(crate) fn grant_looks(&self, looks: u32) {
        let wanted = if looks > 0 { LOOK } else { 0 };
        if self.looks.load(Ordering::Relaxed) != looks {
            self.looks.store(looks, Ordering::Relaxed);
        }
        if self.gate.load(Ordering::SeqCst) & LOOK != wanted {
            self.change_gate(LOOK, wanted);
        }
    }

    /// Requests on purpose that are granted and not taken.
    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Whether a request should go to it before all others, because nothing is heard of it otherwise: a trial is
    /// offered, or a look on purpose granted.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & (ON_TRIAL | LOOK) != 0
    }

    /// Lets one request pass.
    pub(crate) fn offer_trial(&self) {
        self.change_gate(EJECTED | ON_TRIAL | LOOK, ON_TRIAL);
    }

    /// Whether nothing passes until the next trial is offered.
    pub(crate) fn is_trial_taken(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & EJECTED != 0
    }

    /// Whether it may get a new request at `now`: ready, up or unknown, not ejected, and let pass by the breaker.
    pub fn eligible(&self, now: Tick) -> bool {
        self.gate_open() && self.breaker.passes(now)
    }

    /// Whether it may get a new request when too few of its pool are healthy to be choosy: people want it ready, and did not
    /// order its breaker open.
    pub fn eligible_in_panic(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & ADMIN == 0 && self.breaker.order() != Some(Order::Open)
    }

    /// As [`Load::eligible`] for a client that a sticky session binds to this backend: draining with sticky
    /// sessions honoured counts as ready.
    pub fn eligible_bound(&self, now: Tick) -> bool {
        self.gate_open_bound() && self.breaker.passes(now)
    }

    /// Requests this backend has now, over all workers.
    // Sequentially consistent for the drain: see `acquire`.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Requests that seem to be here because a fault says so.
    pub fn phantom(&self) -> u32 {
        self.phantom.load(Ordering::Relaxed)
    }

    /// Sets how many requests seem to be here beside those that are.
    pub fn set_phantom(&self, requests: u32) {
        self.phantom.store(requests, Ordering::Relaxed);
    }

    /// Requests as whoever picks or limits should see them: those that are here, and those that a fault makes up.
    #[inline]
    pub fn apparent(&self) -> u32 {
        self.in_flight().saturating_add(self.phantom())
    }

    /// Takes a place for one request, or says that the backend is no longer eligible.
    ///
    /// The count rises first and the gate is read after it, both sequentially consistent. A drain does it the
    /// other way round: it shuts the gate, then reads the count. So if the drain read zero, this request sees
    /// the gate shut: nothing is ever sent to a backend that was reported as drained.
    pub fn acquire(&self, now: Tick, bound: bool) -> Acquired {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let open = if bound { self.gate_open_bound() } else { self.gate_open() };
        let entry = if open && self.pass_gate() { self.breaker.enter(now) } else { Entry::Refused };
        match entry {
            Entry::Free => Acquired::Taken,
            Entry::Trial => Acquired::Trial,
            Entry::Refused => {
                self.release();
                Acquired::Refused
            }
        }
    }

    /// As [`Load::acquire`] when the pool is in panic: neither health nor breaker holds the request back.
    pub fn acquire_in_panic(&self) -> Acquired {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        if self.eligible_in_panic() {
            return Acquired::Taken;
        }
        self.release();
        Acquired::Refused
    }

    /// As [`Load::acquire`], for callers to whom a trial is a request like any other.
    pub fn try_acquire(&self, now: Tick, bound: bool) -> bool {
        self.acquire(now, bound) != Acquired::Refused
    }

    /// Gives back a place taken with [`Load::acquire`]; exactly once for each, and after the result was given
    /// to [`Load::record`] and [`Breaker::record`].
    ///
    /// Nothing else can be in flight when the last request leaves a half-open breaker, so that one was the
    /// trial or came before it, and no result will follow: the trial is free again.
    pub fn release(&self) {
        let before = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "a place was given back twice");
        if before == 1 {
            self.breaker.release_trial();
        }
    }

    /// Takes the trial where one is offered: of all that saw it offered, one passes. Takes a look where one is granted,
    /// and passes in any case.
    #[inline]
    fn pass_gate(&self) -> bool {
        match self.gate.load(Ordering::SeqCst) & (ON_TRIAL | LOOK) {
            0 => true,
            LOOK => self.take_look(),
            _ => self.take_trial(),
        }
    }

    #[cold]
    fn take_look(&self) -> bool {
        let before =
            self.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |looks| looks.checked_sub(1));
        if before.is_ok_and(|before| before == 1) {
            self.change_gate(LOOK, 0);
        }
        true
    }

    #[cold]
    fn take_trial(&self) -> bool {
        let taken = |gate: u32| (gate & ON_TRIAL != 0).then_some(gate & !ON_TRIAL | EJECTED);
        self.gate.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok()
    }

    fn gate_open(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & CLOSED == 0
    }

    fn gate_open_bound(&self) -> bool {
        let gate = self.gate.load(Ordering::SeqCst);
        let admin = gate & (ADMIN | HONOUR_STICKY);
        gate & (UNHEALTHY | EJECTED) == 0
            && (gate & ADMIN == 0 || admin == Admin::Draining as u32 | HONOUR_STICKY)
    }

    fn change_gate(&self, mask: u32, bits: u32) {
        let mut gate = self.gate.load(Ordering::SeqCst);
        // A failed exchange returns what another axis was just set to, and the loop keeps it.
        while let Err(newer) =
            self.gate.compare_exchange_weak(gate, gate & !mask | bits, Ordering::SeqCst, Ordering::SeqCst)
        {
            gate = newer;
        }
    }
}

#[cfg(test)]
mod tests;

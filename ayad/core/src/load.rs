//! What all workers share about one backend: how much it has in flight, whether it may get more, and how fast
//! it has been. One cell lives as long as its backend, through reloads and changes of algorithm.
//!
//! Admin state, health and the sticky flag are packed in one word, the gate, so that whether a backend may be
//! picked is a load, a mask and a look at the breaker in the same cache line. Setters are read-modify-write:
//! the control thread and a health worker can change different axes at the same moment without loss.
//!
//! What it deliberately does not hold: names, addresses, connections and statistics for people (see
//! [`crate::histogram`]); a picker reads every cell of its pool for every request, so the cell stays small.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::axis::{Admin, Health};
use crate::breaker::{Breaker, Entry};
use crate::time::{Tick, nanos};

const ADMIN: u32 = 0b11;
const HEALTH_SHIFT: u32 = 2;
const HEALTH: u32 = 0b11 << HEALTH_SHIFT;
/// The bit of the health code that is set in `down` and `warming` and clear in `up` and `unknown`.
const UNHEALTHY: u32 = 0b10 << HEALTH_SHIFT;
const HONOUR_STICKY: u32 = 1 << 4;

/// Time over which the latency estimate forgets, in nanoseconds.
const LATENCY_TAU: f64 = 10e9;
/// Silence after which an estimate begins to be replaced rather than averaged, in nanoseconds.
const SILENCE: f64 = 500e6;
/// The first samples count as a plain mean, so that one cold start does not stay for [`LATENCY_TAU`].
const PLAIN_MEAN_SAMPLES: u32 = 32;
/// A failure counts as at least this slow, in nanoseconds.
const FAILURE_FLOOR: f64 = 50e6;
/// Fast failures alone raise the estimate no further than this, in nanoseconds.
const FAILURE_CAP: f64 = 5e9;

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

/// What a cell has learned from traffic, for the process that goes on in place of this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedLoad {
    /// Estimated service time in nanoseconds.
    pub latency_ns: f64,
    /// Results behind it, as far as they matter.
    pub samples: u32,
    /// Time since the last of them.
    pub age: Duration,
}

/// The shared cell of one backend.
// 128 bytes, because adjacent cache lines are fetched in pairs and two backends must not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
pub struct Load {
    gate: AtomicU32,
    in_flight: AtomicU32,
    weight: AtomicU32,
    samples: AtomicU32,
    /// Estimated service time in nanoseconds, as the bits of an `f64`; zero bits mean that there is none.
    latency: AtomicU64,
    latency_at: AtomicU64,
    breaker: Breaker,
    token: u64,
}

impl Load {
    /// A cell for a backend that people want ready and whose breaker is off. `token` is a stable hash of its
    /// name (see [`crate::hash::hash64`]); cookies and rendezvous hashing know it by that.
    pub fn new(token: u64, weight: u32, health: Health) -> Self {
        Self {
            gate: AtomicU32::new((health as u32) << HEALTH_SHIFT),
            in_flight: AtomicU32::new(0),
            weight: AtomicU32::new(weight),
            samples: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            latency_at: AtomicU64::new(0),
            breaker: Breaker::default(),
            token,
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

    /// The breaker of this backend.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether it may get a new request at `now`: ready, up or unknown, and let pass by the breaker.
    pub fn eligible(&self, now: Tick) -> bool {
        self.gate_open() && self.breaker.passes(now)
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

    /// Takes a place for one request, or says that the backend is no longer eligible.
    ///
    /// The count rises first and the gate is read after it, both sequentially consistent. A drain does it the
    /// other way round: it shuts the gate, then reads the count. So if the drain read zero, this request sees
    /// the gate shut: nothing is ever sent to a backend that was reported as drained.
    pub fn acquire(&self, now: Tick, bound: bool) -> Acquired {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let open = if bound { self.gate_open_bound() } else { self.gate_open() };
        let entry = if open { self.breaker.enter(now) } else { Entry::Refused };
        match entry {
            Entry::Free => Acquired::Taken,
            Entry::Trial => Acquired::Trial,
            Entry::Refused => {
                self.release();
                Acquired::Refused
            }
        }
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

    /// Takes one result into the latency estimate. A failure counts as slow, never as fast: as the longest of
    /// its own time, the estimate, four times the estimate (up to 5 s) and 50 ms; else a backend that fails
    /// at once would look like the best one. Costs one exponential.
    ///
    /// Plain loads and stores: when two workers finish at the same instant one of the two samples may be
    /// lost, which an average does not notice.
    pub fn record(&self, now: Tick, latency: Duration, ok: bool) {
        let known = self.latency_ns();
        let own = (nanos(latency) as f64).max(1.0);
        let sample = if ok { own } else { own.max(slow_for(known.unwrap_or(0.0))) };
        let samples = self.samples.load(Ordering::Relaxed);
        let estimate = known.map_or(sample, |known| {
            let share = self.share_of_new(now).max(plain_mean_share(samples));
            known + share * (sample - known)
        });
        self.latency.store(estimate.to_bits(), Ordering::Relaxed);
        self.latency_at.store(now.as_nanos(), Ordering::Relaxed);
        if samples < PLAIN_MEAN_SAMPLES {
            self.samples.store(samples + 1, Ordering::Relaxed);
        }
    }

    /// Takes in that an answer did not come within `waited` and is not waited for any more. That says something only
    /// beyond the estimate, or where there is none; without it, a backend that is slow each time would look as it did
    /// before, because a hedge was faster each time.
    pub fn record_at_least(&self, now: Tick, waited: Duration) {
        if self.latency_ns().is_none_or(|known| nanos(waited) as f64 > known) {
            self.record(now, waited, true);
        }
    }

    /// Estimated service time in nanoseconds, weighted towards the last 10 s; `None` before the first result.
    pub fn latency_ns(&self) -> Option<f64> {
        let bits = self.latency.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }

    /// When the last result came in; the start of the daemon before the first.
    pub fn latency_at(&self) -> Tick {
        Tick::from_nanos(self.latency_at.load(Ordering::Relaxed))
    }

    /// What was learned so far; `None` before the first result.
    pub fn learned(&self, now: Tick) -> Option<LearnedLoad> {
        let latency_ns = self.latency_ns()?;
        let samples = self.samples.load(Ordering::Relaxed);
        Some(LearnedLoad { latency_ns, samples, age: now.since(self.latency_at()) })
    }

    /// Goes on with what another cell learned about the same backend. What is older than this process counts as
    /// if it had been learned at its start. An estimate that is no time is left out.
    pub fn learn_from(&self, now: Tick, learned: &LearnedLoad) {
        if !learned.latency_ns.is_finite() || learned.latency_ns < 1.0 {
            return;
        }
        let at = now.as_nanos().saturating_sub(nanos(learned.age));
        self.latency.store(learned.latency_ns.to_bits(), Ordering::Relaxed);
        self.latency_at.store(at, Ordering::Relaxed);
        self.samples.store(learned.samples.min(PLAIN_MEAN_SAMPLES), Ordering::Relaxed);
    }

    /// What a sample after a silence counts for. Beyond half a second it grows quickly towards everything:
    /// pickers believe a silent estimate less and less, so the answer to their trial must be able to replace
    /// it.
    fn share_of_new(&self, now: Tick) -> f64 {
        let quiet = nanos(now.since(self.latency_at())) as f64;
        let replaced = 1.0 - (SILENCE / quiet.max(SILENCE)).powi(2);
        replaced.max(-(-quiet / LATENCY_TAU).exp_m1())
    }

    fn gate_open(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & (ADMIN | UNHEALTHY) == 0
    }

    fn gate_open_bound(&self) -> bool {
        let gate = self.gate.load(Ordering::SeqCst);
        let admin = gate & (ADMIN | HONOUR_STICKY);
        gate & UNHEALTHY == 0 && (gate & ADMIN == 0 || admin == Admin::Draining as u32 | HONOUR_STICKY)
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

/// What a failure counts as, given the estimate so far.
fn slow_for(known: f64) -> f64 {
    known.max((4.0 * known).clamp(FAILURE_FLOOR, FAILURE_CAP))
}

fn plain_mean_share(samples: u32) -> f64 {
    if samples < PLAIN_MEAN_SAMPLES { 1.0 / f64::from(samples + 1) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::BreakerState;
    use crate::breaker::BreakerRules;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn up() -> Load {
        Load::new(1, 1, Health::Up)
    }

    #[test]
    fn only_ready_and_up_or_unknown_backends_are_eligible() {
        for &admin in Admin::ALL {
            for &health in Health::ALL {
                let load = Load::new(1, 1, health);
                load.set_admin(admin, false);

                let expected = admin == Admin::Ready && matches!(health, Health::Up | Health::Unknown);
                assert_eq!(load.eligible(at(0)), expected, "{admin:?} {health:?}");
                assert_eq!(load.try_acquire(at(0), false), expected);
                assert_eq!((load.admin(), load.health()), (admin, health));
            }
        }
    }

    #[test]
    fn a_wait_that_was_given_up_counts_only_beyond_the_estimate() {
        let load = up();
        load.record(at(0), Duration::from_millis(100), true);

        load.record_at_least(at(1), Duration::from_millis(99));
        assert_eq!(load.latency_ns(), Some(100e6));

        load.record_at_least(at(2), Duration::from_millis(300));
        assert!(load.latency_ns().is_some_and(|estimate| estimate > 100e6));

        let new = up();
        new.record_at_least(at(0), Duration::from_millis(5));
        assert_eq!(new.latency_ns(), Some(5e6));
    }

    #[test]
    fn a_bound_client_may_finish_its_session_only_where_that_is_honoured() {
        let load = up();
        load.set_admin(Admin::Draining, true);
        assert!(load.eligible_bound(at(0)) && !load.eligible(at(0)) && load.honours_sticky());

        load.set_admin(Admin::Draining, false);
        assert!(!load.eligible_bound(at(0)));
        load.set_admin(Admin::Maint, true);
        assert!(!load.eligible_bound(at(0)));
        load.set_admin(Admin::Draining, true);
        load.set_health(Health::Down);
        assert!(!load.eligible_bound(at(0)));
    }

    #[test]
    fn what_one_cell_learned_another_goes_on_with() {
        let (old, new) = (up(), up());
        assert_eq!(old.learned(at(0)), None);
        (0..40).for_each(|ms| old.record(at(ms), Duration::from_millis(10), true));

        new.learn_from(at(100), &old.learned(at(89)).unwrap());

        assert_eq!(new.latency_ns(), old.latency_ns());
        assert_eq!(new.latency_at(), at(50));
        let nonsense = LearnedLoad { latency_ns: f64::NAN, samples: 1, age: Duration::MAX };
        new.learn_from(at(100), &nonsense);
        assert_eq!(new.latency_ns(), old.latency_ns());
    }

    #[test]
    fn a_refused_place_is_not_counted() {
        let load = up();
        assert!(load.try_acquire(at(0), false));
        load.set_admin(Admin::Draining, false);

        assert!(!load.try_acquire(at(0), false));
        assert_eq!(load.in_flight(), 1);
        load.release();
        assert_eq!(load.in_flight(), 0);
    }

    #[test]
    fn setters_of_different_axes_never_lose_each_other() {
        let load = up();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20_000).for_each(|_| load.set_health(Health::Down)));
            scope.spawn(|| (0..20_000).for_each(|_| load.set_admin(Admin::Draining, true)));
        });

        assert_eq!(
            (load.admin(), load.health(), load.honours_sticky()),
            (Admin::Draining, Health::Down, true)
        );
    }

    #[test]
    fn nothing_passes_after_a_drain_has_seen_zero() {
        for _ in 0..200 {
            let load = up();
            let seen_idle = std::thread::scope(|scope| {
                let taker = scope.spawn(|| load.try_acquire(at(0), false));
                load.set_admin(Admin::Draining, false);
                let idle = load.in_flight() == 0;
                idle && taker.join().unwrap()
            });
            assert!(!seen_idle);
        }
    }

    #[test]
    fn a_cancelled_trial_does_not_leave_the_breaker_half_open() {
        let load = up();
        load.breaker().configure(Some(&BreakerRules { failures: 1, open_for: Duration::from_secs(1) }));
        load.breaker().record(at(0), false);

        assert!(!load.eligible(at(999)));
        assert_eq!(load.acquire(at(1000), false), Acquired::Trial);
        assert_eq!(load.acquire(at(1000), false), Acquired::Refused);
        assert_eq!(load.breaker().state(), BreakerState::HalfOpen);
        load.release();
        assert!(load.eligible(at(1001)));
        assert_eq!(load.acquire(at(1001), false), Acquired::Trial);
    }

    #[test]
    fn the_estimate_follows_a_change_within_its_time() {
        let load = up();
        for ms in 0..20_000 {
            load.record(at(ms), Duration::from_millis(10), true);
        }
        for ms in 20_000..30_000 {
            load.record(at(ms), Duration::from_millis(100), true);
        }

        let ms = load.latency_ns().unwrap() / 1e6;
        assert!((60.0..75.0).contains(&ms), "one tau moves it by 63 %, got {ms} ms");
    }

    #[test]
    fn a_cold_first_answer_is_soon_outweighed() {
        let load = up();
        load.record(at(0), Duration::from_secs(1), true);
        for ms in 1..20 {
            load.record(at(ms), Duration::from_millis(10), true);
        }

        assert!(load.latency_ns().unwrap() < 70e6);
    }

    #[test]
    fn an_answer_after_a_long_silence_replaces_the_estimate() {
        let load = up();
        (0..40).for_each(|_| load.record(at(0), Duration::from_secs(1), true));
        load.record(at(10_000), Duration::from_millis(10), true);

        assert!(load.latency_ns().unwrap() < 21e6);
    }

    #[test]
    fn failing_fast_never_looks_fast() {
        let load = up();
        load.record(at(0), Duration::from_millis(20), true);
        for ms in 1..100 {
            load.record(at(ms), Duration::from_micros(50), false);
        }

        assert!(load.latency_ns().unwrap() > 20e6);
        assert!(load.latency_ns().unwrap() <= FAILURE_CAP);
    }
}

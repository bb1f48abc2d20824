//! A circuit breaker that counts failures in a row, shared by all workers without a lock.
//!
//! ```text
//!          `failures` in a row           at the retry time, one trial
//!   closed ─────────────────────▶ open ──────────────────────────────▶ half-open
//!     ▲                            ▲      trial failed or abandoned        │
//!     │                            └───────────────────────────────────────┤
//!     └────────────────────────────────────────────────────────────────────┘
//!                               trial answered
//! ```
//!
//! State and retry time share one word, so that every transition is a single compare-and-swap and exactly one
//! worker wins the trial. A trial that has not ended after another `open_for` is given up as lost and the
//! next one may start: a trial whose client went away can delay the breaker, never hold it half-open for
//! ever.
//!
//! What it deliberately does not do: error rates and windows (a closed set of rules that a person can predict
//! comes first), and it never counts what the client did; the caller decides what a failure is.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::axis::BreakerState;
use crate::time::{Tick, nanos};

/// Low bits of the word, which hold the state; the others are a time in nanoseconds, rounded down to 4.
const STATE: u64 = 3;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it; 0 counts as 1.
    pub failures: u32,
    /// Time from opening to the first trial.
    pub open_for: Duration,
}

/// A transition, for events and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// Traffic is held back.
    Opened {
        /// When the first trial may pass.
        until: Tick,
    },
    /// One trial is under way.
    HalfOpened,
    /// Traffic flows again.
    Closed,
}

/// What the breaker answers to a request that wants to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Refused,
    Free,
    Trial,
}

/// The breaker of one backend.
///
/// All orderings are relaxed except on the word itself: the word carries everything that a transition
/// depends on, and the counter and `since` may be one request late without harm.
#[derive(Debug, Default)]
pub struct Breaker {
    /// State in the low two bits; above them, when open or half-open, the time at which a trial may start.
    word: AtomicU64,
    failures: AtomicU32,
    max_failures: AtomicU32,
    open_for: AtomicU64,
    since: AtomicU64,
}

impl Breaker {
    /// What it does with traffic now.
    pub fn state(&self) -> BreakerState {
        state_of(self.word.load(Ordering::Acquire))
    }

    /// Sets the rules; `None` switches the breaker off. New rules keep the state and the failures counted.
    pub fn configure(&self, rules: Option<&BreakerRules>) {
        let Some(rules) = rules else {
            self.word.store(BreakerState::Off as u64, Ordering::Release);
            self.failures.store(0, Ordering::Relaxed);
            return;
        };
        self.max_failures.store(rules.failures.max(1), Ordering::Relaxed);
        self.open_for.store(nanos(rules.open_for), Ordering::Relaxed);
        self.swap(BreakerState::Off as u64, BreakerState::Closed as u64);
    }

    /// When the next trial may pass; `None` while traffic flows.
    pub fn retry_at(&self) -> Option<Tick> {
        let word = self.word.load(Ordering::Acquire);
        match state_of(word) {
            BreakerState::Off | BreakerState::Closed => None,
            BreakerState::Open | BreakerState::HalfOpen => Some(Tick::from_nanos(word & !STATE)),
        }
    }

    /// When the state last changed; the start of the daemon if it never did.
    pub fn since(&self) -> Tick {
        Tick::from_nanos(self.since.load(Ordering::Relaxed))
    }

    /// Failures in a row, while it is closed.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Goes on where the breaker of another process was: open until `retry_in` is over, or closed with so many
    /// `failures` in a row. A breaker that is off stays off. A trial that was under way is made again.
    pub fn resume(&self, now: Tick, failures: u32, retry_in: Option<Duration>) {
        let closed = BreakerState::Closed as u64;
        let Some(wait) = retry_in else {
            self.failures.store(failures, Ordering::Relaxed);
            return;
        };
        let open = now.after(wait).as_nanos() & !STATE | BreakerState::Open as u64;
        if self.swap(closed, open) {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Counts one result of a request that was sent. A result that arrives while the breaker is open was
    /// sent before it opened and changes nothing; one that arrives while it is half-open decides.
    pub fn record(&self, now: Tick, ok: bool) -> Option<BreakerChange> {
        let word = self.word.load(Ordering::Acquire);
        match (state_of(word), ok) {
            (BreakerState::Off | BreakerState::Open, _) => None,
            (BreakerState::Closed, true) => {
                // Reads first, so that a healthy backend's cache line stays shared between workers.
                if self.failures.load(Ordering::Relaxed) != 0 {
                    self.failures.store(0, Ordering::Relaxed);
                }
                None
            }
            (BreakerState::Closed, false) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if failures < self.max_failures.load(Ordering::Relaxed) { None } else { self.open(word, now) }
            }
            (BreakerState::HalfOpen, false) => self.open(word, now),
            (BreakerState::HalfOpen, true) => {
                self.failures.store(0, Ordering::Relaxed);
                let closed = self.swap(word, BreakerState::Closed as u64);
                closed.then(|| {
                    self.since.store(now.as_nanos(), Ordering::Relaxed);
                    BreakerChange::Closed
                })
            }
        }
    }

    /// Whether a request may try to pass at `now`.
    pub(crate) fn passes(&self, now: Tick) -> bool {
        may_pass(self.word.load(Ordering::Acquire), now)
    }

    /// Lets a request pass, taking the trial when that is what it would be.
    pub(crate) fn enter(&self, now: Tick) -> Entry {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if !may_pass(word, now) {
                return Entry::Refused;
            }
            if matches!(state_of(word), BreakerState::Off | BreakerState::Closed) {
                return Entry::Free;
            }
            if self.swap(word, self.stamped(BreakerState::HalfOpen, now)) {
                self.since.store(now.as_nanos(), Ordering::Relaxed);
                return Entry::Trial;
            }
        }
    }

    /// Gives back a trial that ended without a result: open again, and the next request may be the trial.
    pub(crate) fn release_trial(&self) {
        let word = self.word.load(Ordering::Acquire);
        if state_of(word) == BreakerState::HalfOpen {
            let started = (word & !STATE).saturating_sub(self.open_for.load(Ordering::Relaxed));
            self.swap(word, started & !STATE | BreakerState::Open as u64);
        }
    }

    fn open(&self, word: u64, now: Tick) -> Option<BreakerChange> {
        let open = self.stamped(BreakerState::Open, now);
        if !self.swap(word, open) {
            return None;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.since.store(now.as_nanos(), Ordering::Relaxed);
        Some(BreakerChange::Opened { until: Tick::from_nanos(open & !STATE) })
    }

    /// The word of a state in which the next trial may start `open_for` after `now`.
    fn stamped(&self, state: BreakerState, now: Tick) -> u64 {
        now.as_nanos().saturating_add(self.open_for.load(Ordering::Relaxed)) & !STATE | state as u64
    }

    fn swap(&self, from: u64, to: u64) -> bool {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

fn state_of(word: u64) -> BreakerState {
    BreakerState::from_code((word & STATE) as u32)
}

fn may_pass(word: u64, now: Tick) -> bool {
    matches!(state_of(word), BreakerState::Off | BreakerState::Closed) || now.as_nanos() >= word & !STATE
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: BreakerRules = BreakerRules { failures: 3, open_for: Duration::from_secs(1) };

    #[test]
    fn it_goes_on_where_another_was() {
        let breaker = Breaker::default();
        breaker.resume(at(0), 0, Some(Duration::from_secs(1)));
        assert_eq!(breaker.state(), BreakerState::Off, "off stays off");

        breaker.configure(Some(&RULES));
        breaker.resume(at(0), 2, None);
        assert!(breaker.record(at(1), false).is_some(), "the third failure in a row");

        let breaker = Breaker::default();
        breaker.configure(Some(&RULES));
        breaker.resume(at(0), 0, Some(Duration::from_millis(300)));
        assert_eq!((breaker.state(), breaker.passes(at(299))), (BreakerState::Open, false));
        assert_eq!(breaker.enter(at(300)), Entry::Trial);
    }

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn closed() -> Breaker {
        let breaker = Breaker::default();
        breaker.configure(Some(&RULES));
        breaker
    }

    fn opened() -> Breaker {
        let breaker = closed();
        for _ in 0..3 {
            breaker.record(at(0), false);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let breaker = closed();

        assert_eq!(breaker.record(at(1), false), None);
        assert_eq!(breaker.record(at(2), false), None);
        assert_eq!(breaker.record(at(3), true), None);
        assert_eq!(breaker.record(at(4), false), None);
        assert_eq!(breaker.record(at(5), false), None);
        assert_eq!(breaker.record(at(6), false), Some(BreakerChange::Opened { until: at(1006) }));
        assert_eq!((breaker.retry_at(), breaker.since()), (Some(at(1006)), at(6)));
    }

    #[test]
    fn open_lets_nothing_pass_until_the_retry_time_and_then_exactly_one() {
        let breaker = opened();

        assert_eq!(breaker.enter(at(999)), Entry::Refused);
        assert_eq!(breaker.enter(at(1000)), Entry::Trial);
        assert_eq!(breaker.enter(at(1000)), Entry::Refused);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn of_many_workers_exactly_one_wins_the_trial() {
        for _ in 0..100 {
            let breaker = opened();
            let trials = std::thread::scope(|scope| {
                let enter = || breaker.enter(at(1000)) == Entry::Trial;
                let workers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
                workers.into_iter().map(|worker| usize::from(worker.join().unwrap())).sum::<usize>()
            });
            assert_eq!(trials, 1);
        }
    }

    #[test]
    fn the_trial_decides() {
        let (good, bad) = (opened(), opened());
        good.enter(at(1000));
        bad.enter(at(1000));

        assert_eq!(good.record(at(1010), true), Some(BreakerChange::Closed));
        assert_eq!(bad.record(at(1010), false), Some(BreakerChange::Opened { until: at(2010) }));
        assert_eq!(good.enter(at(1011)), Entry::Free);
        assert_eq!(bad.enter(at(1011)), Entry::Refused);
    }

    #[test]
    fn an_abandoned_trial_can_be_taken_again_at_once() {
        let breaker = opened();
        breaker.enter(at(1000));

        breaker.release_trial();

        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.enter(at(1001)), Entry::Trial);
    }

    #[test]
    fn a_lost_trial_is_replaced_after_another_open_time() {
        let breaker = opened();
        breaker.enter(at(1000));

        assert_eq!(breaker.enter(at(1999)), Entry::Refused);
        assert_eq!(breaker.enter(at(2000)), Entry::Trial);
    }

    #[test]
    fn results_of_requests_sent_before_it_opened_do_not_close_it() {
        let breaker = opened();

        assert_eq!(breaker.record(at(10), true), None);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn switched_off_it_lets_everything_pass() {
        let breaker = opened();
        breaker.configure(None);

        assert_eq!(breaker.state(), BreakerState::Off);
        assert_eq!(breaker.enter(at(1)), Entry::Free);
        assert_eq!(breaker.record(at(1), false), None);
    }

    #[test]
    fn new_rules_keep_an_open_breaker_open() {
        let breaker = opened();
        breaker.configure(Some(&BreakerRules { failures: 9, ..RULES }));

        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

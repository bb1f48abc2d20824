//! A circuit breaker for one backend, shared by all workers without a lock.
//!
//! ```text
//!      failures in a row, or a share of                at the retry time,
//!      failures or slow answers in the window          up to `trials` requests
//!   closed ─────────────────────────────────▶ open ──────────────────────────▶ half-open
//!     ▲                                        ▲      a trial failed               │
//!     │                                        └────────────────────────────────────┤
//!     └──────────────────────────────────────────────────────────────────────────────┘
//!                                  all trials succeeded
//! ```
//!
//! State, order, trials taken and retry time share one word, so that every transition is a single compare-and-swap,
//! exactly `trials` requests pass a half-open breaker whatever the workers do, and whether a request may pass is one
//! load. Trials that have not ended after another open time are given up as lost and as many new ones may start: a
//! trial whose client went away can delay the breaker, never hold it half-open for ever.
//!
//! People may order a breaker open, closed or held ([`Order`]). An order stands beside what was learned and does not
//! overwrite it: while it is in force nothing is learned but the window, and when it is released the breaker goes on
//! where it was.
//!
//! What it deliberately does not do: compare backends (that is [`crate::outlier`]), or count what the client did; the
//! caller decides what a failure is.

mod orders;
mod rules;
mod word;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub use rules::{BreakerRules, SlowCalls};
pub use word::Order;
use word::{NOT_FLOWING, ORDER, STATE, TAKEN, TAKEN_SHIFT, TIME, may_pass, state_of};

use crate::axis::BreakerState;
use crate::time::Tick;
use crate::window::{Counts, Tally};

/// Most trials of a half-open breaker.
pub const MAX_TRIALS: u32 = 63;

/// Why a breaker opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// So many failures in a row.
    FailuresInRow {
        /// How many there were.
        failures: u32,
    },
    /// Too large a share of failures.
    ErrorShare {
        /// What was in the window.
        counts: Counts,
    },
    /// Too large a share of slow answers.
    SlowShare {
        /// What was in the window.
        counts: Counts,
    },
    /// A trial failed.
    TrialFailed,
}

impl Opening {
    /// The reason code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailuresInRow { .. } => "failures-in-row",
            Self::ErrorShare { .. } => "error-share",
            Self::SlowShare { .. } => "slow-share",
            Self::TrialFailed => "trial-failed",
        }
    }
}

/// A transition, for events and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// Traffic is held back.
    Opened {
        /// When the first trial may pass.
        until: Tick,
        /// Why.
        why: Opening,
    },
    /// Trials are under way.
    HalfOpened,
    /// Traffic flows again.
    Closed,
}

/// One result of a request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When its place in the backend was taken.
    pub sent: Tick,
    /// How long it took.
    pub took: Duration,
    /// Whether it went well.
    pub ok: bool,
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
/// All orderings are relaxed except on the word itself: the word carries everything that a transition depends on, and
/// counters and times may be one request late without harm.
// The word comes first, because it is all that a pick reads.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Breaker {
    word: AtomicU64,
    failures: AtomicU32,
    /// Times in a row that it opened without a good while of closed between them.
    times: AtomicU32,
    since: AtomicU64,
    opened: AtomicU64,
    /// Trials of this round that succeeded.
    good: AtomicU32,
    /// The orders of people and of a fault. The word has the one that is in force.
    ordered: AtomicU8,
    force: rules::Force,
    window: Tally<{ rules::BUCKETS }>,
}

impl Breaker {
    /// What it has learned; see [`Breaker::order`] for what holds instead.
    pub fn state(&self) -> BreakerState {
        state_of(self.word.load(Ordering::Acquire))
    }

    /// Sets the rules; `None` switches the breaker off. New rules keep the state, the order and what was counted.
    pub fn configure(&self, rules: Option<&BreakerRules>) {
        let Some(rules) = rules else {
            self.change(|word| Some(word & ORDER | BreakerState::Off as u64));
            self.failures.store(0, Ordering::Relaxed);
            return;
        };
        self.force.set(rules);
        self.change(|word| {
            (state_of(word) == BreakerState::Off).then_some(word & ORDER | BreakerState::Closed as u64)
        });
    }

    /// Forgets everything learned: closed, nothing counted. An order stays in force.
    pub fn reset(&self, now: Tick) {
        self.forget();
        self.times.store(0, Ordering::Relaxed);
        let swapped = self.change(|word| {
            let is_on = state_of(word) != BreakerState::Off;
            is_on.then_some(word & ORDER | BreakerState::Closed as u64)
        });
        if swapped.is_some_and(|before| before & NOT_FLOWING != 0) {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// When the next trial may pass; `None` while traffic flows.
    pub fn retry_at(&self) -> Option<Tick> {
        let word = self.word.load(Ordering::Acquire);
        // Free trials have no time of their own: they may pass since it is half-open.
        (word & NOT_FLOWING != 0).then(|| Tick::from_nanos(word & TIME).max(self.since()))
    }

    /// When the state last changed; the start of the daemon if it never did.
    pub fn since(&self) -> Tick {
        Tick::from_nanos(self.since.load(Ordering::Relaxed))
    }

    /// Failures in a row, while it is closed.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Times it opened without a good while of closed between them; by that the open time doubles.
    pub fn times_opened(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }

    /// What is in the window; nothing where no share opens it.
    pub fn counts(&self, now: Tick) -> Counts {
        self.window.sum(self.force.slot(now), rules::BUCKETS as u64)
    }

    /// Goes on where the breaker of another process was: open until `retry_in` is over, or closed with so many
    /// `failures` in a row. A breaker that is off stays off. A trial that was under way is made again.
    pub fn resume(&self, now: Tick, failures: u32, retry_in: Option<Duration>) {
        let Some(wait) = retry_in else {
            self.failures.store(failures, Ordering::Relaxed);
            return;
        };
        let open = now.after(wait).as_nanos() & TIME | BreakerState::Open as u64;
        let is_closed = |word| state_of(word) == BreakerState::Closed;
        if self.change(|word| is_closed(word).then_some(open | word & ORDER)).is_some() {
            self.times.store(1, Ordering::Relaxed);
            self.note_opened(now);
        }
    }

    /// As [`Breaker::learn`], of a request that was sent just now.
    pub fn record(&self, now: Tick, ok: bool) -> Option<BreakerChange> {
        self.learn(now, Answer { sent: now, took: Duration::ZERO, ok })
    }

    /// Counts one result. One that arrives while the breaker is open, or of a request that was sent before it opened,
    /// changes nothing; a trial decides. Costs some nanoseconds; about 20 with shares to watch.
    pub fn learn(&self, now: Tick, answer: Answer) -> Option<BreakerChange> {
        let word = self.word.load(Ordering::Acquire);
        let is_bad = !answer.ok || self.force.is_slow(answer.took);
        match state_of(word) {
            BreakerState::Off | BreakerState::Open => None,
            BreakerState::Closed => self.learn_closed(word, now, answer),
            BreakerState::HalfOpen if answer.sent.as_nanos() <= self.opened.load(Ordering::Relaxed) => None,
            BreakerState::HalfOpen if word & ORDER != 0 => {
                self.take_back_trial();
                None
            }
            BreakerState::HalfOpen if is_bad => self.open(word, now, Opening::TrialFailed),
            BreakerState::HalfOpen => self.trial_succeeded(now),
        }
    }

    fn learn_closed(&self, word: u64, now: Tick, answer: Answer) -> Option<BreakerChange> {
        let counts = self.force.has_shares().then(|| {
            let slot = self.force.slot(now);
            self.window.add(slot, !answer.ok, self.force.is_slow(answer.took));
            self.window.sum(slot, rules::BUCKETS as u64)
        });
        if word & ORDER != 0 {
            return None;
        }
        let failures = if answer.ok {
            // Reads first, so that a healthy backend's cache line stays shared between workers.
            if self.failures.load(Ordering::Relaxed) != 0 {
                self.failures.store(0, Ordering::Relaxed);
            }
            0
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
        };
        let why = self.force.opens_after(failures).or_else(|| self.force.opens_at(counts?))?;
        self.open(word, now, why)
    }

    fn trial_succeeded(&self, now: Tick) -> Option<BreakerChange> {
        let good = self.good.fetch_add(1, Ordering::Relaxed) + 1;
        if good < self.force.trials() {
            return None;
        }
        self.forget();
        // Another worker may have taken a trial since; whatever the word is by now, it has succeeded often enough.
        let closed = self.change(|word| {
            let is_half = state_of(word) == BreakerState::HalfOpen;
            is_half.then_some(word & ORDER | BreakerState::Closed as u64)
        });
        closed.map(|_| {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
            BreakerChange::Closed
        })
    }

    /// Whether a request may try to pass at `now`. One load.
    #[inline]
    pub(crate) fn passes(&self, now: Tick) -> bool {
        may_pass(self.word.load(Ordering::Acquire), now)
    }

    /// Whether a request that passes at `now` would be a trial.
    pub(crate) fn is_trial_free(&self, now: Tick) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & NOT_FLOWING != 0 && Order::of(word) != Some(Order::Closed) && may_pass(word, now)
    }

    /// Lets a request pass, taking a trial when that is what it would be.
    pub(crate) fn enter(&self, now: Tick) -> Entry {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if !may_pass(word, now) {
                return Entry::Refused;
            }
            if word & NOT_FLOWING == 0 || Order::of(word) == Some(Order::Closed) {
                return Entry::Free;
            }
            let taken = (word & TAKEN) >> TAKEN_SHIFT;
            // From open, or when the trials of a round are lost, a new round begins.
            let is_new = state_of(word) == BreakerState::Open || taken >= u64::from(self.force.trials());
            let taken = if is_new { 1 } else { taken + 1 };
            // Passable until the last trial is taken; then not before the round counts as lost.
            let time = if taken < u64::from(self.force.trials()) { 0 } else { self.open_until(now) };
            let next = time | taken << TAKEN_SHIFT | word & ORDER | BreakerState::HalfOpen as u64;
            if self.swap(word, next) {
                if is_new {
                    self.good.store(0, Ordering::Relaxed);
                    self.since.store(now.as_nanos(), Ordering::Relaxed);
                }
                return Entry::Trial;
            }
        }
    }

    /// Whether the trial that was just taken began a round, which is what people are told.
    pub fn is_first_trial(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & TAKEN == 1 << TAKEN_SHIFT && self.good.load(Ordering::Relaxed) == 0
    }

    /// Nothing is in flight: trials that ended without a result may be taken again at once.
    pub(crate) fn release_trial(&self) {
        if self.word.load(Ordering::Acquire) & NOT_FLOWING == 0 {
            return;
        }
        let good = u64::from(self.good.load(Ordering::Relaxed));
        self.change(|word| {
            let taken = (word & TAKEN) >> TAKEN_SHIFT;
            let is_lost = state_of(word) == BreakerState::HalfOpen && taken > good;
            let state = if good == 0 { BreakerState::Open } else { BreakerState::HalfOpen };
            is_lost.then_some(good << TAKEN_SHIFT | word & ORDER | state as u64)
        });
    }

    /// A trial under an order that forbids conclusions is over: its place is free again.
    fn take_back_trial(&self) {
        self.change(|word| {
            let taken = (word & TAKEN) >> TAKEN_SHIFT;
            (taken > 0).then_some((taken - 1) << TAKEN_SHIFT | word & (ORDER | STATE))
        });
    }

    fn open(&self, word: u64, now: Tick, why: Opening) -> Option<BreakerChange> {
        let again = self.is_again(word, now);
        let times = if again { self.times.load(Ordering::Relaxed).saturating_add(1) } else { 1 };
        let until = now.as_nanos().saturating_add(self.force.open_ns(now, times)) & TIME;
        let is_trial = why == Opening::TrialFailed;
        let swapped = self.change(|word| {
            let expected = if is_trial { BreakerState::HalfOpen } else { BreakerState::Closed };
            (state_of(word) == expected && word & ORDER == 0).then_some(until | BreakerState::Open as u64)
        });
        swapped?;
        self.times.store(times, Ordering::Relaxed);
        self.forget();
        self.note_opened(now);
        Some(BreakerChange::Opened { until: Tick::from_nanos(until), why })
    }

    /// A breaker that opens soon after it closed goes on backing off: soon is as long as it was last open.
    fn is_again(&self, word: u64, now: Tick) -> bool {
        let times = self.times.load(Ordering::Relaxed);
        let closed_for = now.as_nanos().saturating_sub(self.since.load(Ordering::Relaxed));
        times > 0 && (state_of(word) != BreakerState::Closed || closed_for < self.force.open_ns(now, times))
    }

    fn note_opened(&self, now: Tick) {
        self.since.store(now.as_nanos(), Ordering::Relaxed);
        self.opened.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn forget(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.good.store(0, Ordering::Relaxed);
        self.window.clear();
    }

    fn open_until(&self, now: Tick) -> u64 {
        let times = self.times.load(Ordering::Relaxed);
        now.as_nanos().saturating_add(self.force.open_ns(now, times)) & TIME
    }

    fn swap(&self, from: u64, to: u64) -> bool {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Changes the word, and says what it was; `None` when `next` wants no change.
    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok()
    }
}

#[cfg(test)]
mod tests;

//! When a breaker opens and for how long, kept so that every worker can read them while one thread changes them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{MAX_TRIALS, Opening};
use crate::hash::mix;
use crate::time::{Tick, nanos};
use crate::window::Counts;

/// Buckets of the window: what leaves it leaves in tenths.
pub(super) const BUCKETS: usize = 10;
/// Shares are kept in these parts, so that they fit a word.
const PARTS: f64 = 1e6;

/// When a breaker opens, and for how long. Whichever of the three rules holds first opens it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerRules {
    /// Failures in a row that open it; 0 for never.
    pub failures: u32,
    /// Share of failures in the window that opens it, above 0 to 1; `None` for never.
    pub error_share: Option<f64>,
    /// Share of slow answers in the window that opens it, and from when an answer is slow; `None` for never.
    pub slow: Option<SlowCalls>,
    /// Over what time shares are taken.
    pub window: Duration,
    /// Fewest results in the window that a share is believed of; 0 counts as 1.
    pub min_calls: u32,
    /// Time from opening to the first trial.
    pub open_for: Duration,
    /// Each time that its trials fail it stays open twice as long, up to this; no effect when it is not longer.
    pub open_max: Duration,
    /// Up to this part of the time is added by chance, so that the breakers of a fleet do not try together; 0 to 1.
    pub jitter: f64,
    /// Requests let through while it is half-open, all of which must succeed; 1 to [`MAX_TRIALS`].
    pub trials: u32,
}

/// From when an answer is slow, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// An answer that takes at least this long is slow.
    pub over: Duration,
    /// Share of slow answers that opens the breaker, above 0 to 1.
    pub share: f64,
}

impl Default for BreakerRules {
    /// Five failures in a row, open for 5 s, one trial.
    fn default() -> Self {
        Self {
            failures: 5,
            error_share: None,
            slow: None,
            window: Duration::from_secs(10),
            min_calls: 20,
            open_for: Duration::from_secs(5),
            open_max: Duration::from_secs(5),
            jitter: 0.0,
            trials: 1,
        }
    }
}

/// The rules in force. A worker that reads while they change may see some of the old ones once.
#[derive(Debug, Default)]
pub(super) struct Force {
    failures: AtomicU32,
    error_parts: AtomicU32,
    slow_parts: AtomicU32,
    min_calls: AtomicU32,
    trials: AtomicU32,
    jitter_parts: AtomicU32,
    slow_ns: AtomicU64,
    bucket_ns: AtomicU64,
    open_ns: AtomicU64,
    open_max_ns: AtomicU64,
}

impl Force {
    pub(super) fn set(&self, rules: &BreakerRules) {
        let order = Ordering::Relaxed;
        self.failures.store(rules.failures, order);
        self.error_parts.store(rules.error_share.map_or(0, parts), order);
        self.slow_parts.store(rules.slow.map_or(0, |slow| parts(slow.share)), order);
        self.slow_ns.store(rules.slow.map_or(0, |slow| nanos(slow.over)), order);
        self.min_calls.store(rules.min_calls.max(1), order);
        self.trials.store(rules.trials.clamp(1, MAX_TRIALS), order);
        self.jitter_parts.store(parts(rules.jitter.clamp(0.0, 1.0)), order);
        self.bucket_ns.store((nanos(rules.window) / BUCKETS as u64).max(1), order);
        self.open_ns.store(nanos(rules.open_for), order);
        self.open_max_ns.store(nanos(rules.open_max.max(rules.open_for)), order);
    }

    /// Whether anything is counted in the window.
    pub(super) fn has_shares(&self) -> bool {
        self.error_parts.load(Ordering::Relaxed) | self.slow_parts.load(Ordering::Relaxed) != 0
    }

    pub(super) fn slot(&self, now: Tick) -> u64 {
        now.as_nanos() / self.bucket_ns.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn is_slow(&self, took: Duration) -> bool {
        let slow = self.slow_ns.load(Ordering::Relaxed);
        self.slow_parts.load(Ordering::Relaxed) != 0 && nanos(took) >= slow
    }

    pub(super) fn trials(&self) -> u32 {
        self.trials.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn opens_after(&self, failures: u32) -> Option<Opening> {
        let limit = self.failures.load(Ordering::Relaxed);
        (limit != 0 && failures >= limit).then_some(Opening::FailuresInRow { failures })
    }

    /// Whether what was counted is enough to open.
    pub(super) fn opens_at(&self, counts: Counts) -> Option<Opening> {
        if counts.calls < self.min_calls.load(Ordering::Relaxed) {
            return None;
        }
        let exceeds = |limit: &AtomicU32, share: f64| {
            let limit = limit.load(Ordering::Relaxed);
            limit != 0 && parts(share) >= limit
        };
        if exceeds(&self.error_parts, counts.failure_share()) {
            Some(Opening::ErrorShare { counts })
        } else if exceeds(&self.slow_parts, counts.slow_share()) {
            Some(Opening::SlowShare { counts })
        } else {
            None
        }
    }

    /// How long it stays open the `times`th time in a row, in nanoseconds.
    pub(super) fn open_ns(&self, now: Tick, times: u32) -> u64 {
        let open = self.open_ns.load(Ordering::Relaxed);
        let doubled = open.saturating_mul(1 << times.saturating_sub(1).min(32));
        let open = doubled.min(self.open_max_ns.load(Ordering::Relaxed)).max(open);
        let jitter = f64::from(self.jitter_parts.load(Ordering::Relaxed)) / PARTS;
        // The moment of opening is chance enough between daemons, and the same in every run of a simulation.
        let chance = (mix(now.as_nanos(), u64::from(times)) >> 32) as f64 / f64::from(u32::MAX);
        open.saturating_add((open as f64 * jitter * chance) as u64)
    }
}

fn parts(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * PARTS).round() as u32
}

//! When a request that waits long is sent to a second backend as well.
//!
//! A few slow answers dominate the tail of everything that is composed of many. Sending a second copy after
//! the time in which 95 of 100 answers have come costs about 5 % more requests and cuts most of that tail
//! (J. Dean and L. A. Barroso, *The Tail at Scale*, 2013). The delay follows what the pool does: a percentile of
//! its latencies over the last while, computed at most once a second, never for a request.
//!
//! A hedge is an extra attempt like a retry: only for requests that are safe to repeat
//! ([`crate::retry::is_repeatable`]), only to a backend not yet tried, and only with room in the pool's
//! [`crate::retry::RetryBudget`]. There is at most one for each request. When everything is slow the
//! percentile rises with it, and what is left of the storm meets the budget.
//!
//! What it deliberately does not do: cancel the slower of the two (whoever drives them drops it), or keep
//! latencies of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Counts;
use crate::time::{Tick, nanos};

/// Time for which a computed delay is used.
const REFRESH: Duration = Duration::from_secs(1);

/// Fewest latencies that a percentile is taken from; below, nobody knows what slow is.
const LEAST_SAMPLES: u64 = 100;

/// When to hedge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeRules {
    /// The share of answers after whose time the second copy is sent, 0 to 1, e.g. 0.95.
    pub quantile: f64,
    /// Shortest delay, so that a pool that answers in microseconds does not double its requests over noise.
    pub min: Duration,
}

/// The delay before a second copy, given the latencies of a pool in the last while; `None` while they are too
/// few to tell. Scans the histogram.
pub fn delay_of(latencies: &Counts, rules: &HedgeRules) -> Option<Duration> {
    if latencies.total() < LEAST_SAMPLES {
        return None;
    }
    latencies.quantile(rules.quantile).map(|micros| Duration::from_micros(micros).max(rules.min))
}

/// The delay of one pool, shared by all workers; reading it is one load.
///
/// Values are nanoseconds; all ones mean that no delay is known. The two words may be a moment apart, which
/// costs at most one hedge at the old delay.
#[derive(Debug)]
pub struct HedgeDelay {
    delay: AtomicU64,
    due: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Default for HedgeDelay {
    fn default() -> Self {
        Self::new()
    }
}

impl HedgeDelay {
    /// A delay that is not known, and due.
    pub const fn new() -> Self {
        Self { delay: AtomicU64::new(UNKNOWN), due: AtomicU64::new(0) }
    }

    /// The delay; `None` while nobody knows what slow is.
    pub fn get(&self) -> Option<Duration> {
        let delay = self.delay.load(Ordering::Relaxed);
        (delay != UNKNOWN).then(|| Duration::from_nanos(delay))
    }

    /// Sets the delay, as [`delay_of`] gives it.
    pub fn set(&self, delay: Option<Duration>) {
        self.delay.store(delay.map_or(UNKNOWN, nanos), Ordering::Relaxed);
    }

    /// True for exactly one caller once the delay is a second old: that one computes the next and sets it.
    pub fn is_due(&self, now: Tick) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        let next = now.after(REFRESH).as_nanos();
        now.as_nanos() >= due
            && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The delay, computed anew from `latencies` if it is due and this caller is the first to notice.
    pub fn refreshed(
        &self,
        rules: &HedgeRules,
        now: Tick,
        latencies: impl FnOnce() -> Counts,
    ) -> Option<Duration> {
        if self.is_due(now) {
            self.set(delay_of(&latencies(), rules));
        }
        self.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::bucket_of;

    const RULES: HedgeRules = HedgeRules { quantile: 0.95, min: Duration::from_millis(10) };

    /// As many latencies of each number of milliseconds.
    fn latencies(of: &[(u64, u64)]) -> Counts {
        let mut counts = Counts::new();
        for &(ms, n) in of {
            counts.add(bucket_of(ms * 1_000), n);
        }
        counts
    }

    #[test]
    fn the_delay_is_the_percentile_and_never_below_the_least() {
        let ms = |of: &[(u64, u64)]| delay_of(&latencies(of), &RULES).map(|delay| delay.as_millis());

        assert_eq!(ms(&[(20, 94), (300, 5)]), None, "99 latencies are too few");
        let slow = ms(&[(20, 940), (300, 60)]).unwrap();
        assert!((290..=310).contains(&slow), "{slow} ms");
        let fast = ms(&[(20, 960), (300, 40)]).unwrap();
        assert!((19..=21).contains(&fast), "{fast} ms");
        assert_eq!(ms(&[(1, 1_000)]), Some(10));
    }

    #[test]
    fn it_is_computed_by_the_first_who_asks_and_at_most_once_a_second() {
        let delay = HedgeDelay::new();
        let at = |ms: u64| Tick::ZERO.after(Duration::from_millis(ms));
        let mut scans = 0;
        for ms in 0..2_500 {
            delay.refreshed(&RULES, at(ms), || {
                scans += 1;
                latencies(&[(50, 1_000)])
            });
        }

        assert_eq!(scans, 3);
        let known = delay.get().unwrap();
        assert!((48..=53).contains(&known.as_millis()), "{known:?}");
        delay.set(None);
        assert_eq!(delay.get(), None);
    }

    #[test]
    fn of_many_workers_exactly_one_computes() {
        for _ in 0..100 {
            let delay = HedgeDelay::new();
            let due = std::thread::scope(|scope| {
                let ask = || usize::from(delay.is_due(Tick::from_nanos(1)));
                let workers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
            });
            assert_eq!(due, 1);
        }
    }
}

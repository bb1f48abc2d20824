//! How much faults may hit: a share of a pool's requests in a sliding window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Tick;

/// Parts of the window; the oldest is given up when a new one begins.
const PARTS: usize = 10;
/// Length of one.
const PART: Duration = Duration::from_secs(1);

/// Requests of one pool in the last ten seconds, and how many of them faults hit. Written by all workers.
#[derive(Debug, Default)]
pub struct Traffic {
    parts: [Part; PARTS],
    /// Held by whoever decides whether one more may be hit.
    gate: Mutex<()>,
}

#[derive(Debug, Default)]
struct Part {
    /// Its number since the epoch of ticks, one up, so that zero is none.
    slot: AtomicU64,
    requests: AtomicU64,
    hits: AtomicU64,
}

impl Traffic {
    /// One more request.
    pub fn request(&self, now: Tick) {
        self.part(now).requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether one more may be hit, when at most the share `most` of all may; if so it counts. Of several workers
    /// at once one decides after the other, so that the share is never passed.
    pub fn try_hit(&self, now: Tick, most: f64) -> bool {
        // Nothing is in there that could be left half done.
        let _turn = (most < 1.0).then(|| self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        let (requests, hits) = self.sums(now);
        let may = most >= 1.0 || (hits + 1) as f64 <= most * requests as f64;
        if may {
            self.part(now).hits.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// Requests and hits in the window.
    pub fn sums(&self, now: Tick) -> (u64, u64) {
        let slot = slot(now);
        let parts = self.parts.iter().filter(|part| {
            let at = part.slot.load(Ordering::Relaxed);
            at != 0 && at <= slot && slot - at < PARTS as u64
        });
        parts.fold((0, 0), |(requests, hits), part| {
            (requests + part.requests.load(Ordering::Relaxed), hits + part.hits.load(Ordering::Relaxed))
        })
    }

    fn part(&self, now: Tick) -> &Part {
        let slot = slot(now);
        let part = &self.parts[(slot % PARTS as u64) as usize];
        let before = part.slot.load(Ordering::Relaxed);
        // Whoever begins a part clears it. What others count at that very moment may be lost.
        if before < slot
            && part.slot.compare_exchange(before, slot, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            part.requests.store(0, Ordering::Relaxed);
            part.hits.store(0, Ordering::Relaxed);
        }
        part
    }
}

fn slot(now: Tick) -> u64 {
    now.as_nanos() / PART.as_nanos() as u64 + 1
}

/// Takes a place among at most `most` that are held at once; false when all are taken.
pub fn try_hold(held: &AtomicU64, most: Option<u32>) -> bool {
    let most = most.map_or(u64::MAX, u64::from);
    held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < most).then_some(held + 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_more_than_the_share(most in 0.0..1.0_f64, gaps in prop::collection::vec(0_u64..500, 1..500)) {
            let (traffic, mut now) = (Traffic::default(), Tick::ZERO);
            for ms in gaps {
                now = now.after(Duration::from_millis(ms));
                traffic.request(now);
                traffic.try_hit(now, most);
            }
            // All hits of the window, over all requests but those of the part that was given up while it filled.
            let (requests, hits) = traffic.sums(now);
            prop_assert!(hits <= requests);
        }
    }

    #[test]
    fn half_of_a_steady_stream_is_half() {
        let (traffic, mut now, mut hit) = (Traffic::default(), Tick::ZERO, 0);
        for _ in 0..10_000 {
            now = now.after(Duration::from_millis(10));
            traffic.request(now);
            hit += u32::from(traffic.try_hit(now, 0.5));
        }
        assert!((4_990..=5_000).contains(&hit), "{hit}");
        assert_eq!(traffic.sums(now.after(Duration::from_secs(60))), (0, 0));
    }

    #[test]
    fn of_many_workers_none_goes_over() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        traffic.request(Tick::ZERO);
                        traffic.try_hit(Tick::ZERO, 0.1);
                        let (requests, hits) = traffic.sums(Tick::ZERO);
                        assert!(hits as f64 <= 0.1 * requests as f64 + 1e-9, "{hits} of {requests}");
                    }
                });
            }
        });
        assert_eq!(traffic.sums(Tick::ZERO).0, 16_000);
    }

    #[test]
    fn places_are_as_many_as_allowed() {
        let held = AtomicU64::new(0);
        let taken = (0..10).filter(|_| try_hold(&held, Some(3))).count();
        assert_eq!(taken, 3);
        assert!(!try_hold(&AtomicU64::new(0), Some(0)) && try_hold(&held, None));
    }
}

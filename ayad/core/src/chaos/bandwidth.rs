//! Bytes that pass no faster than a limit.

use std::time::Duration;

use super::{Acts, FaultSpec};
use crate::time::Tick;

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "bandwidth",
    does: "The bytes of an attempt pass no faster than a limit",
    acts: Acts::Bytes,
};

/// How much passes at once: what the limit allows in this time, so that a slow stream is even.
const PORTION: Duration = Duration::from_millis(20);

/// One direction of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Bytes a second; at least one.
    rate: u64,
    /// When the next byte may pass.
    free_at: Tick,
}

impl Meter {
    /// A direction in which `rate` bytes a second pass. A rate of zero counts as one.
    pub fn new(rate: u64, now: Tick) -> Self {
        Self { rate: rate.max(1), free_at: now }
    }

    /// How long to wait before anything may pass.
    pub fn wait(&self, now: Tick) -> Duration {
        self.free_at.since(now)
    }

    /// How many bytes may pass at once.
    pub fn portion(&self) -> usize {
        usize::try_from(self.rate / (1_000 / PORTION.as_millis() as u64)).unwrap_or(usize::MAX).max(1)
    }

    /// So many bytes pass now. Silence is not made up for.
    pub fn pass(&mut self, now: Tick, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        self.free_at = self.free_at.max(now).after(takes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_faster_than_the_limit(rate in 1_u64..10_000_000, wishes in prop::collection::vec(1_usize..100_000, 1..50)) {
            let (mut now, mut passed) = (Tick::ZERO, 0_u64);
            let mut meter = Meter::new(rate, now);
            for wish in wishes {
                now = now.after(meter.wait(now));
                let allowed = rate as f64 * now.since(Tick::ZERO).as_secs_f64();
                prop_assert!(passed as f64 <= allowed + 1.0, "{passed} bytes, {allowed} allowed");
                let bytes = wish.min(meter.portion());
                meter.pass(now, bytes);
                passed += bytes as u64;
            }
        }
    }
}

//! What a backend reports of its own requests in flight, and what that says about other balancers.
//!
//! A report is the past: it counts our own requests of that moment too, and of those we know better. So what is kept is
//! the part that is not ours, `reported - own in flight at that moment`, and the estimate of what the backend has now
//! is our own count of now plus that part, believed less as it ages. With one balancer the part is zero and nothing
//! changes; with several it is how each sees the others.

use std::time::Duration;

use super::Load;
use crate::time::Tick;

/// Age up to which a report is believed in full.
const BELIEVED: Duration = Duration::from_millis(250);
/// Age from which on a report means nothing (Prequal's probes age out after 1 s).
const FORGOTTEN: Duration = Duration::from_secs(2);

impl Load {
    /// Takes in that the backend said to have `in_flight` requests when it answered, and what of them was ours: the
    /// request that was answered not counted.
    pub fn report_in_flight(&self, now: Tick, in_flight: f64) {
        let own = f64::from(self.in_flight().saturating_sub(1));
        self.others.set(now, (in_flight - own).max(0.0));
    }

    /// Requests of other balancers in the backend, as far as it reported and that can still be true.
    pub fn others(&self, now: Tick) -> f32 {
        let Some((others, age)) = self.others.get(now) else { return 0.0 };
        if age <= BELIEVED {
            return others;
        }
        let left = FORGOTTEN.saturating_sub(age).as_secs_f32();
        others * left / (FORGOTTEN.as_secs_f32() - BELIEVED.as_secs_f32())
    }

    /// Requests the backend has now, by our own count and what it reported of others.
    pub fn seen_in_flight(&self, now: Tick) -> f32 {
        self.apparent() as f32 + self.others(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn own_requests_are_not_counted_twice_and_reports_fade() {
        let load = Load::new(1, 1, Health::Up);
        for _ in 0..3 {
            assert!(load.try_acquire(at(0), false));
        }
        // Seven, of which two are ours besides the one that brings the report.
        load.report_in_flight(at(1), 7.0);

        assert!((load.others(at(100)) - 5.0).abs() < 1e-6);
        assert!((load.seen_in_flight(at(100)) - 8.0).abs() < 1e-6);
        assert!(load.others(at(1_000)) < 5.0 && load.others(at(1_000)) > 1.0);
        assert!(load.others(at(2_001)).abs() < 1e-6);
    }

    #[test]
    fn a_report_below_our_own_count_says_that_nobody_else_is_there() {
        let load = Load::new(1, 1, Health::Up);
        (0..9).for_each(|_| assert!(load.try_acquire(at(0), false)));
        load.report_in_flight(at(0), 2.0);

        assert!((load.seen_in_flight(at(1)) - 9.0).abs() < 1e-6);
    }
}

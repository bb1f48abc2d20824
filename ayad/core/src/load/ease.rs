//! How much of its weight a backend gets: all of it, except while it warms up, is suspected, or follows a signal.
//!
//! The ease is a factor from 0 to 1, kept in 1024ths beside the weight that people ordered, so that neither
//! overwrites the other. Algorithms that know weights multiply; those that do not take the ease for the weight.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Load;
use crate::time::{Tick, nanos};

/// The ease of a backend that gets all of its weight.
pub const FULL_EASE: u32 = 1024;

/// How a backend that comes into traffic gets its share: little at first, all of it after the window.
///
/// ```text
/// factor = max(min, (age / window) ^ (1 / aggression))
/// ```
///
/// Source: Envoy's slow start. An aggression of 1 grows evenly, above 1 fast at first, below 1 slowly at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// How long it takes; above zero.
    pub window: Duration,
    /// Shape of the curve; above zero.
    pub aggression: f64,
    /// The factor to begin with, 0 to 1.
    pub min: f64,
}

impl SlowStart {
    /// The share of its weight that a backend gets `age` after it came into traffic, 0 to 1.
    pub fn factor(&self, age: Duration) -> f64 {
        if age >= self.window {
            return 1.0;
        }
        let part = age.as_secs_f64() / self.window.as_secs_f64();
        part.powf(1.0 / self.aggression).clamp(self.min.clamp(0.0, 1.0), 1.0)
    }
}

impl Load {
    /// Its share of its weight, in [`FULL_EASE`]ths.
    pub fn ease(&self) -> u32 {
        self.ease.load(Ordering::Relaxed)
    }

    /// Sets its share of its weight, 0 to 1. What is above 0 stays above 0.
    pub fn set_ease(&self, factor: f64) {
        let ease = eased(factor);
        // Reads first: it is set ten times a second and hardly ever changes.
        if self.ease() != ease {
            self.ease.store(ease, Ordering::Relaxed);
        }
    }

    /// What its signals leave of its weight, 0 to 1; 1 where nothing follows them.
    pub fn signal_factor(&self) -> f64 {
        f64::from(self.signal.load(Ordering::Relaxed)) / f64::from(FULL_EASE)
    }

    /// Sets what its signals leave of its weight, 0 to 1. It is in force with the next look at the pool.
    pub fn set_signal_factor(&self, factor: f64) {
        self.signal.store(eased(factor), Ordering::Relaxed);
    }

    /// Weight times ease, in [`FULL_EASE`]ths of a unit of weight: what algorithms that know weights go by.
    pub fn effective_weight(&self) -> u32 {
        self.weight().saturating_mul(self.ease())
    }

    /// It comes into traffic at `now`: from here on its age counts for a slow start.
    pub fn begin_ramp(&self, now: Tick) {
        self.ramp_since.store(now.as_nanos().max(1), Ordering::Relaxed);
    }

    /// How long ago it came into traffic; `None` for one that was there from the beginning, or whose ramp is over.
    pub fn ramp_age(&self, now: Tick) -> Option<Duration> {
        let since = self.ramp_since.load(Ordering::Relaxed);
        (since != 0).then(|| now.since(Tick::from_nanos(since)))
    }

    /// Its ramp is over.
    pub fn end_ramp(&self) {
        self.ramp_since.store(0, Ordering::Relaxed);
    }

    /// What slow start leaves it at `now`, 0 to 1; ends the ramp when it is over.
    pub fn ramp_factor(&self, slow_start: Option<&SlowStart>, now: Tick) -> f64 {
        let (Some(rules), Some(age)) = (slow_start, self.ramp_age(now)) else { return 1.0 };
        if nanos(age) >= nanos(rules.window) {
            self.end_ramp();
        }
        rules.factor(age)
    }
}

/// A factor in [`FULL_EASE`]ths.
fn eased(factor: f64) -> u32 {
    let full = f64::from(FULL_EASE);
    let ease = if factor > 0.0 { (factor.min(1.0) * full).round().max(1.0) } else { 0.0 };
    ease as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    const RULES: SlowStart = SlowStart { window: Duration::from_secs(10), aggression: 1.0, min: 0.1 };

    #[test]
    fn the_factor_grows_from_the_least_to_all() {
        let at = |secs| RULES.factor(Duration::from_secs(secs));
        assert_eq!((at(0), at(5), at(10), at(99)), (0.1, 0.5, 1.0, 1.0));

        let eager = SlowStart { aggression: 2.0, ..RULES };
        let reluctant = SlowStart { aggression: 0.5, ..RULES };
        let half = Duration::from_secs(5);
        assert!(eager.factor(half) > 0.5 && reluctant.factor(half) < 0.5);
    }

    #[test]
    fn a_ramp_ends_by_itself() {
        let load = Load::new(1, 2, Health::Up);
        assert_eq!((load.ramp_factor(Some(&RULES), at(5)), load.effective_weight()), (1.0, 2 * FULL_EASE));

        load.begin_ramp(at(1));
        assert!((load.ramp_factor(Some(&RULES), at(2001)) - 0.2).abs() < 1e-9);
        assert!((load.ramp_factor(Some(&RULES), at(10_001)) - 1.0).abs() < 1e-9);
        assert_eq!(load.ramp_age(at(10_002)), None);
    }

    #[test]
    fn a_little_ease_is_never_none() {
        let load = Load::new(1, 1, Health::Up);
        for (factor, ease) in [(0.0, 0), (1e-9, 1), (0.5, 512), (7.0, FULL_EASE), (-1.0, 0), (f64::NAN, 0)] {
            load.set_ease(factor);
            assert_eq!(load.ease(), ease);
        }
    }
}

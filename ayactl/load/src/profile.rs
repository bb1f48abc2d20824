//! How many requests a second are offered, over time: a list of parts, each with a shape and a length.
//!
//! What matters is not the rate but its integral: the number of requests due until a moment. Its inverse says when request
//! number n is due, exactly, so that any span of the profile offers what its rate says.

mod file;
mod parse;

use std::f64::consts::TAU;
use std::time::Duration;

pub use self::file::{FileError, ProfileFile};
pub use self::parse::{ProfileError, parse_rate};

/// Greatest rate of a profile: far beyond what one machine can send.
pub const GREATEST_RATE: f64 = 10_000_000.0;

/// The rate within one part, with times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// The same all the time.
    Constant(f64),
    /// Rising or falling in a straight line.
    Ramp {
        /// At the beginning.
        from: f64,
        /// At the end.
        to: f64,
    },
    /// Up and down around a mean, beginning at the mean and going up.
    Sine {
        /// The mean.
        mean: f64,
        /// How far it goes up and down.
        by: f64,
        /// How long one wave takes.
        period: f64,
    },
}

impl Shape {
    /// The rate after `t` seconds, of a part of `length` seconds.
    pub fn rate(&self, t: f64, length: f64) -> f64 {
        match *self {
            Self::Constant(rate) => rate,
            Self::Ramp { from, to } => from + (to - from) * t / length,
            Self::Sine { mean, by, period } => mean + by * (TAU * t / period).sin(),
        }
    }

    /// Requests due in the first `t` seconds.
    pub fn due(&self, t: f64, length: f64) -> f64 {
        match *self {
            Self::Constant(rate) => rate * t,
            Self::Ramp { from, to } => from * t + (to - from) * t * t / (2.0 * length),
            Self::Sine { mean, by, period } => {
                mean * t + by * period / TAU * (1.0 - (TAU * t / period).cos())
            }
        }
    }

    /// When `count` requests are due.
    fn when(&self, count: f64, length: f64) -> f64 {
        let t = match *self {
            Self::Constant(rate) => count / rate,
            Self::Ramp { from, to } => {
                // The root of slope/2 t² + from t = count that stays finite when the slope vanishes.
                let slope = (to - from) / length;
                let root = (from * from + 2.0 * slope * count).max(0.0).sqrt();
                if from + root > 0.0 { 2.0 * count / (from + root) } else { 0.0 }
            }
            Self::Sine { .. } => self.search(count, length),
        };
        t.clamp(0.0, length)
    }

    /// The same by halving, for shapes without an inverse that can be written down.
    fn search(&self, count: f64, length: f64) -> f64 {
        const STEPS: u32 = 60;
        let (mut low, mut high) = (0.0, length);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if self.due(middle, length) < count {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// One part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its rate.
    pub shape: Shape,
    /// How long it lasts, in seconds.
    pub length: f64,
}

/// The whole profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    parts: Vec<Part>,
}

impl Profile {
    /// The parts in their order; there is at least one, and each is longer than nothing.
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        debug_assert!(parts.iter().all(|part| part.length > 0.0));
        Self { parts }
    }

    /// The same rate for `length`.
    pub fn constant(rate: f64, length: Duration) -> Self {
        Self::new(vec![Part { shape: Shape::Constant(rate), length: length.as_secs_f64() }])
    }

    /// Its parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How long it takes.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.parts.iter().map(|part| part.length).sum())
    }

    /// The rate `t` seconds after its beginning; 0 outside of it.
    pub fn rate(&self, t: f64) -> f64 {
        let mut begins = 0.0;
        for part in &self.parts {
            if t >= begins && t < begins + part.length {
                return part.shape.rate(t - begins, part.length);
            }
            begins += part.length;
        }
        0.0
    }

    /// The greatest rate.
    pub fn peak(&self) -> f64 {
        let of = |part: &Part| match part.shape {
            Shape::Constant(rate) => rate,
            Shape::Ramp { from, to } => from.max(to),
            Shape::Sine { mean, by, .. } => mean + by,
        };
        self.parts.iter().map(of).fold(0.0, f64::max)
    }

    /// Requests of the whole profile.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.shape.due(part.length, part.length)).sum()
    }

    /// Finds moments one after the other.
    pub fn moments(&self) -> Moments<'_> {
        Moments { profile: self, part: 0, begins: 0.0, before: 0.0 }
    }
}

/// Moments of rising counts: whole profiles are walked along once.
#[derive(Clone, Debug)]
pub struct Moments<'p> {
    profile: &'p Profile,
    part: usize,
    /// When the part begins, in seconds.
    begins: f64,
    /// Requests due before it.
    before: f64,
}

impl Moments<'_> {
    /// When `count` requests are due, in seconds after the beginning; `None` after the end. Counts must not fall.
    pub fn when(&mut self, count: f64) -> Option<f64> {
        while let Some(part) = self.profile.parts.get(self.part) {
            let all = part.shape.due(part.length, part.length);
            if count < self.before + all {
                return Some(self.begins + part.shape.when(count - self.before, part.length));
            }
            self.begins += part.length;
            self.before += all;
            self.part += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shapes() -> impl Strategy<Value = Shape> {
        prop_oneof![
            (0.0..5_000.0_f64).prop_map(Shape::Constant),
            (0.0..5_000.0_f64, 0.0..5_000.0_f64).prop_map(|(from, to)| Shape::Ramp { from, to }),
            (1.0..5_000.0_f64, 0.0..1.0_f64, 0.5..60.0_f64).prop_map(|(mean, part, period)| Shape::Sine {
                mean,
                by: mean * part,
                period
            }),
        ]
    }

    proptest! {
        #[test]
        fn any_span_offers_what_its_rate_says(
            parts in proptest::collection::vec((shapes(), 0.1..30.0_f64), 1..5),
        ) {
            let parts = parts.into_iter().map(|(shape, length)| Part { shape, length }).collect();
            let profile = Profile::new(parts);
            let mut moments = profile.moments();
            let count = (profile.total() * 0.999).floor().min(20_000.0) as u32;
            let mut last = 0.0;
            for n in 0..count {
                let at = moments.when(f64::from(n)).expect("before the end");
                prop_assert!(at >= last - 1e-9, "moment {n} at {at} is before {last}");
                last = at;
            }
            // Requests due until the last moment are as many as there were moments.
            let mut due = 0.0;
            let mut begins = 0.0;
            for part in profile.parts() {
                due += part.shape.due((last - begins).clamp(0.0, part.length), part.length);
                begins += part.length;
            }
            prop_assert!(count == 0 || (due - f64::from(count - 1)).abs() < 1e-3 * due.max(1.0), "{due} of {count}");
        }
    }

    #[test]
    fn a_ramp_from_nothing_begins_at_once_and_ends() {
        let profile = Profile::new(vec![Part { shape: Shape::Ramp { from: 0.0, to: 100.0 }, length: 10.0 }]);
        assert!((profile.total() - 500.0).abs() < 1e-9);
        let mut moments = profile.moments();
        assert_eq!(moments.when(0.0), Some(0.0));
        let half = moments.when(125.0).expect("it is inside");
        assert!((half - 5.0).abs() < 1e-9);
        assert_eq!(moments.when(500.0), None);
    }
}

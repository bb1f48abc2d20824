//! Attempts that begin later.

use std::time::Duration;

use super::{Acts, FaultSpec};
use crate::rng::Rng;

pub(super) const SPEC: FaultSpec =
    FaultSpec { name: "latency", does: "An attempt waits for a time that is drawn", acts: Acts::Waits };

/// The longest that is drawn.
pub const LONGEST: Duration = Duration::from_secs(600);

/// Shape of the Pareto tail: the mean is finite, and so is the variance.
const SHAPE: f64 = 2.5;

/// How latencies vary around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All between mean - jitter and mean + jitter alike.
    Uniform,
    /// A bell with a standard deviation of jitter.
    Normal,
    /// Exponential beyond mean - jitter, with a mean of jitter there.
    Exponential,
    /// Pareto with the scale jitter, shifted to the mean.
    Pareto,
}

/// A latency to draw from, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Mean.
    pub mean_ms: f64,
    /// How much it varies.
    pub jitter_ms: f64,
    /// How it varies.
    pub spread: Spread,
}

impl Latency {
    /// One time, never negative and at most [`LONGEST`]. Cut at zero the mean is larger than asked for.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        let Self { mean_ms, jitter_ms, .. } = *self;
        // Never zero, so that logarithms and powers are finite.
        let unit = 1.0 - rng.unit();
        let millis = match self.spread {
            _ if jitter_ms <= 0.0 => mean_ms,
            Spread::Uniform => mean_ms + jitter_ms * (2.0 * unit - 1.0),
            Spread::Normal => {
                let turn = std::f64::consts::TAU * rng.unit();
                mean_ms + jitter_ms * (-2.0 * unit.ln()).sqrt() * turn.cos()
            }
            Spread::Exponential => mean_ms - jitter_ms - jitter_ms * unit.ln(),
            Spread::Pareto => mean_ms + jitter_ms * (unit.powf(-1.0 / SHAPE) - SHAPE / (SHAPE - 1.0)),
        };
        let most = LONGEST.as_secs_f64() * 1e3;
        // What is no number is no wait.
        let millis = if millis.is_nan() { 0.0 } else { millis.clamp(0.0, most) };
        Duration::from_secs_f64(millis / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    const ALL: [Spread; 4] = [Spread::Uniform, Spread::Normal, Spread::Exponential, Spread::Pareto];

    #[test]
    fn means_and_deviations_are_as_asked_for() {
        for (spread, deviation) in ALL.into_iter().zip([10.0 / 3_f64.sqrt(), 10.0, 10.0, f64::NAN]) {
            let latency = Latency { mean_ms: 100.0, jitter_ms: 10.0, spread };
            let mut rng = Rng::seeded(3);
            let drawn: Vec<f64> = (0..200_000).map(|_| latency.draw(&mut rng).as_secs_f64() * 1e3).collect();
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let square = drawn.iter().map(|ms| (ms - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
            assert!((mean - 100.0).abs() < 0.3, "{spread:?}: mean {mean}");
            if deviation.is_finite() {
                assert!((square.sqrt() - deviation).abs() < 0.2, "{spread:?}: deviation {}", square.sqrt());
            }
        }
    }

    proptest! {
        #[test]
        fn never_negative_never_endless(mean_ms: f64, jitter_ms: f64, seed: u64, which in 0_usize..4) {
            let latency = Latency { mean_ms, jitter_ms, spread: ALL[which] };
            prop_assert!(latency.draw(&mut Rng::seeded(seed)) <= LONGEST);
        }
    }
}

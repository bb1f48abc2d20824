//! Whether anybody gets more than its fair part: requests of each backend in windows of a few seconds, against the part
//! that its weight gives it among those that are in traffic.

use std::time::Duration;

use aya_core::time::Tick;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(5);
/// Fewest requests that a fair part must be to be judged: chance alone moves ten by a third.
const FEWEST: f64 = 100.0;

#[derive(Clone, Debug)]
pub(crate) struct Shares {
    weights: Vec<f64>,
    placed: Vec<u64>,
    fair: Vec<f64>,
    /// Requests since the weights or the window changed.
    recent: u64,
    window: u128,
    most: f64,
}

impl Shares {
    pub(crate) fn new(weights: Vec<f64>) -> Self {
        let len = weights.len();
        Self { weights, placed: vec![0; len], fair: vec![0.0; len], recent: 0, window: 0, most: 0.0 }
    }

    /// The weight of a backend, zero for one that is out of traffic.
    pub(crate) fn set_weight(&mut self, backend: usize, weight: f64) {
        self.settle();
        self.weights[backend] = weight;
    }

    pub(crate) fn placed(&mut self, backend: usize, now: Tick) {
        let window = now.since(Tick::ZERO).as_nanos() / WINDOW.as_nanos();
        if window != self.window {
            self.judge();
            self.window = window;
        }
        self.placed[backend] += 1;
        self.recent += 1;
    }

    /// The largest part that a backend had in any full window, as a multiple of its fair one; 0 when nothing was judged.
    pub(crate) fn most(&self) -> f64 {
        self.most
    }

    fn judge(&mut self) {
        self.settle();
        for (placed, fair) in self.placed.iter_mut().zip(&mut self.fair) {
            if *fair >= FEWEST {
                self.most = self.most.max(*placed as f64 / *fair);
            }
            (*placed, *fair) = (0, 0.0);
        }
    }

    fn settle(&mut self) {
        let total: f64 = self.weights.iter().sum();
        if total > 0.0 {
            for (fair, weight) in self.fair.iter_mut().zip(&self.weights) {
                *fair += self.recent as f64 * weight / total;
            }
        }
        self.recent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_out_of_traffic_makes_the_parts_of_others_larger() {
        let mut shares = Shares::new(vec![1.0, 1.0, 2.0]);
        let at = |seconds: u64| Tick::ZERO.after(Duration::from_secs(seconds));
        shares.set_weight(2, 0.0);
        (0..400).for_each(|n| shares.placed(usize::from(n % 4 == 0), at(1)));
        shares.placed(0, at(6));

        assert!((shares.most() - 1.5).abs() < 1e-9, "300 where 200 are fair, got {}", shares.most());
    }
}

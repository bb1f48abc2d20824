//! How sure it is that one arm is better than another: a bet that may be looked at after every block.
//!
//! Somebody who bets on "better by more than the margin" gains with every block that says so and loses with every one
//! that does not. If it is not so, no way of betting gains in the mean, and by Ville's inequality the capital ever grows
//! to `1 / a` with a chance of `a` at most, however often one looks. So the capital is the evidence, an e-value.
//!
//! What is bet on is the logarithm of the ratio of both estimates, less that of the margin, bounded to ±1. Half of the
//! capital is there at the start; the other half comes in over a day, block by block, so that a bet on something that
//! becomes true after hours of losing is not made with nothing. Several stakes are held side by side, because which one
//! grows fastest depends on how much better the arm is; the mean of e-values is one.

use std::time::Duration;

/// Shares of the capital that are staked.
const STAKES: [f64; 3] = [0.2, 0.5, 0.9];
/// A ratio of e to this power, over the margin, is as good as any larger one.
const FULL_GAIN: f64 = 0.25;
/// More says nothing more.
const MOST: f64 = 1e12;
/// Over what time the chance of a false alarm holds.
pub const HORIZON: Duration = Duration::from_secs(24 * 3600);
/// Chance of a switch to an arm that is no better, over [`HORIZON`] under one arm, over all others together.
pub const FALSE_SWITCHES: f64 = 0.05;

/// The capital of a bet on one arm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    capital: [f64; STAKES.len()],
    blocks: u32,
}

impl Evidence {
    /// Nothing is known.
    pub(super) fn none() -> Self {
        Self { capital: [0.5; STAKES.len()], blocks: 0 }
    }

    /// A block said that the steering arm gave `current` and this one `other`; `income` comes in with each block.
    pub(super) fn take(&mut self, current: f64, other: f64, margin: f64, income: f64) {
        let gain = ((current / other).ln() - margin.ln_1p()) / FULL_GAIN;
        let gain = if gain.is_finite() { gain.clamp(-1.0, 1.0) } else { 0.0 };
        for (capital, stake) in self.capital.iter_mut().zip(STAKES) {
            *capital = ((*capital + income) * (1.0 + stake * gain)).min(MOST);
        }
        self.blocks = self.blocks.saturating_add(1);
    }

    /// The capital, stake by stake.
    pub(super) fn capital(&self) -> [f64; STAKES.len()] {
        self.capital
    }

    /// A bet that goes on; one that cannot have been begins anew.
    pub(super) fn of(capital: &[f64], blocks: u32) -> Self {
        let known = <[f64; STAKES.len()]>::try_from(capital).ok();
        let known = known.filter(|capital| capital.iter().all(|one| (0.0..=MOST).contains(one)));
        known.map_or_else(Self::none, |capital| Self { capital, blocks })
    }

    /// The e-value.
    pub(super) fn value(&self) -> f64 {
        self.capital.iter().sum::<f64>() / STAKES.len() as f64
    }

    /// Blocks it is made of.
    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }
}

/// What comes in with each block of this length.
pub(super) fn income(block: Duration) -> f64 {
    0.5 * (block.as_secs_f64() / HORIZON.as_secs_f64()).min(1.0)
}

/// The e-value that is enough when there are this many other arms.
pub fn enough(others: usize) -> f64 {
    others.max(1) as f64 / FALSE_SWITCHES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The first block at which the evidence is enough, of a day of blocks of five seconds.
    fn first_enough(seed: u64, better: f64, noise: f64) -> Option<u32> {
        let mut rng = Rng::seeded(seed);
        let mut evidence = Evidence::none();
        let block = Duration::from_secs(5);
        (0..17_280).find(|_| {
            let other = ((rng.unit() - rng.unit()) * noise).exp() / better;
            evidence.take(1.0, other, 0.05, income(block));
            evidence.value() >= enough(1)
        })
    }

    #[test]
    fn arms_that_are_alike_are_told_apart_less_often_than_stated() {
        let false_alarms = (0..120).filter(|seed| first_enough(*seed, 1.0, 0.3).is_some()).count();
        assert!(false_alarms < 6, "{false_alarms} of 120 days");
        // At the very margin it may not happen more often either.
        let at_margin = (0..120).filter(|seed| first_enough(*seed, 1.05, 0.3).is_some()).count();
        assert!(at_margin <= 6, "{at_margin} of 120 days");
    }

    #[test]
    fn a_better_arm_is_found_and_the_sooner_the_better_it_is() {
        let worst = |better| (0..50).map(|seed| first_enough(seed, better, 0.3).unwrap()).max().unwrap();
        let (much, little) = (worst(1.5), worst(1.15));
        assert!(much < 12, "{much} blocks");
        assert!(little < 400 && little > much, "{little} blocks");
    }

    #[test]
    fn hours_of_losing_do_not_make_it_deaf() {
        let mut evidence = Evidence::none();
        let income = income(Duration::from_secs(5));
        (0..5_000).for_each(|_| evidence.take(1.0, 1.5, 0.05, income));
        let soon = (0..40).find(|_| {
            evidence.take(1.5, 1.0, 0.05, income);
            evidence.value() >= enough(1)
        });
        assert!(soon.is_some());
    }
}

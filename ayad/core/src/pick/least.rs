//! The least load for a weight, the comparison under two algorithms.
//!
//! ```text
//! least in_flight / weight, compared as  a.in_flight * b.weight < b.in_flight * a.weight
//! ties: smooth weighted rotation among them, so that an idle pool follows the weights too
//! ```

use std::sync::Arc;

use super::credit::Credits;
use super::{Ask, Picker, Score, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Least {
    /// The scan starts here, so that workers break the same tie differently.
    start: usize,
    weight: fn(&Load) -> u32,
    /// Scratch: index and weight of the backends that share the least load.
    ties: Vec<(usize, u32)>,
    credits: Credits,
}

impl Least {
    pub(super) fn new(seed: u64, weight: fn(&Load) -> u32) -> Self {
        Self { start: start_of(seed), weight, ties: Vec::new(), credits: Credits::default() }
    }
}

impl Picker for Least {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        self.ties.clear();
        let (mut least, mut least_weight, mut weights) = (0, 0, 0);
        for index in ring(self.start, set.len()) {
            let load = &set[index];
            let weight = (self.weight)(load);
            weights += u64::from(weight);
            if weight == 0 || !ask.allows(index, load) {
                continue;
            }
            let in_flight = u64::from(load.apparent());
            let mine = in_flight * least_weight;
            let theirs = least * u64::from(weight);
            if least_weight == 0 || mine < theirs {
                (least, least_weight) = (in_flight, u64::from(weight));
                self.ties.clear();
            } else if mine > theirs {
                continue;
            }
            self.ties.push((index, weight));
        }
        self.credits.fit(set.len(), weights);
        self.credits.choose(self.ties.iter().copied())
    }

    fn score(&self, set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        let weight = (self.weight)(&set[index]) as f32 / FULL_EASE as f32;
        Score::plain(set[index].apparent() as f32 / weight)
    }

    fn prepare(&mut self, len: usize) {
        self.ties.reserve(len.saturating_sub(self.ties.len()));
        self.credits.prepare(len);
    }
}

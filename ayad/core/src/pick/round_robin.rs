//! Round robin: each eligible backend in turn.
//!
//! - Cost: up to the next eligible backend; one cursor for each worker, started at different places.
//! - When: backends and requests are alike. When not: requests of very different cost, because a turn is a
//!   turn.
//! - Weights are ignored, except that 0 gets nothing.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Scale, Score, Share, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "round-robin",
    summary: "each backend in turn",
    when: "equal backends and requests of equal cost",
    share: Share::Equal,
    weighted: false,
    keyed: false,
    scale: Scale::least("turns until it is next"),
    params: &[],
    build: |setup| Box::new(RoundRobin { next: start_of(setup.seed) }),
};

/// See the module.
#[derive(Debug)]
pub struct RoundRobin {
    next: usize,
}

impl Picker for RoundRobin {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        // One that is eased in takes its turn with the chance of its ease, and when nobody else can.
        let takes_turn = |load: &Load, rng: &mut Rng| {
            let ease = load.ease();
            ease >= FULL_EASE || rng.below(FULL_EASE) < ease
        };
        let mut passed_over = None;
        let is_open = |index: usize| set[index].weight() != 0 && ask.allows(index, &set[index]);
        let mut turns = ring(self.next, set.len()).filter(|&index| is_open(index));
        let taken = turns.find(|&index| {
            let takes = takes_turn(&set[index], rng);
            passed_over = passed_over.or((!takes).then_some(index));
            takes
        });
        let index = taken.or(passed_over)?;
        self.next = index + 1;
        Some(index)
    }

    fn score(&self, set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        let len = set.len().max(1);
        Score::plain(((index + len - self.next % len) % len) as f32)
    }
}

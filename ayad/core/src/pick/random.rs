//! Random: every request draws a backend, with chances in proportion to weight.
//!
//! - Cost: one pass with one random number for each eligible backend (reservoir sampling, so that the sum of
//!   weights need not be known first); no state.
//! - When: very many balancers in front of the same backends, where any rule they share makes them herd. When
//!   not: few requests, because chance needs many to even out.
//! - Weight 0 gets nothing.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Scale, Score, Share};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "random",
    summary: "a random backend, with chances by weight",
    when: "many balancers in front of the same backends",
    share: Share::Weight,
    weighted: true,
    keyed: false,
    scale: Scale::chance("weight"),
    params: &[],
    build: |_| Box::new(Random),
};

/// See the module.
#[derive(Debug)]
pub struct Random;

impl Picker for Random {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let mut total = 0;
        let mut drawn = None;
        for (index, load) in set.iter().enumerate() {
            let weight = u64::from(load.effective_weight());
            if weight == 0 || !ask.allows(index, load) {
                continue;
            }
            total += weight;
            if rng.below_wide(total) < weight {
                drawn = Some(index);
            }
        }
        drawn
    }

    fn score(&self, set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        Score::plain(set[index].effective_weight() as f32 / FULL_EASE as f32)
    }
}

//! Smooth weighted round robin: turns in proportion to weight, spread evenly.
//!
//! ```text
//! each eligible backend: credit += weight;  the richest is picked and pays the sum of these weights
//! ```
//!
//! - Source: nginx 1.3.1. Cost: two passes over the set; one credit for each backend and worker.
//! - When: backends of known, different size and requests of equal cost. When not: size is unknown or changes
//!   with load, which `weighted-least-connections` sees and this does not.
//! - Live weight changes take effect with the next pick.

use std::sync::Arc;

use super::credit::Credits;
use super::{Ask, Picker, PickerSpec, Scale, Score, Share, ring, start_of};
use crate::load::Load;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "weighted-round-robin",
    summary: "turns in proportion to weight, spread evenly",
    when: "backends of known different size and requests of equal cost",
    share: Share::Weight,
    weighted: true,
    keyed: false,
    scale: Scale::most("credit"),
    params: &[],
    build: |setup| Box::new(WeightedRoundRobin { start: start_of(setup.seed), credits: Credits::default() }),
};

/// See the module.
#[derive(Debug)]
pub struct WeightedRoundRobin {
    /// The scan starts here, so that workers break the same tie differently.
    start: usize,
    credits: Credits,
}

impl Picker for WeightedRoundRobin {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        self.credits.fit(set.len(), set.iter().map(|load| u64::from(load.effective_weight())).sum());
        let open = ring(self.start, set.len()).filter(|&index| ask.allows(index, &set[index]));
        self.credits.choose(open.map(|index| (index, set[index].effective_weight())))
    }

    fn score(&self, set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        Score::plain(self.credits.of(index) as f32 + set[index].effective_weight() as f32)
    }

    fn prepare(&mut self, len: usize) {
        self.credits.prepare(len);
    }
}

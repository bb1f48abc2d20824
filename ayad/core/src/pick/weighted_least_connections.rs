//! Weighted least connections: the eligible backend with the fewest requests in flight for its weight.
//!
//! ```text
//! least in_flight / weight, compared as  a.in_flight * b.weight < b.in_flight * a.weight
//! ties: smooth weighted rotation among them, so that an idle pool follows the weights too
//! ```
//!
//! - Cost: one pass over the set and one over the ties; one credit for each backend and worker.
//! - When: the safe choice for most pools, therefore the default. When not: a backend that fails fast is
//!   never busy; a breaker must catch that.
//! - Weight 0 gets nothing. Live weight changes take effect with the next pick.

use std::sync::Arc;

use super::credit::Credits;
use super::{Ask, Picker, PickerSpec, Share, ring, start_of};
use crate::load::Load;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "weighted-least-connections",
    summary: "the backend with the fewest requests in flight for its weight",
    when: "most pools; backends of different size, requests of unequal cost",
    share: Share::Adapts,
    weighted: true,
    build: |seed| {
        Box::new(WeightedLeastConnections {
            start: start_of(seed),
            ties: Vec::new(),
            credits: Credits::default(),
        })
    },
};

/// See the module.
#[derive(Debug)]
pub struct WeightedLeastConnections {
    /// The scan starts here, so that workers break the same tie differently.
    start: usize,
    /// Scratch: index and weight of the backends that share the least load.
    ties: Vec<(usize, u32)>,
    credits: Credits,
}

impl Picker for WeightedLeastConnections {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        self.ties.clear();
        let (mut least, mut least_weight, mut weights) = (0, 0, 0);
        for index in ring(self.start, set.len()) {
            let load = &set[index];
            let weight = load.weight();
            weights += u64::from(weight);
            if weight == 0 || !ask.allows(index, load) {
                continue;
            }
            let mine = u64::from(load.in_flight()) * least_weight;
            let theirs = least * u64::from(weight);
            if least_weight == 0 || mine < theirs {
                (least, least_weight) = (u64::from(load.in_flight()), u64::from(weight));
                self.ties.clear();
            } else if mine > theirs {
                continue;
            }
            self.ties.push((index, weight));
        }
        self.credits.fit(set.len(), weights);
        self.credits.choose(self.ties.iter().copied())
    }

    fn prepare(&mut self, len: usize) {
        self.ties.reserve(len.saturating_sub(self.ties.len()));
        self.credits.prepare(len);
    }
}

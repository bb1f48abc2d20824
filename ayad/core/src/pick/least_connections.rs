//! Least connections: the eligible backend with the fewest requests in flight, over all workers.
//!
//! - Cost: one pass over the set; a cursor for each worker. Ties go round, so that an idle pool is served in
//!   turn.
//! - When: requests of unequal or unknown cost on backends of equal size. When not: backends of different
//!   size (`weighted-least-connections`), or one that fails fast, which is never busy; a breaker must catch
//!   that.
//! - Weights are ignored, 0 included.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Share, ring, start_of};
use crate::load::Load;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "least-connections",
    summary: "the backend with the fewest requests in flight",
    when: "equal backends and requests of unequal cost",
    share: Share::Adapts,
    weighted: false,
    build: |seed| Box::new(LeastConnections { next: start_of(seed) }),
};

/// See the module.
#[derive(Debug)]
pub struct LeastConnections {
    next: usize,
}

impl Picker for LeastConnections {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        let mut best: Option<(usize, u32)> = None;
        for index in ring(self.next, set.len()) {
            let load = &set[index];
            if !ask.allows(index, load) {
                continue;
            }
            let in_flight = load.in_flight();
            if best.is_none_or(|(_, least)| in_flight < least) {
                best = Some((index, in_flight));
            }
        }
        let (index, _) = best?;
        self.next = index + 1;
        Some(index)
    }
}

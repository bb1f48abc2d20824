//! Round robin: each eligible backend in turn.
//!
//! - Cost: up to the next eligible backend; one cursor for each worker, started at different places.
//! - When: backends and requests are alike. When not: requests of very different cost, because a turn is a
//!   turn.
//! - Weights are ignored, 0 included.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Share, ring, start_of};
use crate::load::Load;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "round-robin",
    summary: "each backend in turn",
    when: "equal backends and requests of equal cost",
    share: Share::Equal,
    weighted: false,
    build: |seed| Box::new(RoundRobin { next: start_of(seed) }),
};

/// See the module.
#[derive(Debug)]
pub struct RoundRobin {
    next: usize,
}

impl Picker for RoundRobin {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        let index = ring(self.next, set.len()).find(|&index| ask.allows(index, &set[index]))?;
        self.next = index + 1;
        Some(index)
    }
}

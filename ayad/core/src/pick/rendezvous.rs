//! Rendezvous: the key of a request decides its backend, by weighted highest random weight.
//!
//! - Cost: one pass with one hash and one logarithm for each backend; no state at all, so every worker, every
//!   restart and every other `ayad` with the same backends picks the same.
//! - When: caches behind up to some dozen backends. When not: hundreds of backends, where `maglev` picks in constant
//!   time; a few hot keys, unless the load is bounded.
//! - Weight 0 gets nothing. When a backend leaves only its own keys move, and they come back with it: 1 of N backends
//!   moves 1/N of the keys, the least there can be.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Scale, Score, Share};
use crate::load::Load;
use crate::rendezvous;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "rendezvous",
    summary: "the same key always to the same backend, moving the fewest keys on a change",
    when: "caches behind up to some dozen backends",
    share: Share::Weight,
    weighted: true,
    keyed: true,
    scale: Scale::most("weighted hash of key and backend"),
    params: &[],
    build: |_| Box::new(Rendezvous),
};

/// See the module.
#[derive(Debug)]
pub struct Rendezvous;

impl Picker for Rendezvous {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        rendezvous::pick(set, ask.key, |index, load| ask.allows(index, load))
    }

    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        Score::plain(rendezvous::score(ask.key, set[index].token(), set[index].weight()) as f32)
    }
}

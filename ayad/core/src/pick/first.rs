//! First: the first eligible backend with room, in the order of the configuration; the next one only when it is full.
//!
//! Consolidates: few requests leave the last backends idle, so that they can be switched off (as `first` of `HAProxy`). Room
//! is `limit` requests in flight for each unit of weight; when all are full, the least loaded for its weight.
//!
//! - Cost: a look at each backend up to the first with room.
//! - When: backends cost money while they are awake, or the others only stand by. When not: latency matters more than
//!   that, because the first one is always the busiest.
//! - Weight 0 gets nothing.

use std::sync::Arc;

use super::{Ask, ParamSpec, Picker, PickerSpec, Scale, Score, Share};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "first",
    summary: "the first backend with room, the next only when it is full",
    when: "idle backends can be switched off, or only stand by",
    share: Share::Order,
    weighted: true,
    keyed: false,
    scale: Scale::least("place in the list, of those with room"),
    params: &[ParamSpec::count("limit", 32, 1, 65_536, "requests in flight that fill a unit of weight")],
    build: |setup| Box::new(First { limit: u64::from(setup.params.count(0)) }),
};

/// See the module.
#[derive(Debug)]
pub struct First {
    limit: u64,
}

impl Picker for First {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        let mut least: Option<(usize, u64, u64)> = None;
        for (index, load) in set.iter().enumerate() {
            let weight = u64::from(load.effective_weight());
            if weight == 0 || !ask.allows(index, load) {
                continue;
            }
            let in_flight = u64::from(load.apparent());
            if in_flight * u64::from(FULL_EASE) < self.limit * weight {
                return Some(index);
            }
            if least.is_none_or(|(_, busy, share)| in_flight * share < busy * weight) {
                least = Some((index, in_flight, weight));
            }
        }
        least.map(|(index, ..)| index)
    }

    fn score(&self, _set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        Score::plain(index as f32)
    }
}

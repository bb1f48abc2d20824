//! Ring hash: backends own points on a ring of hashes, and a key belongs to the next point (ketama).
//!
//! - Cost: a binary search; 12 bytes for each point and worker. A change of backends or weights builds the ring anew.
//! - When: clients of other ketama rings must agree, or keys should move to neighbours rather than everywhere. When
//!   not: evenness matters: shares vary by `1 / sqrt(points)`, 3 % with 1024 points; `maglev` is more even.
//! - A backend that leaves moves its own keys, 1/N of them; one that is down or full passes its keys on to the next
//!   points. Weight 0 gets nothing.

use std::sync::Arc;

use super::table::{self, Watch};
use super::{Ask, ParamSpec, Picker, PickerSpec, Scale, Score, Share};
use crate::load::Load;
use crate::rng::Rng;

/// Most points of a ring.
const MOST_POINTS: u64 = 1 << 20;
/// Points that are looked at for a backend that takes the key, before everybody is asked.
const STEPS: usize = 64;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "ring-hash",
    summary: "the same key always to the same backend, by a ring of hashes",
    when: "caches, where a change of backends should move few keys",
    share: Share::Keys,
    weighted: true,
    keyed: true,
    scale: Scale::least("points from the key's own"),
    params: &[ParamSpec::count("points", 1024, 1, 65_536, "points on the ring for each unit of weight")],
    build: |setup| {
        Box::new(RingHash { points: setup.params.count(0), ring: Vec::new(), watch: Watch::default() })
    },
};

/// See the module.
#[derive(Debug)]
pub struct RingHash {
    points: u32,
    /// Sorted by place.
    ring: Vec<(u64, u32)>,
    watch: Watch,
}

impl RingHash {
    /// The owners of the points from a key on.
    fn owners(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = self.ring.partition_point(|(place, _)| *place < key);
        let points = self.ring[start..].iter().chain(&self.ring[..start]).take(STEPS);
        points.map(|(_, index)| *index as usize)
    }

    fn build(&mut self, set: &[Arc<Load>]) {
        self.ring.clear();
        let wanted: u64 = set.iter().map(|load| u64::from(load.weight()) * u64::from(self.points)).sum();
        // By powers of two, so that a small change of weights seldom moves the points of others.
        let parts = wanted.div_ceil(MOST_POINTS).max(1).next_power_of_two();
        for (index, load) in set.iter().enumerate().filter(|(_, load)| load.weight() > 0) {
            let points = (u64::from(load.weight()) * u64::from(self.points) / parts).max(1);
            let mut places = table::places_of(load.token(), 0x7269_6e67);
            self.ring.extend((0..points).map(|_| (places.next_u64(), index as u32)));
        }
        self.ring.sort_unstable();
    }
}

impl Picker for RingHash {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        if self.watch.has_changed(set, ask.now) {
            self.build(set);
        }
        self.owners(ask.key).find(|&index| table::takes(set, index, ask)).or_else(|| table::anybody(set, ask))
    }

    fn score(&self, _set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let step = self.owners(ask.key).position(|owner| owner == index);
        Score::plain(step.map_or(f32::INFINITY, |step| step as f32))
    }

    fn learn_set(&mut self, set: &[Arc<Load>]) {
        if self.watch.has_changed(set, crate::time::Tick::ZERO) {
            self.build(set);
        }
    }
}

//! Power of two choices: of two random eligible backends, the one with fewer requests in flight for its
//! weight.
//!
//! - Source: Mitzenmacher 2001. Cost: constant while most backends are eligible, however many there are; one
//!   pass over the set when few are. No state.
//! - When: some hundred backends and more, or many balancers in front of the same ones. When not: few
//!   backends of which several are slow, because both draws may hit slow ones; `hot-cold` sees all.
//! - Ties go by weight; weight 0 gets nothing.

use std::sync::Arc;

use super::draw::Draw;
use super::{Ask, ParamSpec, Picker, PickerSpec, Scale, Score, Share};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "p2c",
    summary: "the less busy of two random backends",
    when: "hundreds of backends, or many balancers in front of the same ones",
    share: Share::Adapts,
    weighted: true,
    keyed: false,
    scale: Scale::least("requests in flight for its weight, of those drawn"),
    params: &[ParamSpec::count("choices", 2, 1, 32, "backends drawn for each request")],
    build: |setup| Box::new(PowerOfTwo { draw: Draw::new(setup.params.count(0)) }),
};

/// See the module.
#[derive(Debug)]
pub struct PowerOfTwo {
    draw: Draw,
}

impl Picker for PowerOfTwo {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let drawn = self.draw.draw(set, ask, rng).iter().map(|&index| index as usize);
        drawn.reduce(|best, other| better(set, best, other, rng))
    }

    fn score(&self, set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        let weight = set[index].effective_weight() as f32 / FULL_EASE as f32;
        Score::plain(set[index].apparent() as f32 / weight)
    }
}

fn better(set: &[Arc<Load>], a: usize, b: usize, rng: &mut Rng) -> usize {
    let [mine, theirs] = [a, b].map(|index| u64::from(set[index].effective_weight()));
    let [busy, other] = [a, b].map(|index| u64::from(set[index].apparent()));
    match (busy * theirs).cmp(&(other * mine)) {
        std::cmp::Ordering::Less => a,
        std::cmp::Ordering::Greater => b,
        std::cmp::Ordering::Equal => {
            if rng.below_wide(mine + theirs) < mine {
                a
            } else {
                b
            }
        }
    }
}

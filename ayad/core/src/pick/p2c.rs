//! Power of two choices: of two random eligible backends, the one with fewer requests in flight for its
//! weight.
//!
//! - Source: Mitzenmacher 2001. Cost: constant while most backends are eligible, however many there are; one
//!   pass over the set when few are. No state.
//! - When: some hundred backends and more, or many balancers in front of the same ones. When not: few
//!   backends of which several are slow, because both draws may hit slow ones; `weighted-least-connections`
//!   sees all.
//! - Ties go by weight; weight 0 gets nothing.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Share};
use crate::load::Load;
use crate::rng::Rng;

/// Draws before the set is scanned instead. With half the backends eligible, one pick in 14 needs the scan.
const DRAWS: usize = 8;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "p2c",
    summary: "the less busy of two random backends",
    when: "hundreds of backends, or many balancers in front of the same ones",
    share: Share::Adapts,
    weighted: true,
    build: |_seed| Box::new(PowerOfTwo),
};

/// See the module.
#[derive(Debug)]
pub struct PowerOfTwo;

impl Picker for PowerOfTwo {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let (first, second) = draw(set, ask, rng).or_else(|| scan(set, ask, rng))?;
        Some(if first == second { first } else { better(set, first, second, rng) })
    }
}

/// Two different backends by drawing, or none when too many draws miss.
fn draw(set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<(usize, usize)> {
    let len = u32::try_from(set.len()).ok()?;
    let mut first = None;
    for _ in 0..DRAWS.min(4 * set.len()) {
        let index = rng.below(len) as usize;
        if first == Some(index) || !open(set, index, ask) {
            continue;
        }
        match first {
            None => first = Some(index),
            Some(first) => return Some((first, index)),
        }
    }
    None
}

/// Two backends by going through all; the same one twice when there is only one.
fn scan(set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<(usize, usize)> {
    let mut drawn: Option<(usize, usize)> = None;
    let mut seen = 0;
    for index in (0..set.len()).filter(|&index| open(set, index, ask)) {
        seen += 1;
        drawn = Some(match drawn {
            None => (index, index),
            Some((first, _)) if seen == 2 => (first, index),
            // The n-th takes each of the two places with chance 1/n: every pair is equally likely.
            Some((first, second)) => match rng.below(seen) {
                0 => (index, second),
                1 => (first, index),
                _ => (first, second),
            },
        });
    }
    drawn
}

fn open(set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> bool {
    set[index].weight() != 0 && ask.allows(index, &set[index])
}

fn better(set: &[Arc<Load>], a: usize, b: usize, rng: &mut Rng) -> usize {
    let cross = |one: usize, other: usize| u64::from(set[one].in_flight()) * u64::from(set[other].weight());
    match cross(a, b).cmp(&cross(b, a)) {
        std::cmp::Ordering::Less => a,
        std::cmp::Ordering::Greater => b,
        std::cmp::Ordering::Equal => {
            let (mine, theirs) = (u64::from(set[a].weight()), u64::from(set[b].weight()));
            if rng.below_wide(mine + theirs) < mine { a } else { b }
        }
    }
}

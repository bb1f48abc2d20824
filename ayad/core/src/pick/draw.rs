//! Some different random backends of a set, for the algorithms that look at a few instead of all.

use std::sync::Arc;

use super::Ask;
use crate::load::Load;
use crate::rng::Rng;

/// Most backends drawn at once.
pub(super) const MOST: usize = 32;
/// Draws for each wanted backend before the set is scanned instead. With half the backends eligible and two wanted,
/// one pick in 14 needs the scan.
const DRAWS: usize = 4;

/// Draws up to a number of different backends that have a weight and are allowed, each as likely as the others.
#[derive(Debug)]
pub(super) struct Draw {
    wanted: usize,
    drawn: [u32; MOST],
    len: usize,
}

impl Draw {
    pub(super) fn new(wanted: u32) -> Self {
        Self { wanted: (wanted as usize).clamp(1, MOST), drawn: [0; MOST], len: 0 }
    }

    /// Draws anew. Constant while most backends are eligible; one pass over the set when few are.
    pub(super) fn draw(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> &[u32] {
        self.len = 0;
        let tries = DRAWS * self.wanted.min(set.len());
        let len = u32::try_from(set.len()).unwrap_or(u32::MAX);
        for _ in 0..if set.len() <= self.wanted { 0 } else { tries } {
            let index = rng.below(len);
            if self.drawn[..self.len].contains(&index) || !is_open(set, index as usize, ask) {
                continue;
            }
            self.drawn[self.len] = index;
            self.len += 1;
            if self.len == self.wanted {
                return &self.drawn[..self.len];
            }
        }
        self.scan(set, ask, rng);
        &self.drawn[..self.len]
    }

    /// What was drawn last.
    pub(super) fn drawn(&self) -> &[u32] {
        &self.drawn[..self.len]
    }

    /// A reservoir over the whole set: the n-th takes a place with chance `wanted / n`.
    fn scan(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) {
        self.len = 0;
        let mut seen = 0;
        for index in (0..set.len()).filter(|&index| is_open(set, index, ask)) {
            seen += 1;
            if self.len < self.wanted {
                self.drawn[self.len] = index as u32;
                self.len += 1;
            } else if let Some(place) = self.drawn[..self.wanted].get_mut(rng.below(seen) as usize) {
                *place = index as u32;
            }
        }
    }
}

fn is_open(set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> bool {
    set[index].effective_weight() != 0 && ask.allows(index, &set[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;
    use crate::pick::Tried;
    use crate::time::Tick;

    #[test]
    fn draws_are_different_open_and_evenly_spread() {
        let set: Vec<Arc<Load>> = (0..10).map(|t| Arc::new(Load::new(t, 1, Health::Up))).collect();
        set[3].set_health(Health::Down);
        let (mut rng, mut hits) = (Rng::seeded(4), [0_u32; 10]);
        let tried = Tried::new();
        let ask = Ask::any(Tick::ZERO, 0, &tried);
        for wanted in [1, 2, 5, 9, 32] {
            let mut draw = Draw::new(wanted);
            for _ in 0..2_000 {
                let drawn = draw.draw(&set, &ask, &mut rng).to_vec();
                assert_eq!(drawn.len(), wanted.min(9) as usize);
                for &index in &drawn {
                    hits[index as usize] += 1;
                }
                assert!((1..drawn.len()).all(|i| !drawn[..i].contains(&drawn[i])));
            }
        }
        let each = 2_000 * (1 + 2 + 5 + 9 + 9) / 9;
        assert_eq!(hits[3], 0);
        for (index, &n) in hits.iter().enumerate().filter(|(index, _)| *index != 3) {
            assert!((each * 9 / 10..each * 11 / 10).contains(&n), "{index}: {n} of {each}");
        }
    }
}

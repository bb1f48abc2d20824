//! Weighted rendezvous hashing (highest random weight; Thaler and Ravishankar 1998, weights after
//! Schindelhauer and Schomaker 2005): every backend draws a number from its token and the key, and the
//! highest wins.
//!
//! ```text
//! u     = mix(key, token) as a number between 0 and 1
//! score = weight / -ln(u)
//! ```
//!
//! Nothing is stored and nothing is built: when a backend leaves, only its keys move, each to the backend
//! that scores next; when a weight changes, keys move only to or from that backend. The price is
//! that a pick is linear in the backends, about 15 ns each; a ring or a table picks faster, but has to be
//! rebuilt.

use std::sync::Arc;

use crate::hash::mix;
use crate::load::Load;
use crate::pick::Tried;

/// The backend that `key` belongs to, of those that are `allowed`, not tried yet and have a weight.
pub(crate) fn pick(
    set: &[Arc<Load>],
    key: u64,
    tried: &Tried,
    allowed: impl Fn(&Load) -> bool,
) -> Option<usize> {
    let mut best = None;
    let mut highest = 0.0;
    for (index, load) in set.iter().enumerate() {
        let weight = load.weight();
        if weight == 0 || tried.contains(index) || !allowed(load) {
            continue;
        }
        let score = score(key, load.token(), weight);
        if score > highest {
            highest = score;
            best = Some(index);
        }
    }
    best
}

fn score(key: u64, token: u64, weight: u32) -> f64 {
    // Half a step off zero, so that the logarithm is always finite and below zero.
    let unit = ((mix(key, token) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -unit.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;

    fn set(weights: &[u32]) -> Vec<Arc<Load>> {
        let loads = weights.iter().enumerate();
        loads.map(|(i, &w)| Arc::new(Load::new(mix(i as u64, 9), w, Health::Up))).collect()
    }

    fn owners(set: &[Arc<Load>], allowed: impl Fn(&Load) -> bool + Copy) -> Vec<Option<usize>> {
        (0..20_000).map(|key| pick(set, mix(key, 1), &Tried::new(), allowed)).collect()
    }

    #[test]
    fn when_a_backend_leaves_only_its_keys_move() {
        let set = set(&[1, 2, 3, 4]);
        let gone = set[2].token();

        let before = owners(&set, |_| true);
        let after = owners(&set, |load| load.token() != gone);

        for (before, after) in before.into_iter().zip(after) {
            assert!(before == after || before == Some(2));
            assert_ne!(after, Some(2));
        }
    }

    #[test]
    fn keys_spread_by_weight() {
        let owners = owners(&set(&[1, 2, 0, 5]), |_| true);
        let share = |i| owners.iter().filter(|&&o| o == Some(i)).count() as f64 / owners.len() as f64;

        assert!((share(0) - 0.125).abs() < 0.01);
        assert!((share(1) - 0.25).abs() < 0.01);
        assert!((share(2)).abs() < f64::EPSILON);
        assert!((share(3) - 0.625).abs() < 0.01);
    }
}

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
use crate::load::{FULL_EASE, Load};

/// The backend that `key` belongs to, of those that are `allowed` and have a weight. Which of its keys a backend has
/// while it is eased in is settled by the key: they come one after the other and stay.
pub(crate) fn pick(set: &[Arc<Load>], key: u64, allowed: impl Fn(usize, &Load) -> bool) -> Option<usize> {
    let (mut best, mut passed_over) = ((None, 0.0), (None, 0.0));
    for (index, load) in set.iter().enumerate() {
        let weight = load.weight();
        if weight == 0 || !allowed(index, load) {
            continue;
        }
        let score = score(key, load.token(), weight);
        let place = if is_at_home(key, load) { &mut best } else { &mut passed_over };
        if score > place.1 {
            *place = (Some(index), score);
        }
    }
    best.0.or(passed_over.0)
}

/// Whether this key goes to the backend already, while it gets only part of its weight.
pub(crate) fn is_at_home(key: u64, load: &Load) -> bool {
    let ease = load.ease();
    ease >= FULL_EASE || ((mix(load.token(), key) >> 54) as u32) < ease
}

/// The score of a backend for a key, above 0; the highest wins.
pub(crate) fn score(key: u64, token: u64, weight: u32) -> f64 {
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
        (0..20_000).map(|key| pick(set, mix(key, 1), |_, load| allowed(load))).collect()
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
    fn a_backend_that_is_eased_in_gets_its_keys_one_after_the_other() {
        let set = set(&[1, 1]);
        set[1].set_ease(0.25);
        let quarter = owners(&set, |_| true);
        set[1].set_ease(0.75);
        let most = owners(&set, |_| true);

        let share =
            |owners: &[Option<usize>]| owners.iter().filter(|o| **o == Some(1)).count() as f64 / 20_000.0;
        assert!((share(&quarter) - 0.125).abs() < 0.01 && (share(&most) - 0.375).abs() < 0.01);
        assert!(quarter.iter().zip(&most).all(|(before, after)| *before != Some(1) || *after == Some(1)));
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

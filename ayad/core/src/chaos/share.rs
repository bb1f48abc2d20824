//! Who is hit: an exact share of what matches, by its number.
//!
//! Numbers come in blocks of 1,024. In each block the seed shuffles them, and those that come first are hit: as many as
//! the share says, where a fraction of one is left to chance. So the share that is hit is off by less than one in a whole
//! block, where chance alone would be off by up to fifty; and which ones these are falls in step with nothing, such as
//! backends that take turns.

use crate::hash::mix;

/// Binary digits of half a number within its block.
const HALF: u32 = 5;
const MASK: u64 = (1 << HALF) - 1;
/// Numbers of a block.
const BLOCK: u64 = 1 << (2 * HALF);
/// Rounds of the shuffle: each mixes one half by the other.
const ROUNDS: u64 = 6;

/// Whether the `number`-th match is hit, when `share` of all are: 0 hits none, 1 all.
pub fn is_hit(seed: u64, number: u64, share: f64) -> bool {
    share >= 1.0 || (share > 0.0 && point(seed, number) < share)
}

/// A point between 0 and 1 for a number: those of a block are spread evenly.
fn point(seed: u64, number: u64) -> f64 {
    let seed = mix(seed, number / BLOCK);
    let place = number % BLOCK;
    let within = (mix(seed, place | BLOCK) >> 11) as f64 / (1_u64 << 53) as f64;
    (shuffled(seed, place) as f64 + within) / BLOCK as f64
}

/// Where a place of a block comes to stand. No two come to stand at the same: each round can be undone.
fn shuffled(seed: u64, place: u64) -> u64 {
    let halves = (place >> HALF, place & MASK);
    let (left, right) = (0..ROUNDS)
        .fold(halves, |(left, right), round| (right, left ^ (mix(seed, round << HALF | right) & MASK)));
    left << HALF | right
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chaos::interval::wilson;

    fn hits(seed: u64, from: u64, count: u64, share: f64) -> u64 {
        (from..from + count).filter(|number| is_hit(seed, *number, share)).count() as u64
    }

    #[test]
    fn observed_shares_are_well_inside_their_interval() {
        for share in [0.001, 0.01, 0.05, 0.5] {
            for seed in [0, 1, 42, u64::MAX] {
                let hit = hits(seed, 0, 100_000, share);
                assert!((hit as f64 - share * 1e5).abs() <= 40.0, "share {share}, seed {seed}: {hit}");
                let (low, high) = wilson(hit, 100_000);
                assert!(low < share && share < high, "share {share}, seed {seed}: {low} to {high}");
            }
        }
    }

    #[test]
    fn zero_hits_nothing_and_one_everything() {
        assert_eq!(hits(7, 0, 100_000, 0.0), 0);
        assert_eq!(hits(7, 0, 100_000, 1.0), 100_000);
    }

    #[test]
    fn it_falls_in_step_with_nothing() {
        // Every other one goes to the same backend: half of those are hit too.
        let even = (0..100_000_u64).step_by(2).filter(|number| is_hit(9, *number, 0.5)).count();
        assert!((24_000..26_000).contains(&even), "{even}");
        assert_ne!(
            (0..64).map(|n| is_hit(1, n, 0.5)).collect::<Vec<_>>(),
            (0..64).map(|n| is_hit(2, n, 0.5)).collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn each_block_is_hit_as_asked(seed: u64, from in 0_u64..1 << 40, share in 0.0..=1.0_f64) {
            let hit = hits(seed, from / BLOCK * BLOCK, BLOCK, share) as f64;
            prop_assert!((hit - share * BLOCK as f64).abs() <= 1.0, "{hit} of a block");
        }

        #[test]
        fn same_seed_same_hits(seed: u64, number: u64, share in 0.0..=1.0_f64) {
            prop_assert_eq!(is_hit(seed, number, share), is_hit(seed, number, share));
        }

        #[test]
        fn a_larger_share_hits_all_that_a_smaller_one_does(seed: u64, number: u64, a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
            prop_assert!(!is_hit(seed, number, a.min(b)) || is_hit(seed, number, a.max(b)));
        }
    }
}

//! Who is hit: an exact share of what matches, by its number.
//!
//! The number is mapped to a point between 0 and 1, and it is hit when that point lies below the share. The points are a
//! van der Corput sequence scrambled by Owen's method: among any 2ᵏ numbers that begin at a multiple of 2ᵏ, each
//! 2ᵏ-th part of the line holds exactly one. So of n in a row the number that is hit is off by at most about log₂ n,
//! where chance would be off by √n; and within that the seed decides, so that it does not fall in step with anything.

use crate::hash::mix;

/// Binary digits of a point.
const DIGITS: u32 = 32;

/// Whether the `number`-th match is hit, when `share` of all are: 0 hits none, 1 all.
pub fn is_hit(seed: u64, number: u64, share: f64) -> bool {
    share >= 1.0 || (share > 0.0 && point(seed, number) < share)
}

/// The point of a number. Each digit is one of the number's, the lowest first, and turned over or not by a coin that
/// depends on those before it.
fn point(seed: u64, number: u64) -> f64 {
    // Each 2³² of them begin anew, under another seed.
    let seed = mix(seed, number >> DIGITS);
    let mut digits = 0_u64;
    for digit in 0..DIGITS {
        let before = number & ((1 << digit) - 1);
        let coin = mix(seed, before | 1 << (digit + DIGITS)) & 1;
        digits = digits << 1 | (number >> digit & 1 ^ coin);
    }
    // Half a step up: a point is never 0, so that the smallest shares are no larger than they should be.
    (digits as f64 + 0.5) / (1_u64 << DIGITS) as f64
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
                assert!((hit as f64 - share * 1e5).abs() <= 18.0, "share {share}, seed {seed}: {hit}");
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
        fn any_run_of_numbers_is_hit_as_asked(seed: u64, from in 0_u64..1 << 40, share in 0.0..=1.0_f64) {
            let count = 1_000;
            let hit = hits(seed, from, count, share) as f64;
            // Two runs from a power of two on, each off by at most its logarithm.
            prop_assert!((hit - share * count as f64).abs() <= 22.0, "{hit} of {count}");
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

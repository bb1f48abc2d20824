//! One small seedable generator: a counter and a folded 64 by 64 bit multiplication (the `wyrand` scheme).
//!
//! It is fast (about a nanosecond) and good enough to spread load; it is not for secrets. Seeds come from the
//! caller, so that the same seed gives the same run.

/// A seedable pseudo-random generator.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0xa076_1d64_78bd_642f);
        let product = u128::from(self.state) * u128::from(self.state ^ 0xe703_7ed1_a0b4_28db);
        (product >> 64) as u64 ^ product as u64
    }

    /// A number below `n`; 0 when `n` is 0. The bias is below 2⁻³².
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// As [`Rng::below`] for sums that may need 64 bits.
    pub(crate) fn below_wide(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number from 0 (included) to 1 (excluded), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b, mut c) = (Rng::seeded(1), Rng::seeded(1), Rng::seeded(2));
        let draw = |rng: &mut Rng| (0..16).map(|_| rng.next_u64()).collect::<Vec<_>>();

        assert_eq!(draw(&mut a), draw(&mut b));
        assert_ne!(draw(&mut a), draw(&mut c));
    }

    #[test]
    fn numbers_stay_in_range_and_spread() {
        let mut rng = Rng::seeded(7);
        let mut hits = [0_u32; 10];
        for _ in 0..100_000 {
            hits[rng.below(10) as usize] += 1;
            assert!((0.0..1.0).contains(&rng.unit()));
        }

        assert_eq!(rng.below(0), 0);
        assert!(hits.iter().all(|&n| (9_500..10_500).contains(&n)), "{hits:?}");
    }
}

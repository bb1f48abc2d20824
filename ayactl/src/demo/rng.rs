//! A small seedable generator, so that the same seed gives the same demo.
//!
//! `SplitMix64` (Steele, Lea and Flood, 2014): 64 bits of state, one addition and three mixing steps a number.
//! Not for secrets.

/// The generator.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// Begins a sequence. `stream` keeps users of the same seed apart.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.next();
        rng
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, and without, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A lognormal number with this median: latencies lean to the right like that. Box and Muller's method.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        median * (sigma * normal).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_stream_others() {
        let draw = |seed, stream| {
            let mut rng = Rng::new(seed, stream);
            [rng.next(), rng.next(), rng.next()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn half_of_the_lognormal_numbers_are_below_the_median() {
        let mut rng = Rng::new(7, 0);
        let below = (0..10_000).filter(|_| rng.lognormal(8.0, 0.4) < 8.0).count();
        assert!((4800..5200).contains(&below), "{below}");
    }
}

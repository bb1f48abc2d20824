//! Bytes that arrive as others.

use super::{Acts, FaultSpec};
use crate::rng::Rng;

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "corrupt",
    does: "Some bytes of an answer are changed; of its body alone, where there is one",
    acts: Acts::Bytes,
};

/// Changes one byte of so many. Gaps are geometric, so that nothing repeats.
#[derive(Clone, Debug)]
pub struct Corruptor {
    one_in: f64,
    rng: Rng,
    /// Bytes before the next one that is changed.
    gap: u64,
}

impl Corruptor {
    /// Changes one byte in `one_in`, on average; 0 counts as 1, which is every byte.
    pub fn new(one_in: u64, seed: u64) -> Self {
        let mut corruptor = Self { one_in: one_in.max(1) as f64, rng: Rng::seeded(seed), gap: 0 };
        corruptor.gap = corruptor.draw();
        corruptor
    }

    fn draw(&mut self) -> u64 {
        if self.one_in <= 1.0 {
            return 0;
        }
        let unit = 1.0 - self.rng.unit();
        (unit.ln() / (-1.0 / self.one_in).ln_1p()) as u64
    }

    /// Changes what is due in the next bytes, and says how many were. A changed byte is never the one it was.
    pub fn corrupt(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut changed) = (0_u64, 0);
        while self.gap < bytes.len() as u64 - at {
            at += self.gap;
            bytes[at as usize] ^= 1 + self.rng.below(255) as u8;
            changed += 1;
            at += 1;
            self.gap = self.draw();
        }
        self.gap -= bytes.len() as u64 - at;
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_many_are_changed_as_asked_for() {
        for one_in in [1, 2, 100, 1_000] {
            let mut bytes = vec![7; 1_000_000];
            let changed = Corruptor::new(one_in, 5).corrupt(&mut bytes);
            let wanted = 1_000_000.0 / one_in as f64;
            assert_eq!(bytes.iter().filter(|byte| **byte != 7).count(), changed);
            assert!((changed as f64 - wanted).abs() <= 4.0 * wanted.sqrt(), "1 in {one_in}: {changed}");
        }
    }

    proptest! {
        #[test]
        fn in_which_portions_bytes_come_makes_no_difference(one_in in 1_u64..50, seed: u64, cut in 0_usize..200) {
            let (mut whole, mut parts) = ([0_u8; 200], [0_u8; 200]);
            Corruptor::new(one_in, seed).corrupt(&mut whole);
            let mut corruptor = Corruptor::new(one_in, seed);
            corruptor.corrupt(&mut parts[..cut]);
            corruptor.corrupt(&mut parts[cut..]);
            prop_assert_eq!(whole, parts);
        }
    }
}

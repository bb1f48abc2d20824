//! Answers in small pieces.

use super::{Acts, FaultSpec};
use crate::rng::Rng;

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "slice",
    does: "The bytes of an answer come in small pieces, with a pause before each",
    acts: Acts::Bytes,
};

/// The length of the next piece: `bytes`, and up to `spread` more or less, but always something.
pub fn piece(bytes: u64, spread: u64, rng: &mut Rng) -> usize {
    let spread = spread.min(u64::from(u32::MAX / 2));
    let drawn = u64::from(rng.below((2 * spread + 1) as u32));
    let length = bytes.saturating_add(drawn).saturating_sub(spread);
    usize::try_from(length).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    proptest! {
        #[test]
        fn pieces_are_as_long_as_asked_for(bytes in 1_u64..100_000, spread in 0_u64..200_000, seed: u64) {
            let piece = piece(bytes, spread, &mut Rng::seeded(seed)) as u64;
            prop_assert!(piece >= 1 && piece.abs_diff(bytes) <= spread);
        }
    }
}

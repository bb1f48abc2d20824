//! A quantile of the last 64 numbers, kept sorted: reading costs nothing, a new number one short move in memory.

const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Quantile {
    share: f32,
    sorted: [f32; KEPT],
    arrived: [f32; KEPT],
    len: usize,
    next: usize,
}

impl Quantile {
    /// The number that a share, 0 to 1, of the others does not exceed.
    pub(super) fn new(share: f32) -> Self {
        Self { share, sorted: [0.0; KEPT], arrived: [0.0; KEPT], len: 0, next: 0 }
    }

    /// Takes a number in, in place of the oldest one.
    pub(super) fn push(&mut self, number: f32) {
        let end = if self.len == KEPT {
            let oldest = self.arrived[self.next];
            let at = self.sorted.partition_point(|&n| n < oldest);
            self.sorted.copy_within(at + 1.., at);
            KEPT - 1
        } else {
            self.len += 1;
            self.len - 1
        };
        let at = self.sorted[..end].partition_point(|&n| n < number);
        self.sorted.copy_within(at..end, at + 1);
        self.sorted[at] = number;
        self.arrived[self.next] = number;
        self.next = (self.next + 1) % KEPT;
    }

    /// The quantile; infinite before the first number.
    pub(super) fn threshold(&self) -> f32 {
        let Some(last) = self.len.checked_sub(1) else { return f32::INFINITY };
        self.sorted[((self.share * self.len as f32) as usize).min(last)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn it_agrees_with_sorting_the_last_numbers() {
        let (mut rng, mut quantile, mut all) = (Rng::seeded(3), Quantile::new(0.84), Vec::new());
        assert!(quantile.threshold().is_infinite());
        for _ in 0..500 {
            let number = rng.below(9) as f32;
            quantile.push(number);
            all.push(number);
            let mut last = all[all.len().saturating_sub(KEPT)..].to_vec();
            last.sort_by(f32::total_cmp);
            let place = ((0.84 * last.len() as f32) as usize).min(last.len() - 1);
            assert!((quantile.threshold() - last[place]).abs() < f32::EPSILON);
        }
    }
}

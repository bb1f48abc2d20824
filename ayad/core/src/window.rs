//! Counts over the last moments: rings of buckets that many workers write without a lock.
//!
//! A bucket is one word that carries the number of its slot of time beside its counts, so that starting a new
//! slot and counting in it are the same compare-and-swap: no count is lost and none is taken for a newer one. A
//! bucket that nobody wrote since the ring came round keeps an old number and is left out when it is summed.
//!
//! What it deliberately does not do: know how long a slot is, or what counts as a failure; the owner says both.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Results.
    pub calls: u32,
    /// Results that were failures.
    pub failures: u32,
    /// Results that were slow; a failure may be slow too.
    pub slow: u32,
}

impl Counts {
    /// Failures among the calls, 0 to 1; 0 without calls.
    pub fn failure_share(&self) -> f64 {
        share(self.failures, self.calls)
    }

    /// Slow ones among the calls, 0 to 1; 0 without calls.
    pub fn slow_share(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

fn share(part: u32, all: u32) -> f64 {
    if all == 0 { 0.0 } else { f64::from(part) / f64::from(all) }
}

const FIELD: u64 = 0xffff;

/// Calls, failures and slow calls in `N` slots. A word holds 16 bits each of slot, calls, failures and slow calls; a
/// bucket that is full halves its counts, which keeps their shares.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Tally<N> {
    /// Counts one result in `slot`. One compare-and-swap, about 5 ns where nobody contends.
    pub(crate) fn add(&self, slot: u64, failed: bool, slow: bool) {
        let one = 1 << 16 | u64::from(failed) << 32 | u64::from(slow) << 48;
        update(&self.0[(slot % N as u64) as usize], |word| {
            let counts = if word & FIELD == stamp(slot) { word >> 16 } else { 0 };
            // All three fields at once: a halved field loses the bit it would give its neighbour.
            let counts = if counts & FIELD == FIELD { counts >> 1 & 0x7fff_7fff_7fff } else { counts };
            (counts << 16 | stamp(slot)).wrapping_add(one)
        });
    }

    /// The sum of the `slots` slots that end with `slot`, at most all of the ring.
    pub(crate) fn sum(&self, slot: u64, slots: u64) -> Counts {
        let mut sum = Counts::default();
        for slot in last(slot, slots, N) {
            let word = self.0[(slot % N as u64) as usize].load(Ordering::Relaxed);
            if word & FIELD == stamp(slot) {
                sum.calls += (word >> 16 & FIELD) as u32;
                sum.failures += (word >> 32 & FIELD) as u32;
                sum.slow += (word >> 48) as u32;
            }
        }
        sum
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

/// Numbers of slots in 16 bits; never 0, the number of a bucket that was never written.
fn stamp(slot: u64) -> u64 {
    slot % FIELD + 1
}

const SUM_BITS: u32 = 34;
const COUNT_BITS: u32 = 18;
const SUM: u64 = (1 << SUM_BITS) - 1;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const LOG_STAMPS: u64 = (1 << 12) - 1;
/// Steps of a logarithm between two powers of two.
const STEPS: f64 = 256.0;

/// The mean logarithm of durations in `N` slots: a centre that one very long answer does not move, as it would move a
/// mean, and that many workers can sum up, as they cannot a median. A word holds 12 bits of slot, 18 of count, 34 of sum.
#[derive(Debug)]
pub(crate) struct Logs<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Logs<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Logs<N> {
    /// Takes in one duration in nanoseconds. One compare-and-swap, about 5 ns where nobody contends.
    pub(crate) fn add(&self, slot: u64, nanos: u64) {
        let log = log2_steps(nanos);
        update(&self.0[(slot % N as u64) as usize], |word| {
            let is_current = word >> (COUNT_BITS + SUM_BITS) == log_stamp(slot);
            let (count, sum) = if is_current { (word >> SUM_BITS & COUNT, word & SUM) } else { (0, 0) };
            let (count, sum) = if count == COUNT { (count / 2, sum / 2) } else { (count, sum) };
            log_stamp(slot) << (COUNT_BITS + SUM_BITS) | (count + 1) << SUM_BITS | (sum + log)
        });
    }

    /// How many durations there were in the `slots` slots that end with `slot`, and their mean binary logarithm.
    pub(crate) fn mean(&self, slot: u64, slots: u64) -> (u32, f64) {
        let (mut count, mut sum) = (0, 0);
        for slot in last(slot, slots, N) {
            let word = self.0[(slot % N as u64) as usize].load(Ordering::Relaxed);
            if word >> (COUNT_BITS + SUM_BITS) == log_stamp(slot) {
                count += (word >> SUM_BITS & COUNT) as u32;
                sum += word & SUM;
            }
        }
        (count, sum as f64 / STEPS / f64::from(count.max(1)))
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

fn log_stamp(slot: u64) -> u64 {
    slot % LOG_STAMPS + 1
}

/// The binary logarithm in [`STEPS`], by the bits of the number: between two powers of two it is a straight line, at most
/// 0.09 from the curve and everywhere rising, which comparing needs.
fn log2_steps(nanos: u64) -> u64 {
    let nanos = nanos.max(1);
    let power = u64::from(nanos.ilog2());
    let below = if power >= 8 { nanos >> (power - 8) } else { nanos << (8 - power) };
    power << 8 | below & 0xff
}

fn last(slot: u64, slots: u64, ring: usize) -> std::ops::RangeInclusive<u64> {
    let slots = slots.clamp(1, ring as u64);
    slot.saturating_sub(slots - 1)..=slot
}

fn update(word: &AtomicU64, next: impl Fn(u64) -> u64) {
    let mut seen = word.load(Ordering::Relaxed);
    while let Err(newer) = word.compare_exchange_weak(seen, next(seen), Ordering::Relaxed, Ordering::Relaxed)
    {
        seen = newer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_slots_count() {
        let tally = Tally::<4>::default();
        for slot in 0..10 {
            tally.add(slot, slot == 9, slot >= 8);
        }

        assert_eq!(tally.sum(9, 4), Counts { calls: 4, failures: 1, slow: 2 });
        assert_eq!(tally.sum(9, 2), Counts { calls: 2, failures: 1, slow: 2 });
        assert_eq!(tally.sum(12, 4), Counts { calls: 1, failures: 1, slow: 1 });
        assert_eq!(tally.sum(13, 4), Counts::default());
        tally.clear();
        assert_eq!(tally.sum(9, 4), Counts::default());
    }

    #[test]
    fn a_full_bucket_keeps_its_shares() {
        let tally = Tally::<2>::default();
        (0..200_000).for_each(|n| tally.add(1, n % 4 == 0, n % 2 == 0));

        let sum = tally.sum(1, 1);
        assert!(
            (sum.failure_share() - 0.25).abs() < 0.001 && (sum.slow_share() - 0.5).abs() < 0.001,
            "{sum:?}"
        );
    }

    #[test]
    fn many_writers_lose_nothing() {
        let tally = Tally::<4>::default();
        let logs = Logs::<4>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..4_000 {
                        tally.add(n / 1_000, n % 2 == 0, false);
                        logs.add(n / 1_000, 1 << 20);
                    }
                });
            }
        });

        // Writers that lag behind the ring may begin an old slot anew; within one turn of it nothing is lost.
        assert_eq!(tally.sum(3, 4), Counts { calls: 16_000, failures: 8_000, slow: 0 });
        assert_eq!(logs.mean(3, 4), (16_000, 20.0));
    }

    #[test]
    fn logarithms_rise_and_are_close() {
        let mut before = 0;
        for nanos in (1..2_000).chain((10..50).map(|power| 3 << power)) {
            let steps = log2_steps(nanos);
            assert!(steps >= before);
            before = steps;
            assert!((steps as f64 / STEPS - (nanos as f64).log2()).abs() < 0.1, "{nanos}");
        }
        assert_eq!((log2_steps(0), log2_steps(u64::MAX) >> 8), (0, 63));
    }
}

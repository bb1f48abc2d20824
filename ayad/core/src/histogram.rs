//! Latency histograms with fixed log-linear buckets over microseconds: exact below 32 µs, then 32 buckets for
//! every doubling, up to 2³² µs (71 minutes). A value read back is off by at most 1/32 (3.2 %).
//!
//! [`Histogram`] is written by one worker on the hot path and read by anybody; [`Counts`] adds up what was
//! read, over workers, backends and time windows. Buckets never change, so merging is adding.
//!
//! What it deliberately does not do: remember time. A reader that wants the last minute samples with
//! [`delta`] and keeps the differences, which are few because most buckets do not move.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
const TOP_BITS: u32 = 32;

/// Number of buckets: 32 exact ones and 32 for each of 27 doublings.
pub const BUCKETS: usize = SUB + (TOP_BITS - SUB_BITS) as usize * SUB;

/// The bucket that a value in µs falls in; values of 2³² µs and more fall in the last.
pub fn bucket_of(micros: u64) -> usize {
    let micros = micros.min((1 << TOP_BITS) - 1);
    if micros < SUB as u64 {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB_BITS;
    let sub = (micros >> shift) as usize & (SUB - 1);
    SUB + shift as usize * SUB + sub
}

/// The values of a bucket in µs: from (included), to (excluded). An index past the end reads as the last.
pub fn bounds(index: usize) -> (u64, u64) {
    let index = index.min(BUCKETS - 1);
    if index < SUB {
        return (index as u64, index as u64 + 1);
    }
    let shift = index / SUB - 1;
    let from = ((SUB + index % SUB) as u64) << shift;
    (from, from + (1 << shift))
}

/// Counts of one writer; about 3.5 KiB.
///
/// There is one writer for each instance, so that counting is a load and a store without a locked
/// instruction. Counters wrap; readers take differences (see [`delta`]).
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU32]>,
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Self { buckets, sum_us: AtomicU64::new(0), max_us: AtomicU64::new(0) }
    }

    /// Counts one value in µs. Only one thread may call this; another writer would lose counts.
    pub fn record(&self, micros: u64) {
        let bucket = &self.buckets[bucket_of(micros)];
        bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.sum_us.store(self.sum_us.load(Ordering::Relaxed).wrapping_add(micros), Ordering::Relaxed);
        if micros > self.max_us.load(Ordering::Relaxed) {
            self.max_us.store(micros, Ordering::Relaxed);
        }
    }

    /// The buckets that hold something: index and count, in ascending order.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let counts = self.buckets.iter().map(|b| b.load(Ordering::Relaxed));
        counts.enumerate().filter(|&(_, n)| n != 0)
    }

    /// Sum of all values in µs.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }

    /// Largest value ever in µs; 0 before the first.
    pub fn max_us(&self) -> u64 {
        self.max_us.load(Ordering::Relaxed)
    }
}

/// Appends to `out` how much each bucket grew since `prev`, and makes `prev` the counts of now. `prev` starts
/// as [`BUCKETS`] zeros; buckets beyond its length are left out.
pub fn delta(prev: &mut [u32], now: &Histogram, out: &mut Vec<(u16, u32)>) {
    for (index, (prev, bucket)) in prev.iter_mut().zip(&now.buckets).enumerate() {
        let count = bucket.load(Ordering::Relaxed);
        let grown = count.wrapping_sub(*prev);
        if grown != 0 {
            out.push((index as u16, grown));
            *prev = count;
        }
    }
}

/// Plain counts for adding up and asking quantiles of; 7 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    buckets: Box<[u64]>,
    total: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}

impl Counts {
    /// No counts.
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), total: 0 }
    }

    /// Adds `n` values to a bucket; an index past the end counts as the last bucket.
    pub fn add(&mut self, index: usize, n: u64) {
        self.buckets[index.min(BUCKETS - 1)] += n;
        self.total += n;
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        self.total = 0;
    }

    /// Number of values.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The buckets that hold something: index and count, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.buckets.iter().copied().enumerate().filter(|&(_, n)| n != 0)
    }

    /// The value in µs that a share `q` (0 to 1) of all values does not exceed; `None` without values. Within
    /// a bucket values are taken as evenly spread, and the answer is the upper edge of the one that is asked.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let q = if q.is_finite() { q.clamp(0.0, 1.0) } else { return None };
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut below = 0;
        for (index, count) in self.iter() {
            if below + count >= rank {
                let (from, to) = bounds(index);
                let inside = (rank - below) as f64 / count as f64;
                // The last value of a bucket is one less than its excluded edge.
                return Some(from + ((to - 1 - from) as f64 * inside).round() as u64);
            }
            below += count;
        }
        None
    }

    /// Upper edge in µs of the highest bucket that holds something; `None` without values.
    pub fn max(&self) -> Option<u64> {
        self.buckets.iter().rposition(|&n| n != 0).map(|index| bounds(index).1 - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let mut next = 0;
        for index in 0..BUCKETS {
            let (from, to) = bounds(index);
            assert_eq!(from, next);
            assert_eq!((bucket_of(from), bucket_of(to - 1)), (index, index));
            next = to;
        }
        assert_eq!((BUCKETS, next), (896, 1 << 32));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn delta_sees_only_what_is_new_even_across_a_wrap() {
        let histogram = Histogram::new();
        let mut prev = vec![0; BUCKETS];
        let mut out = Vec::new();
        histogram.buckets[3].store(u32::MAX, Ordering::Relaxed);
        delta(&mut prev, &histogram, &mut out);
        out.clear();

        histogram.record(3);
        histogram.record(3);
        histogram.record(1000);
        delta(&mut prev, &histogram, &mut out);

        assert_eq!(out, [(3, 2), (bucket_of(1000) as u16, 1)]);
        out.clear();
        delta(&mut prev, &histogram, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn an_empty_set_has_no_quantiles() {
        assert_eq!((Counts::new().quantile(0.5), Counts::new().max()), (None, None));
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_stated_error(
            mut values in prop::collection::vec(0_u64..10_000_000, 1..300),
            q in 0.0_f64..=1.0,
        ) {
            let histogram = Histogram::new();
            for &value in &values {
                histogram.record(value);
            }
            let mut counts = Counts::new();
            for (index, n) in histogram.counts() {
                counts.add(index, n.into());
            }
            values.sort_unstable();

            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64;
            let read = counts.quantile(q).unwrap() as f64;
            prop_assert!((read - exact).abs() <= exact / 32.0, "exact {exact}, read {read}");
            prop_assert_eq!(counts.total(), values.len() as u64);
            prop_assert_eq!(histogram.sum_us(), values.iter().sum::<u64>());
            prop_assert_eq!(histogram.max_us(), values[values.len() - 1]);
        }
    }
}

//! Counts of latencies, as reports carry them: sparse, so that an empty second costs nothing, and exact to add.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parts of each doubling of the latency, in the histograms of single steps: a value is off by less than 0.8 %.
const PARTS: u64 = 128;

/// How many requests took how long: pairs of nanoseconds and a count, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Hist(Vec<(u64, u64)>);

impl Hist {
    /// A histogram of pairs in any order; pairs of the same value are added.
    pub fn of(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut pairs: Vec<(u64, u64)> = pairs.into_iter().filter(|(_, count)| *count > 0).collect();
        pairs.sort_unstable();
        pairs.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            if is_same {
                first.1 = first.1.saturating_add(later.1);
            }
            is_same
        });
        Self(pairs)
    }

    /// The same counts with values rounded up to the bounds of coarser classes.
    #[must_use]
    pub fn coarse(&self) -> Self {
        Self::of(self.0.iter().map(|(value, count)| (bound(*value), *count)))
    }

    /// Values in nanoseconds with their counts, ascending.
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the counts of another one.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        *self = Self::of(std::mem::take(&mut self.0).into_iter().chain(other.0.iter().copied()));
    }

    /// What is left without the counts of another one, which are among these.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let left = |(value, count): &(u64, u64)| {
            let place = other.0.binary_search_by_key(value, |pair| pair.0);
            (*value, count.saturating_sub(place.map_or(0, |place| other.0[place].1)))
        };
        Self::of(self.0.iter().map(left))
    }

    /// All of `hists` together.
    pub fn sum<'h>(hists: impl IntoIterator<Item = &'h Self>) -> Self {
        Self::of(hists.into_iter().flat_map(|hist| hist.0.iter().copied()))
    }

    /// The latency that `percent` of all did not exceed, in nanoseconds; `None` when there is none.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let wanted = ((percent / 100.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        let reached = self.0.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= wanted
        });
        reached.or(self.0.last()).map(|(value, _)| *value)
    }

    /// The same in milliseconds.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        self.percentile(percent).map(ms)
    }

    /// The mean in milliseconds.
    pub fn mean_ms(&self) -> Option<f64> {
        let sum: f64 = self.0.iter().map(|(value, count)| *value as f64 * *count as f64).sum();
        let count = self.count();
        (count > 0).then(|| sum / count as f64 / 1e6)
    }

    /// The greatest one in milliseconds.
    pub fn max_ms(&self) -> Option<f64> {
        self.0.last().map(|(value, _)| ms(*value))
    }
}

fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// The upper bound of the class of a value.
pub(crate) fn bound(value: u64) -> u64 {
    if value < PARTS {
        return value;
    }
    let width = 1_u64 << (value.ilog2() - PARTS.trailing_zeros());
    value.div_ceil(width).saturating_mul(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_of_a_sum_are_those_of_all_values(a in prop::collection::vec(0_u64..5_000_000, 0..60),
                                                        b in prop::collection::vec(0_u64..5_000_000, 1..60),
                                                        percent in 0.0_f64..100.0) {
            let hist = |values: &[u64]| Hist::of(values.iter().map(|value| (*value, 1)));
            let mut sum = hist(&a);
            sum.add(&hist(&b));
            let mut all: Vec<u64> = a.iter().chain(&b).copied().collect();
            all.sort_unstable();
            let rank = ((percent / 100.0 * all.len() as f64).ceil() as usize).clamp(1, all.len());
            prop_assert_eq!(sum.percentile(percent), Some(all[rank - 1]));
            prop_assert_eq!(sum.count(), all.len() as u64);
            prop_assert_eq!(sum.clone(), Hist::sum([&hist(&b), &hist(&a)]));
            prop_assert_eq!(sum.without(&hist(&b)), hist(&a));
            let coarse = sum.coarse();
            prop_assert_eq!(coarse.count(), sum.count());
            let (is, was) = (coarse.percentile(percent).unwrap() as f64, all[rank - 1] as f64);
            prop_assert!(is >= was && is <= was * 1.008 + 1.0, "{} {}", is, was);
        }

        #[test]
        fn every_value_has_a_class(value: u64) {
            prop_assert!(bound(value) >= value);
            prop_assert_eq!(bound(bound(value)), bound(value));
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Hist::default().percentile(99.0), None);
        assert_eq!(Hist::default().mean_ms(), None);
    }
}

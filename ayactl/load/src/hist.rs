//! How often which duration was seen: an HDR histogram of microseconds that is small on the wire and can be merged.

use std::cmp::Ordering;

use hdrhistogram::Histogram;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest duration that is told apart from longer ones, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Significant digits: values are at most 0.05 % off.
const DIGITS: u8 = 3;

/// Durations in microseconds. On the wire a list of pairs of microseconds and count, in rising order.
#[derive(Clone, Debug, Default)]
pub struct Hist {
    inner: Inner,
}

/// Where the counts are.
#[derive(Clone, Debug, Default)]
enum Inner {
    /// Nothing was seen.
    #[default]
    Empty,
    /// While more is seen.
    Open(Box<Histogram<u64>>),
    /// Once no more is seen: pairs of value and count, rising. A hundred times smaller.
    Packed(Vec<(u64, u64)>),
}

impl Hist {
    /// Takes note of one duration; longer than an hour counts as an hour.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.record_n(us, 1);
    }

    /// Takes note of `count` durations of `us` microseconds.
    pub fn record_n(&mut self, us: u64, count: u64) {
        record(self.open(), us, count);
    }

    /// Adds what another one saw. Costs as much as both have different durations where both are packed, and stays packed.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.inner, &other.inner) {
            (_, Inner::Empty) => {}
            (Inner::Empty, Inner::Packed(_)) => self.inner = other.inner.clone(),
            (Inner::Packed(own), Inner::Packed(others)) => *own = merged(own, others),
            (_, Inner::Packed(others)) => {
                let open = self.open();
                for (us, count) in others {
                    record(open, *us, *count);
                }
            }
            (_, Inner::Open(others)) => {
                let others = pairs(others);
                let open = self.open();
                for (us, count) in others {
                    record(open, us, count);
                }
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        match &self.inner {
            Inner::Empty => 0,
            Inner::Open(open) => open.len(),
            Inner::Packed(pairs) => pairs.iter().map(|(_, count)| count).sum(),
        }
    }

    /// The duration that `percentile` percent are not above, in microseconds; `None` when nothing was seen.
    pub fn percentile_us(&self, percentile: f64) -> Option<u64> {
        let quantile = (percentile / 100.0).clamp(0.0, 1.0);
        match &self.inner {
            Inner::Empty => None,
            Inner::Open(open) => (!open.is_empty()).then(|| open.value_at_quantile(quantile)),
            Inner::Packed(pairs) => {
                let rank = ((quantile * self.count() as f64).ceil() as u64).max(1);
                let mut seen = 0;
                let found = pairs.iter().find(|(_, count)| {
                    seen += count;
                    seen >= rank
                });
                found.or(pairs.last()).map(|(us, _)| *us)
            }
        }
    }

    /// The same in milliseconds.
    pub fn percentile_ms(&self, percentile: f64) -> Option<f64> {
        self.percentile_us(percentile).map(|us| us as f64 / 1e3)
    }

    /// How many were longer than `ms` milliseconds, as far as they are told apart.
    pub fn count_over(&self, ms: f64) -> u64 {
        self.pairs().into_iter().filter(|(us, _)| *us as f64 > ms * 1e3).map(|(_, count)| count).sum()
    }

    /// The mean in milliseconds; `None` when nothing was seen.
    pub fn mean_ms(&self) -> Option<f64> {
        let (sum, count) = self
            .pairs()
            .into_iter()
            .fold((0.0, 0), |(sum, all), (us, count)| (sum + us as f64 * count as f64, all + count));
        (count > 0).then(|| sum / count as f64 / 1e3)
    }

    /// The longest in milliseconds; `None` when nothing was seen.
    pub fn max_ms(&self) -> Option<f64> {
        self.percentile_ms(100.0)
    }

    /// Each duration that was seen, in microseconds and rising, with its count.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        match &self.inner {
            Inner::Empty => Vec::new(),
            Inner::Open(open) => pairs(open),
            Inner::Packed(pairs) => pairs.clone(),
        }
    }

    /// Takes less room from now on, until more is seen.
    pub fn pack(&mut self) {
        if let Inner::Open(_) = self.inner {
            self.inner = Inner::Packed(self.pairs());
        }
    }

    /// What was seen so far, packed, and from now on nothing: what is counted in stays allocated, for fresh memory is the
    /// dearest part of counting.
    #[must_use]
    pub fn take_packed(&mut self) -> Self {
        match &mut self.inner {
            Inner::Open(open) if open.is_empty() => Self::default(),
            Inner::Open(open) => {
                let packed = Inner::Packed(pairs(open));
                open.reset();
                Self { inner: packed }
            }
            Inner::Empty | Inner::Packed(_) => std::mem::take(self),
        }
    }

    /// The same, ready for more: adding to it takes no memory from now on, unless longer durations are seen.
    #[must_use]
    pub fn opened(mut self) -> Self {
        self.open();
        self
    }

    /// The same, packed.
    #[must_use]
    pub fn packed(mut self) -> Self {
        self.pack();
        self
    }

    fn open(&mut self) -> &mut Histogram<u64> {
        if !matches!(self.inner, Inner::Open(_)) {
            // It grows with what is seen: one that is ready for an hour has a hundred times the memory that most need.
            let mut open = Histogram::new(DIGITS).expect("the number of digits is a constant");
            open.auto(true);
            self.pairs().into_iter().for_each(|(us, count)| record(&mut open, us, count));
            self.inner = Inner::Open(Box::new(open));
        }
        match &mut self.inner {
            Inner::Open(open) => open,
            Inner::Empty | Inner::Packed(_) => unreachable!("it was opened above"),
        }
    }
}

#[inline]
fn record(open: &mut Histogram<u64>, us: u64, count: u64) {
    open.record_n(us.clamp(1, LONGEST_US), count)
        .expect("it grows with what is seen, and an hour is not too long");
}

fn pairs(open: &Histogram<u64>) -> Vec<(u64, u64)> {
    open.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
}

/// Two rising lists of values and counts as one.
fn merged(one: &[(u64, u64)], two: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut all = Vec::with_capacity(one.len() + two.len());
    let (mut one, mut two) = (one.iter().copied().peekable(), two.iter().copied().peekable());
    while let (Some(first), Some(second)) = (one.peek(), two.peek()) {
        match first.0.cmp(&second.0) {
            Ordering::Less => all.extend(one.next()),
            Ordering::Greater => all.extend(two.next()),
            Ordering::Equal => {
                all.push((first.0, first.1 + second.1));
                one.next();
                two.next();
            }
        }
    }
    all.extend(one);
    all.extend(two);
    all
}

impl PartialEq for Hist {
    fn eq(&self, other: &Self) -> bool {
        self.pairs() == other.pairs()
    }
}

impl FromIterator<(u64, u64)> for Hist {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Self {
        let mut hist = Self::default();
        for (us, count) in pairs {
            hist.record_n(us, count);
        }
        hist
    }
}

impl Serialize for Hist {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.pairs())
    }
}

impl<'de> Deserialize<'de> for Hist {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u64, u64)>::deserialize(from)?;
        if pairs.iter().any(|(us, _)| *us > LONGEST_US) {
            return Err(D::Error::custom("a duration of over an hour in a histogram"));
        }
        let mut hist: Self = pairs.into_iter().collect();
        hist.pack();
        Ok(hist)
    }
}

impl JsonSchema for Hist {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hist".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<(u64, u64)>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_counting_together() {
        let mut one: Hist = [(1_000, 98), (50_000, 1)].into_iter().collect();
        let two: Hist = [(900_000, 1)].into_iter().collect();
        one.merge(&two);
        assert_eq!(one.count(), 100);
        assert_eq!(one.percentile_us(50.0), Some(1_000));
        assert!(one.percentile_ms(100.0).is_some_and(|ms| (899.0..901.0).contains(&ms)));
    }

    #[test]
    fn packed_ones_are_merged_as_open_ones_are() {
        let mut one: Hist = [(3, 1), (70_000, 2), (5_000_000, 1)].into_iter().collect();
        let two: Hist = [(1, 4), (70_001, 3), (9_000_000_000, 1)].into_iter().collect();
        let (mut packed, mut other) = (one.clone(), two.clone());
        packed.pack();
        other.pack();
        one.merge(&two);
        packed.merge(&other);
        assert_eq!(packed, one);
        assert_eq!(packed.count(), 12);
        assert_eq!(one.pairs()[2].1, 5, "{:?}", one.pairs());
    }

    #[test]
    fn what_was_taken_is_not_there_any_more() {
        let all: Hist = [(3, 1), (70_000, 2)].into_iter().collect();
        let mut hist = all.clone();
        assert_eq!(hist.take_packed(), all);
        assert_eq!((hist.count(), hist.take_packed().count()), (0, 0));
        assert_eq!((hist.percentile_us(50.0), hist.mean_ms(), hist.pairs().len()), (None, None, 0));
        hist.record(5);
        assert_eq!(hist.take_packed().opened(), [(5, 1)].into_iter().collect());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let hist: Hist = [(3, 5), (1_234_567, 2)].into_iter().collect();
        let text = serde_json::to_string(&hist).expect("it is numbers");
        let back: Hist = serde_json::from_str(&text).expect(&text);
        assert_eq!(back, hist);
        assert_eq!(Hist::default().percentile_us(99.0), None);
    }
}

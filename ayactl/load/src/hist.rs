//! How often which duration was seen: an HDR histogram of microseconds that is small on the wire and can be merged.

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
        self.open().saturating_record_n(us.clamp(1, LONGEST_US), count);
    }

    /// Adds what another one saw.
    pub fn merge(&mut self, other: &Self) {
        if let (Inner::Empty, Inner::Packed(_)) = (&self.inner, &other.inner) {
            self.inner = other.inner.clone();
            return;
        }
        for (us, count) in other.pairs() {
            self.record_n(us, count);
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
            Inner::Open(open) => {
                open.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
            }
            Inner::Packed(pairs) => pairs.clone(),
        }
    }

    /// Takes less room from now on, until more is seen.
    pub fn pack(&mut self) {
        if let Inner::Open(_) = self.inner {
            self.inner = Inner::Packed(self.pairs());
        }
    }

    fn open(&mut self) -> &mut Histogram<u64> {
        if !matches!(self.inner, Inner::Open(_)) {
            let mut open =
                Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are constants");
            for (us, count) in self.pairs() {
                open.saturating_record_n(us, count);
            }
            self.inner = Inner::Open(Box::new(open));
        }
        match &mut self.inner {
            Inner::Open(open) => open,
            Inner::Empty | Inner::Packed(_) => unreachable!("it was opened above"),
        }
    }
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
    fn what_is_written_is_what_is_read() {
        let hist: Hist = [(3, 5), (1_234_567, 2)].into_iter().collect();
        let text = serde_json::to_string(&hist).expect("it is numbers");
        let back: Hist = serde_json::from_str(&text).expect(&text);
        assert_eq!(back, hist);
        assert_eq!(Hist::default().percentile_us(99.0), None);
    }
}

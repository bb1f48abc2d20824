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
    /// Takes room only once something was seen.
    inner: Option<Box<Histogram<u64>>>,
}

impl Hist {
    /// Takes note of one duration; longer than an hour counts as an hour.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.record_n(us, 1);
    }

    /// Takes note of `count` durations of `us` microseconds.
    pub fn record_n(&mut self, us: u64, count: u64) {
        self.get().saturating_record_n(us.clamp(1, LONGEST_US), count);
    }

    /// Adds what another one saw.
    pub fn merge(&mut self, other: &Self) {
        if let Some(other) = &other.inner {
            for value in other.iter_recorded() {
                self.record_n(value.value_iterated_to(), value.count_at_value());
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.inner.as_ref().map_or(0, |inner| inner.len())
    }

    /// The duration that `percentile` percent are not above, in microseconds; `None` when nothing was seen.
    pub fn percentile_us(&self, percentile: f64) -> Option<u64> {
        let inner = self.inner.as_ref().filter(|inner| !inner.is_empty())?;
        Some(inner.value_at_quantile((percentile / 100.0).clamp(0.0, 1.0)))
    }

    /// The same in milliseconds.
    pub fn percentile_ms(&self, percentile: f64) -> Option<f64> {
        self.percentile_us(percentile).map(|us| us as f64 / 1e3)
    }

    /// The mean in milliseconds; `None` when nothing was seen.
    pub fn mean_ms(&self) -> Option<f64> {
        self.inner.as_ref().filter(|inner| !inner.is_empty()).map(|inner| inner.mean() / 1e3)
    }

    /// The longest in milliseconds; `None` when nothing was seen.
    pub fn max_ms(&self) -> Option<f64> {
        self.inner.as_ref().filter(|inner| !inner.is_empty()).map(|inner| inner.max() as f64 / 1e3)
    }

    /// Each duration that was seen, in microseconds and rising, with its count.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        let inner = self.inner.iter();
        inner
            .flat_map(|inner| inner.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())))
            .collect()
    }

    /// Forgets everything; the room stays.
    pub fn clear(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.reset();
        }
    }

    fn get(&mut self) -> &mut Histogram<u64> {
        self.inner.get_or_insert_with(|| {
            Box::new(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are constants"))
        })
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
        Ok(pairs.into_iter().collect())
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

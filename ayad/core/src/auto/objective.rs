//! What an arm is judged by, and the latencies it is taken from.

use std::time::Duration;

/// Buckets for each doubling of a latency: each is 4.4 % wide.
const PER_OCTAVE: f64 = 16.0;
/// The least latency that is told apart, in seconds; the largest is 2²² times that, seven minutes.
const LEAST: f64 = 100e-6;
/// Buckets of a [`Spread`].
const BUCKETS: usize = 22 * 16;
/// A failure counts as at least this slow, in seconds: whoever got it has to ask again, at the earliest.
const FAILED: f64 = 5.0;
/// Failures that are counted although none was seen, so that none and one of a thousand can be compared.
const PRIOR_FAILURES: f64 = 0.001;

/// What is to be as low as possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Objective {
    /// The latency that 99 of 100 requests stay below; failures count as slow.
    #[default]
    P99,
    /// The mean latency; failures count as slow.
    Mean,
    /// The share of requests that fail.
    Errors,
}

impl Objective {
    /// Every objective.
    pub const ALL: [Self; 3] = [Self::P99, Self::Mean, Self::Errors];

    /// The one spelling of this value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Errors => "errors",
        }
    }
}

/// How latencies are spread, failures counted as slow. Counts are fractions: what is old fades.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    /// Empty until the first latency.
    buckets: Vec<f32>,
    count: f64,
    sum: f64,
    failures: f64,
}

impl Spread {
    /// Takes one result in.
    pub(super) fn add(&mut self, took: Duration, ok: bool) {
        let seconds = if ok { took.as_secs_f64() } else { took.as_secs_f64().max(FAILED) };
        self.buckets.resize(BUCKETS, 0.0);
        self.buckets[bucket_of(seconds)] += 1.0;
        self.count += 1.0;
        self.sum += seconds;
        self.failures += f64::from(u8::from(!ok));
    }

    /// Takes in what another holds, so that all of it counts as `weight` results.
    pub(super) fn add_all(&mut self, other: &Self, weight: f64) {
        if other.count <= 0.0 {
            return;
        }
        let factor = weight / other.count;
        self.buckets.resize(BUCKETS, 0.0);
        for (own, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += more * factor as f32;
        }
        self.count += weight;
        self.sum += other.sum * factor;
        self.failures += other.failures * factor;
    }

    /// Half of it is forgotten.
    pub(super) fn fade(&mut self) {
        self.buckets.iter_mut().for_each(|n| *n /= 2.0);
        self.count /= 2.0;
        self.sum /= 2.0;
        self.failures /= 2.0;
    }

    /// How many results it holds.
    pub(super) fn count(&self) -> f64 {
        self.count
    }

    /// The objective: seconds, or a share. `None` of nothing. Always over zero.
    pub(super) fn value(&self, objective: Objective) -> Option<f64> {
        (self.count > 0.0).then(|| match objective {
            Objective::P99 => self.quantile(0.99),
            Objective::Mean => (self.sum / self.count).max(LEAST),
            Objective::Errors => self.failures / self.count + PRIOR_FAILURES,
        })
    }

    /// Between the bounds of its bucket, by how deep in it the quantile lies.
    fn quantile(&self, q: f64) -> f64 {
        let mut left = q * self.buckets.iter().map(|n| f64::from(*n)).sum::<f64>();
        for (index, count) in self.buckets.iter().enumerate() {
            let count = f64::from(*count);
            if count > 0.0 && left <= count {
                return LEAST * ((index as f64 + left / count) / PER_OCTAVE).exp2();
            }
            left -= count;
        }
        LEAST * (BUCKETS as f64 / PER_OCTAVE).exp2()
    }
}

fn bucket_of(seconds: f64) -> usize {
    (((seconds / LEAST).max(1.0).log2() * PER_OCTAVE) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_means_are_within_a_bucket() {
        let mut spread = Spread::default();
        (1..=1000).for_each(|ms| spread.add(Duration::from_millis(ms), true));

        let p99 = spread.value(Objective::P99).unwrap();
        assert!((0.95..1.03).contains(&p99), "{p99}");
        assert!((spread.value(Objective::Mean).unwrap() - 0.5005).abs() < 1e-9);
        assert!(Spread::default().value(Objective::Mean).is_none());
    }

    #[test]
    fn failures_count_as_slow_however_fast_they_were() {
        let mut spread = Spread::default();
        (0..95).for_each(|_| spread.add(Duration::from_millis(1), true));
        (0..5).for_each(|_| spread.add(Duration::from_micros(1), false));

        assert!(spread.value(Objective::P99).unwrap() > 4.0);
        assert!(spread.value(Objective::Mean).unwrap() > 0.2);
        assert!((spread.value(Objective::Errors).unwrap() - 0.051).abs() < 1e-9);
    }

    #[test]
    fn extreme_latencies_stay_in_the_table() {
        let mut spread = Spread::default();
        spread.add(Duration::ZERO, true);
        spread.add(Duration::MAX, true);
        assert!(spread.value(Objective::P99).unwrap().is_finite());
    }
}

//! Metrics for Prometheus: a picture of the cells, taken when somebody asks.
//!
//! Nothing is counted twice: the same cells feed the control API, so a dashboard and a graph agree.

pub mod names;

use std::fmt;
use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use self::names::{Kind, Metric};

/// Labels of one sample.
pub type Labels = Vec<(&'static str, String)>;

/// Upper edges of the latency buckets, in seconds.
const EDGES: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The value of one sample.
#[derive(Clone, Debug)]
pub enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a gauge.
    Level(f64),
    /// Of a histogram.
    Distribution {
        /// Sum of all values in seconds.
        sum: f64,
        /// Values up to each edge, not cumulative; the last one has no edge.
        buckets: Vec<(f64, u64)>,
    },
}

/// One picture of all metrics.
#[derive(Debug, Default)]
pub struct Picture {
    families: Vec<(Metric, Vec<(Labels, Value)>)>,
}

impl Picture {
    /// Adds a sample.
    pub fn add(&mut self, metric: Metric, labels: Labels, value: Value) {
        match self.families.iter_mut().find(|(m, _)| *m == metric) {
            Some((_, samples)) => samples.push((labels, value)),
            None => self.families.push((metric, vec![(labels, value)])),
        }
    }

    /// The text format.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Pictured(Mutex::new(self))));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// Puts latencies, given as (lower edge in µs, upper edge in µs, count), into the buckets of the format.
pub fn distribution(latencies: impl Iterator<Item = (u64, u64, u64)>, sum_us: u64) -> Value {
    let mut buckets: Vec<(f64, u64)> = EDGES.iter().map(|edge| (*edge, 0)).collect();
    buckets.push((f64::INFINITY, 0));
    for (_, to_us, count) in latencies {
        // A fine bucket belongs where its slowest value does, so that no quantile is flattered.
        let slowest = to_us as f64 / 1e6;
        if let Some(bucket) = buckets.iter_mut().find(|(edge, _)| slowest <= *edge) {
            bucket.1 += count;
        }
    }
    Value::Distribution { sum: sum_us as f64 / 1e6, buckets }
}

/// A collector is asked through a shared reference.
#[derive(Debug)]
struct Pictured(Mutex<Picture>);

impl Collector for Pictured {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let picture = self.0.lock().map_err(|_| fmt::Error)?;
        for (metric, samples) in &picture.families {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            if let [(labels, value)] = samples.as_slice()
                && labels.is_empty()
            {
                value.encode(family)?;
                continue;
            }
            for (labels, value) in samples {
                value.encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

impl EncodeMetric for Value {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        type NoExemplar = Vec<(String, String)>;
        match self {
            Self::Count(count) => encoder.encode_counter::<NoExemplar, _, u64>(count, None),
            Self::Level(level) => encoder.encode_gauge(level),
            Self::Distribution { sum, buckets } => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoExemplar>(*sum, count, buckets, None)
            }
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Self::Count(_) => MetricType::Counter,
            Self::Level(_) => MetricType::Gauge,
            Self::Distribution { .. } => MetricType::Histogram,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_unit_labels_and_cumulative_buckets() {
        let mut picture = Picture::default();
        picture.add(names::RESPONSES, vec![("class", "2xx".into())], Value::Count(3));
        picture.add(names::BACKEND_WEIGHT, vec![("backend", "a\"b".into())], Value::Level(2.0));
        let latencies = [(900, 1000, 2), (4000, 4100, 1), (90_000_000, 91_000_000, 1)];
        picture.add(names::BACKEND_LATENCY, vec![], distribution(latencies.into_iter(), 95_000_000));

        let text = picture.text().unwrap();

        assert!(text.contains("ayad_responses_total{class=\"2xx\"} 3\n"), "{text}");
        assert!(text.contains("ayad_backend_weight{backend=\"a\\\"b\"} 2"), "{text}");
        assert!(text.contains("ayad_backend_latency_seconds_bucket{le=\"0.001\"} 2\n"), "{text}");
        assert!(text.contains("ayad_backend_latency_seconds_bucket{le=\"0.005\"} 3\n"), "{text}");
        assert!(text.contains("ayad_backend_latency_seconds_bucket{le=\"+Inf\"} 4\n"), "{text}");
        assert!(text.contains("ayad_backend_latency_seconds_count 4\n"), "{text}");
    }
}

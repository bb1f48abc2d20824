//! `scrape`: which metric of a page is which signal, by itself or as a preset says.

use std::time::Duration;

use aya_core::exposition::{Over, Selector};
use aya_core::signal::Signal;

use super::super::super::At;
use super::Checker;
use crate::config::raw::format::Target;
use crate::config::raw::signals as raw;
use crate::config::signals::{Metric, Scrape};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);

/// One metric of a preset: signal, metric, how series become one, scale.
type Known = (Signal, &'static str, Over, f64);

/// vLLM's own page; `gpu_cache_usage_perc` is what versions before `kv_cache_usage_perc` called the same (a share,
/// whatever the name says).
const VLLM: &[Known] = &[
    (Signal::InFlight, "vllm:num_requests_running", Over::Sum, 1.0),
    (Signal::Queue, "vllm:num_requests_waiting", Over::Sum, 1.0),
    (Signal::Utilization, "vllm:kv_cache_usage_perc", Over::Max, 1.0),
    (Signal::Utilization, "vllm:gpu_cache_usage_perc", Over::Max, 1.0),
];
/// Triton's page; use is a share from 0 to 1, pending requests are per model.
const TRITON: &[Known] = &[
    (Signal::Queue, "nv_inference_pending_request_count", Over::Sum, 1.0),
    (Signal::Gpu, "nv_gpu_utilization", Over::Mean, 1.0),
    (Signal::Cpu, "nv_cpu_utilization", Over::Mean, 1.0),
];
/// The DCGM exporter's page; use is in percent, per GPU.
const DCGM: &[Known] = &[(Signal::Gpu, "DCGM_FI_DEV_GPU_UTIL", Over::Mean, 0.01)];

impl Checker<'_> {
    pub(super) fn scrape(&mut self, scrape: &raw::Scrape, at: &At<'_>) -> Scrape {
        let raw::Scrape { path, port, interval, timeout, preset, metrics } = scrape;
        let (interval, timeout) = self.times((interval.as_ref(), timeout.as_ref()), (INTERVAL, TIMEOUT), at);
        let (known, usual_port): (&[Known], _) = match preset {
            None => (&[], None),
            Some(raw::Preset::Vllm) => (VLLM, None),
            Some(raw::Preset::Triton) => (TRITON, Some(8002)),
            Some(raw::Preset::Dcgm) => (DCGM, Some(9400)),
        };
        let port = port.or(usual_port);
        if port.is_some() {
            self.port(at);
        }
        let at_metrics = at.key("metrics");
        let mut all: Vec<Metric> = Vec::new();
        for (word, entry) in metrics.iter().flatten() {
            all.extend(self.metric(word, entry, &at_metrics.key(word)));
        }
        let own: Vec<Signal> = all.iter().map(|metric| metric.signal).collect();
        all.extend(known.iter().filter(|(signal, ..)| !own.contains(signal)).filter_map(|known| {
            let (signal, metric, over, scale) = *known;
            Some(Metric { signal, selector: Selector::parse(metric)?, over, scale })
        }));
        if all.is_empty() && at.is_sound() && at_metrics.is_sound() {
            let help = "write preset = \"vllm\", or metrics = { queue = \"app_waiting_requests\" }";
            self.problems.push(at.problem("no metric is looked for").help(help));
        }
        let path = path.as_ref().map_or_else(|| "/metrics".to_owned(), |Target(path)| path.clone());
        Scrape { path, port, interval, timeout, metrics: all }
    }

    fn metric(&mut self, word: &str, entry: &raw::MetricEntry, at: &At<'_>) -> Option<Metric> {
        let signal = self.signal(word, at)?;
        let (text, over, scale) = match entry {
            raw::MetricEntry::Name(text) => (text, None, None),
            raw::MetricEntry::Full(raw::Metric { metric, over, scale }) => (metric, *over, *scale),
        };
        let Some(selector) = Selector::parse(text) else {
            let help = "write its name, with labels if need be: \"app_waiting{model=\\\"a\\\"}\"";
            self.problems.push(at.problem(format!("{text:?} names no metric")).help(help));
            return None;
        };
        let over = match over {
            None | Some(raw::Over::Sum) => Over::Sum,
            Some(raw::Over::Max) => Over::Max,
            Some(raw::Over::Mean) => Over::Mean,
        };
        Some(Metric { signal, selector, over, scale: scale.unwrap_or(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_presets_can_be_looked_for() {
        for (_, metric, ..) in [VLLM, TRITON, DCGM].concat() {
            assert!(Selector::parse(metric).is_some(), "{metric}");
        }
    }
}

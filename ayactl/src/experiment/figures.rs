//! What conditions are judged by: the daemon's pools over the last seconds, and what clients of loads see.

use std::collections::BTreeMap;

use aya_api::condition::{Condition, Metric, Value};
use aya_api::run::LoadView;
use aya_api::view::{BackendView, PoolView, Status, Traffic};

use super::check::LOAD;
use super::runner::Sight;

/// Seconds over which traffic is taken: short, so that what has recovered is seen to have.
pub const WINDOW_S: u32 = 2;

/// What was seen last.
#[derive(Default)]
pub struct Figures {
    /// The daemon; absent before the first answer.
    pub status: Option<Status>,
    /// Loads that run, by their step.
    pub loads: BTreeMap<usize, LoadView>,
}

impl Sight for Figures {
    fn value(&self, condition: &Condition) -> Option<Value> {
        let scope = condition.scope.as_deref()?;
        if scope == LOAD {
            let load = self.loads.values().next()?;
            return of_load(load, condition.metric).map(Value::Number);
        }
        let pools = &self.status.as_ref()?.pools;
        if scope.contains('/') {
            let mut backends = pools.iter().flat_map(|pool| &pool.backends);
            return of_backend(backends.find(|backend| backend.id == scope)?, condition.metric);
        }
        of_pool(pools.iter().find(|pool| pool.name == scope)?, condition.metric)
    }
}

fn of_pool(pool: &PoolView, metric: Metric) -> Option<Value> {
    let number = match metric {
        Metric::Eligible => Some(f64::from(pool.eligible)),
        Metric::EligibleShare => Some(f64::from(pool.eligible) / pool.backends.len().max(1) as f64),
        _ => of_traffic(&pool.traffic, metric),
    };
    number.map(Value::Number)
}

fn of_backend(backend: &BackendView, metric: Metric) -> Option<Value> {
    let word = match metric {
        Metric::Breaker => backend.breaker.state.as_str(),
        Metric::Health => backend.health.state.as_str(),
        Metric::Admin => backend.admin.state.as_str(),
        _ => return of_traffic(&backend.traffic, metric).map(Value::Number),
    };
    Some(Value::Word(word.to_owned()))
}

fn of_traffic(traffic: &Traffic, metric: Metric) -> Option<f64> {
    let latency = traffic.latency.as_ref();
    match metric {
        Metric::Percentile(50.0) => latency.map(|latency| latency.p50_ms),
        Metric::Percentile(90.0) => latency.map(|latency| latency.p90_ms),
        Metric::Percentile(99.0) => latency.map(|latency| latency.p99_ms),
        Metric::Max => latency.map(|latency| latency.max_ms),
        Metric::Errors => traffic.error_share,
        Metric::Rate => Some(traffic.rate),
        Metric::InFlight => Some(traffic.in_flight as f64),
        _ => None,
    }
}

fn of_load(load: &LoadView, metric: Metric) -> Option<f64> {
    match metric {
        Metric::Percentile(50.0) => load.p50_ms,
        Metric::Percentile(99.0) => load.p99_ms,
        Metric::Percentile(99.9) => load.p999_ms,
        Metric::Errors => load.error_share,
        Metric::Rate => Some(load.achieved),
        Metric::InFlight => Some(load.in_flight as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_traffic_and_of_loads_are_found_by_their_metric() {
        let traffic = Traffic {
            rate: 100.0,
            error_share: Some(0.02),
            latency: None,
            in_flight: 3,
            requests: 1000,
            failures: 20,
        };
        assert_eq!(of_traffic(&traffic, Metric::Errors), Some(0.02));
        assert_eq!(of_traffic(&traffic, Metric::InFlight), Some(3.0));
        assert_eq!(of_traffic(&traffic, Metric::Percentile(99.0)), None);
        let mut figures = Figures::default();
        let condition = "load: err < 1%".parse().expect("a condition");
        assert_eq!(figures.value(&condition), None);
        figures.loads.insert(0, LoadView { error_share: Some(0.5), ..LoadView::default() });
        assert_eq!(figures.value(&condition), Some(Value::Number(0.5)));
    }
}

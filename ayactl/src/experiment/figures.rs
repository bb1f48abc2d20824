//! What conditions are judged by: the daemon's pools over the last seconds, and what clients of loads see.

use std::collections::BTreeMap;

use aya_api::condition::{Condition, Metric, Value};
use aya_api::view::{BackendView, PoolView, Status, Traffic};
use aya_load::gate;

use super::check::LOAD;
use super::load::Glance;
use super::runner::Sight;

/// Seconds over which traffic is taken: short, so that what has recovered is seen to have.
pub const WINDOW_S: u32 = 2;

/// What was seen last.
#[derive(Default)]
pub struct Figures {
    /// The daemon; absent before the first answer.
    pub status: Option<Status>,
    /// Loads that run, by their step.
    pub loads: BTreeMap<usize, Glance>,
}

impl Sight for Figures {
    fn value(&self, condition: &Condition) -> Option<Value> {
        let scope = condition.scope.as_deref()?;
        if scope == LOAD {
            let window = &self.loads.values().next()?.window;
            let value = gate::value(condition.metric, &window.seen, window.seconds, window.in_flight);
            return value.map(Value::Number);
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

#[cfg(test)]
mod tests {
    use aya_load::engine::Window;
    use aya_load::record::Seen;

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
        let seen = Seen { answered: 10, failed: 5, ..Seen::default() };
        let window = Window { seen, in_flight: 1, seconds: 1.0 };
        figures.loads.insert(0, Glance { window, ..Glance::default() });
        assert_eq!(figures.value(&condition), Some(Value::Number(0.5)));
    }
}

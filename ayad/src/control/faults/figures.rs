//! What stop conditions are judged by: figures of the last two seconds, taken ten times a second, and what faults hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aya_api::condition::{Condition, Metric, Unit, Value};
use aya_api::error::{ApiError, ErrorCode};

use crate::chaos::Faults;
use crate::clock;
use crate::control::sampler::{Sampler, Window};
use crate::control::suggest;
use crate::control::view::{admin, guard, health};
use crate::state::{Backend, Snapshot};

/// Time between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Looks that figures are taken over.
const LOOKS: usize = 20;
/// Most conditions of a fault.
pub(super) const MOST_CONDITIONS: usize = 8;

/// Reads a condition; `pools` are those of its fault. Gives what it is about as well.
pub(super) fn read(
    text: &str,
    pools: &BTreeSet<&str>,
    snapshot: &Snapshot,
) -> Result<(Condition, String), ApiError> {
    let bad = |message: String, hint: &str| ApiError::new(ErrorCode::BadValue, message, hint);
    let condition: Condition = text
        .parse()
        .map_err(|error| bad(format!("stop condition {error}"), "write it like \"err>5% for 3s\""))?;
    let scope = match &condition.scope {
        Some(scope) => scope.clone(),
        None if pools.len() == 1 => pools.iter().map(|pool| (*pool).to_owned()).collect(),
        None => {
            let all = pools.iter().copied().collect::<Vec<_>>().join(", ");
            let message = format!("stop condition \"{text}\": the fault is for several pools ({all})");
            return Err(bad(message, "say which one, e.g. \"shop: err>5%\""));
        }
    };
    let Some(backends) = backends(&scope, snapshot) else {
        let pools = snapshot.pools.iter().map(|pool| pool.name.as_str());
        let hint = suggest(&scope, pools.chain(snapshot.backends().map(|backend| backend.id.as_str())));
        let message = format!("stop condition \"{text}\": no pool or backend \"{scope}\"");
        return Err(ApiError::new(ErrorCode::NotFound, message, hint));
    };
    match condition.metric {
        Metric::Service(_) | Metric::Lag(_) => Err(bad(
            format!("stop condition \"{text}\": the daemon does not know {}", condition.metric),
            "only load tests do; take p99, err, rate, in-flight, eligible, …",
        )),
        Metric::Breaker | Metric::Health | Metric::Admin if backends.len() != 1 || !scope.contains('/') => {
            let hint = "write it like \"shop/web-1: breaker=open\"";
            Err(bad(format!("stop condition \"{text}\": a pool has no {}", condition.metric), hint))
        }
        _ => Ok((condition, scope)),
    }
}

/// Backends of a pool, or the one backend; `None` when there is no such thing.
pub(super) fn backends(scope: &str, snapshot: &Snapshot) -> Option<Vec<Arc<Backend>>> {
    if let Some(pool) = snapshot.pool(scope) {
        return Some(pool.backends.clone());
    }
    snapshot.backend_by_id(scope).map(|backend| vec![Arc::clone(backend)])
}

/// The value that a condition is judged by now; `None` when there is nothing to tell it by. Attempts that a fault holds
/// have no latency yet, but at least the time they have waited: those that have waited for longer than the condition says
/// count with that.
pub(super) fn value(
    condition: &Condition,
    scope: &str,
    figures: &Sampler,
    snapshot: &Snapshot,
    faults: &Faults,
) -> Option<Value> {
    let metric = condition.metric;
    let backends = backends(scope, snapshot)?;
    let mut window = Window::default();
    for backend in &backends {
        window.merge(&figures.last(backend, LOOKS));
    }
    if snapshot.pool(scope).is_some() {
        window = window.into_pool();
    }
    let now = clock::now();
    if let (Unit::Time, Value::Number(most)) = (metric.unit(), &condition.value) {
        let tokens: Vec<u64> = backends.iter().map(|backend| backend.load.token()).collect();
        let waits = faults.waits(&tokens, now).into_iter();
        for wait in waits.filter(|wait| wait.as_secs_f64() * 1e3 > *most) {
            window.add(wait);
        }
    }
    let eligible = || backends.iter().filter(|backend| backend.load.eligible(now)).count() as f64;
    let ms = |us: u64| us as f64 / 1e3;
    let number = match metric {
        Metric::Percentile(p) => window.latencies.quantile(p / 100.0).map(ms),
        Metric::Max => window.latencies.max().map(ms),
        Metric::Mean => {
            let count = window.latencies.total();
            (count > 0).then(|| window.sum_us as f64 / 1e3 / count as f64)
        }
        Metric::Errors => window.error_share(),
        Metric::Rate => (window.seconds > 0)
            .then(|| window.requests as f64 / (window.seconds as f64 * LOOK.as_secs_f64())),
        Metric::InFlight => Some(backends.iter().map(|backend| f64::from(backend.load.in_flight())).sum()),
        Metric::Eligible => Some(eligible()),
        Metric::EligibleShare => (!backends.is_empty()).then(|| eligible() / backends.len() as f64),
        Metric::Breaker | Metric::Health | Metric::Admin => {
            let load = &backends.first()?.load;
            let word = match metric {
                Metric::Breaker => guard::state(load.breaker().state()).as_str(),
                Metric::Health => health(load.health()).as_str(),
                _ => admin(load.admin()).as_str(),
            };
            return Some(Value::Word(word.to_owned()));
        }
        Metric::Service(_) | Metric::Lag(_) => None,
    };
    number.map(Value::Number)
}

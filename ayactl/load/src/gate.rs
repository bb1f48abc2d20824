//! Gates: what must hold of a load test, and what ends it.

use std::time::Duration;

use aya_api::condition::{Condition, Hold, Metric, Unit, Value};

use crate::record::Seen;
use crate::report::{number, percent, time};

/// Reads a condition of a load test. The figures are the generator's own, so it names no pool and no state.
pub fn parse(text: &str) -> Result<Condition, String> {
    let condition: Condition = text.parse()?;
    if let Some(scope) = &condition.scope {
        return Err(format!("\"{text}\": a load test sees no {scope}; leave \"{scope}:\" out"));
    }
    if condition.metric.unit() == Unit::Word
        || matches!(condition.metric, Metric::Eligible | Metric::EligibleShare)
    {
        return Err(format!(
            "\"{text}\": a load test does not see {}; it sees percentiles (p99, service-p99, lag-p99), mean, max, err, \
             rate and in-flight",
            condition.metric
        ));
    }
    Ok(condition)
}

/// The value of a metric over `seen`, which took `seconds`; `None` without data.
pub fn value(metric: Metric, seen: &Seen, seconds: f64, in_flight: u64) -> Option<f64> {
    match metric {
        Metric::Percentile(p) => seen.response.percentile_ms(p),
        Metric::Service(p) => seen.service.percentile_ms(p),
        Metric::Lag(p) => seen.lag.percentile_ms(p),
        Metric::Mean => seen.response.mean_ms(),
        Metric::Max => seen.response.max_ms(),
        Metric::Errors => seen.error_share(),
        Metric::Rate => (seconds > 0.0).then(|| seen.answered as f64 / seconds),
        Metric::InFlight => Some(in_flight as f64),
        Metric::Eligible | Metric::EligibleShare | Metric::Breaker | Metric::Health | Metric::Admin => None,
    }
}

/// How a gate stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// As it was written.
    pub condition: String,
    /// Its value; absent without data.
    pub value: Option<f64>,
    /// The same with its unit, for people.
    pub shown: String,
    /// Whether it holds; absent without data.
    pub holds: Option<bool>,
}

/// How each of `gates` stands over all of a test.
pub fn standings(gates: &[Condition], seen: &Seen, seconds: f64, in_flight: u64) -> Vec<Standing> {
    let standing = |condition: &Condition| {
        let value = value(condition.metric, seen, seconds, in_flight);
        let holds = value.and_then(|value| condition.holds(&Value::Number(value)));
        let shown = value.map_or_else(|| "no data".to_owned(), |value| words(condition.metric, value));
        Standing { condition: condition.to_string(), value, shown, holds }
    };
    gates.iter().map(standing).collect()
}

/// The value of a metric, for people.
fn words(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Time => time(Some(value)),
        Unit::Share => percent(value),
        Unit::PerSecond => format!("{}/s", number(value)),
        Unit::Count | Unit::Word => number(value),
    }
}

/// Watches for what ends a test.
#[derive(Debug)]
pub struct Watch {
    conditions: Vec<(Condition, Hold)>,
}

impl Watch {
    /// Nothing has held yet.
    pub fn new(conditions: Vec<Condition>) -> Self {
        Self { conditions: conditions.into_iter().map(|condition| (condition, Hold::default())).collect() }
    }

    /// Looks at one second, which ended `now` after the beginning. A condition that asks for some time counts from the
    /// beginning of the first second in which it holds. Returns what ends the test.
    pub fn look(&mut self, seen: &Seen, in_flight: u64, now: Duration) -> Option<String> {
        let second = Duration::from_secs(1);
        self.conditions.iter_mut().find_map(|(condition, hold)| {
            let value = value(condition.metric, seen, 1.0, in_flight);
            let holds = value.and_then(|value| condition.holds(&Value::Number(value))).unwrap_or(false);
            let begun = now.saturating_sub(second);
            let is_met = hold.look(condition, holds, begun);
            let lasted = hold.since().is_some_and(|since| now.saturating_sub(since) >= condition.hold);
            (is_met || lasted).then(|| condition.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(failed: u64) -> Seen {
        Seen { answered: 100, failed, response: [(20_000, 100)].into_iter().collect(), ..Seen::default() }
    }

    #[test]
    fn gates_are_judged_by_what_was_seen() {
        let gates: Vec<Condition> =
            ["p99<50ms", "err<1%", "rate>=9", "lag-p99<1ms"].map(|text| parse(text).expect(text)).into();
        let standings = standings(&gates, &failing(5), 10.0, 0);
        let holds: Vec<Option<bool>> = standings.iter().map(|standing| standing.holds).collect();
        assert_eq!(holds, [Some(true), Some(false), Some(true), None]);
    }

    #[test]
    fn what_a_load_test_cannot_see_is_refused() {
        assert!(parse("shop: err<1%").is_err_and(|error| error.contains("leave \"shop:\" out")));
        assert!(parse("breaker=open").is_err_and(|error| error.contains("does not see breaker")));
    }

    #[test]
    fn a_test_ends_when_it_has_been_bad_for_long_enough() {
        let mut watch = Watch::new(vec![parse("err>5% for 3s").expect("it is one")]);
        let second = Duration::from_secs;
        assert_eq!(watch.look(&failing(50), 0, second(1)), None);
        assert_eq!(watch.look(&failing(0), 0, second(2)), None);
        assert_eq!(watch.look(&failing(50), 0, second(3)), None);
        assert_eq!(watch.look(&failing(50), 0, second(4)), None);
        assert_eq!(watch.look(&failing(50), 0, second(5)), Some("err>5% for 3s".into()));
    }
}

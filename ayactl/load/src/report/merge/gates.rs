//! Objectives of a merger. What the whole load saw of them is known exactly for rates and failures. A percentile or a mean
//! of all lies between the least and the greatest of the generators', so it is known where they agree.

use aya_api::condition::{Metric, Value};

use super::super::{number, percent};
use super::{Gate, Report};
use crate::gate;

/// Objectives that any of the reports has, each once.
pub(super) fn merged(reports: &[Report]) -> Vec<Gate> {
    let mut all: Vec<Gate> = Vec::new();
    for gate in reports.iter().flat_map(|report| &report.gates) {
        if !all.iter().any(|known| known.condition == gate.condition) {
            all.push(judged(&gate.condition, reports));
        }
    }
    all
}

fn judged(text: &str, reports: &[Report]) -> Gate {
    let parsed = gate::parse(text).ok();
    let exact = parsed.as_ref().and_then(|condition| match condition.metric {
        Metric::Rate => rate(reports).map(|rate| (rate, format!("{}/s", number(rate)))),
        Metric::Errors => share(reports).map(|share| (share, percent(share))),
        _ => None,
    });
    if let (Some(condition), Some((value, words))) = (&parsed, exact) {
        return Gate {
            condition: text.to_owned(),
            holds: condition.holds(&Value::Number(value)),
            value: words,
        };
    }
    let of = |report: &Report| report.gates.iter().find(|gate| gate.condition == text).cloned();
    let each: Vec<Option<Gate>> = reports.iter().map(of).collect();
    let holds = |gate: &Option<Gate>| gate.as_ref().and_then(|gate| gate.holds);
    let first = each.first().and_then(holds);
    let agreed = first.filter(|_| each.iter().all(|gate| holds(gate) == first));
    // Requests under way add up: that each generator has few says nothing of all.
    let agreed = agreed.filter(|_| !parsed.is_some_and(|condition| condition.metric == Metric::InFlight));
    let words: Vec<&str> =
        each.iter().map(|gate| gate.as_ref().map_or("no data", |gate| gate.value.as_str())).collect();
    Gate { condition: text.to_owned(), holds: agreed, value: words.join(", ") }
}

/// Answers a second of all, over the time in which any ran.
fn rate(reports: &[Report]) -> Option<f64> {
    let begins = reports.iter().map(|report| report.started_ms).min()? as f64 / 1e3;
    let ends = reports.iter().map(|report| report.started_ms as f64 / 1e3 + report.duration_s);
    let length = ends.fold(begins, f64::max) - begins;
    (length > 0.0).then(|| reports.iter().map(|report| report.achieved).sum::<u64>() as f64 / length)
}

/// The part of all that failed.
fn share(reports: &[Report]) -> Option<f64> {
    let ended: u64 = reports.iter().map(Report::ended).sum();
    (ended > 0).then(|| reports.iter().map(|report| report.failed).sum::<u64>() as f64 / ended as f64)
}

//! What stands against a comparison: plans that ask for something else, and runs that cannot be trusted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Model;
use crate::report::{Report, Word, number};

/// Rates that differ by a smaller part are alike.
const ALIKE: f64 = 0.05;
/// Lengths that differ by a smaller part are alike.
const AS_LONG: f64 = 0.1;

/// One thing that stands against a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Concern {
    /// Whether figures beside each other mean nothing: then there is a comparison only on request, and no limit is judged.
    pub stops: bool,
    /// What it is, in words.
    pub what: String,
}

fn stops(what: String) -> Concern {
    Concern { stops: true, what }
}

fn warns(what: String) -> Concern {
    Concern { stops: false, what }
}

/// Everything that stands against comparing two reports.
pub fn concerns(before: &Report, after: &Report) -> Vec<Concern> {
    let mut found: Vec<Concern> = bound(before, "before").into_iter().collect();
    found.extend(bound(after, "after"));
    let model = (before.asked.model.as_str(), after.asked.model.as_str());
    let offered = [before, after].map(|report| report.offered.map(|count| report.rate(count)));
    let connections = [before, after].map(|report| report.asked.connections);
    found.extend(load(model, offered, connections));
    found.extend(other("target", &before.asked.url, &after.asked.url));
    if model == ("open", "open") {
        found.extend(other("profile", &before.asked.profile, &after.asked.profile));
        found.extend(other("arrivals", &before.asked.arrivals, &after.asked.arrivals));
        found.extend(other("connections", &connections[0].to_string(), &connections[1].to_string()));
    }
    found.extend(other("protocol", &before.asked.protocol, &after.asked.protocol));
    let warmup = |report: &Report| format!("{} s", report.asked.warmup_s);
    found.extend(other("warm-up", &warmup(before), &warmup(after)));
    found.extend(other("generators", &machines(before), &machines(after)));
    if (before.duration_s - after.duration_s).abs() > AS_LONG * before.duration_s.max(after.duration_s) {
        let length = |report: &Report| format!("{} s", number(report.duration_s));
        found.extend(other("length", &length(before), &length(after)));
    }
    for (report, name) in [(before, "before"), (after, "after")] {
        if let Some(why) = &report.ended_early {
            found.push(warns(format!("the run {name} ended early: {why}")));
        }
    }
    found
}

/// What stands against comparing `before` with a run that is still to be made, in a model, at a mean rate (of an open loop),
/// with so many connections.
pub fn before_run(before: &Report, model: Model, rate: Option<f64>, connections: u64) -> Vec<Concern> {
    let mut found: Vec<Concern> = bound(before, "before").into_iter().filter(|found| found.stops).collect();
    let word = if model == Model::Open { "open" } else { "closed" };
    let offered = before.offered.map(|count| before.rate(count));
    // A run that ended early may have been stopped before its profile came to its rate.
    let offered = offered.filter(|_| before.ended_early.is_none());
    found.extend(load((&before.asked.model, word), [offered, rate], [before.asked.connections, connections]));
    found
}

/// What the figures of a run are worth.
fn bound(report: &Report, name: &str) -> Option<Concern> {
    match report.verdict.word {
        Word::Valid => None,
        Word::TargetBound => {
            Some(warns(format!("the run {name} was TARGET-BOUND: its figures are those of a full target")))
        }
        Word::GeneratorBound => {
            Some(stops(format!("the run {name} was GENERATOR-BOUND: its figures say little of the target")))
        }
    }
}

/// Loads that are not alike: response times under them are not either.
fn load(model: (&str, &str), offered: [Option<f64>; 2], connections: [u64; 2]) -> Option<Concern> {
    if model.0 != model.1 {
        return Some(stops(format!("the loops differ: {} before, {} after", model.0, model.1)));
    }
    if let [Some(before), Some(after)] = offered {
        let apart = (before - after).abs() > ALIKE * before.max(after);
        return apart.then(|| {
            stops(format!("the rates differ: {}/s before, {}/s after", number(before), number(after)))
        });
    }
    // In a closed loop connections decide how much is asked for.
    (model.0 == "closed" && connections[0] != connections[1]).then(|| {
        stops(format!(
            "the connections of a closed loop differ: {} before, {} after",
            connections[0], connections[1]
        ))
    })
}

fn other(what: &str, before: &str, after: &str) -> Option<Concern> {
    (before != after).then(|| warns(format!("{what}: {before} before, {after} after")))
}

fn machines(report: &Report) -> String {
    let mut names: Vec<String> = report
        .generators
        .iter()
        .map(|generator| format!("{} ({}, {} threads)", generator.host, generator.cpu, generator.threads))
        .collect();
    names.sort();
    names.join(", ")
}

//! What a scenario expects of its report. All expectations are checked, and all that fail are reported.

use std::time::Duration;

use serde::Deserialize;

use crate::arm::Arm;
use crate::play::play;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::unit;

/// The expectations of a scenario; a key that is missing expects nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// Median latency, at most.
    #[serde(deserialize_with = "unit::optional")]
    p50: Option<Duration>,
    /// 99th percentile, at most.
    #[serde(deserialize_with = "unit::optional")]
    p99: Option<Duration>,
    /// Requests without a good answer, at most.
    failures: Option<u64>,
    /// Refused connections over all backends, at most.
    refused: Option<u64>,
    /// Times that breakers opened over all backends, at least.
    opened: Option<u64>,
    pub(crate) share: Vec<ShareOf>,
    compare: Vec<Compare>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareOf {
    pub(crate) backend: String,
    /// Share of the requests, at least.
    #[serde(default)]
    from: f64,
    /// Share of the requests, at most.
    #[serde(default = "all")]
    to: f64,
}

/// The same scenario with another algorithm must come out worse.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compare {
    with: Arm,
    /// Own 99th percentile, at most, as a multiple of the other's.
    p99: f64,
}

/// One expectation that did not hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Violation {
    /// A quantile is too high.
    #[error("{quantile} is {ms:.1} ms; at most {limit_ms:.1} ms is expected")]
    Latency {
        /// Which one.
        quantile: &'static str,
        /// What it is, in ms.
        ms: f64,
        /// What it may be, in ms.
        limit_ms: f64,
    },
    /// Something happened too often.
    #[error("{what}: {count}; at most {limit} is expected")]
    TooMany {
        /// What happened.
        what: &'static str,
        /// How often.
        count: u64,
        /// How often it may.
        limit: u64,
    },
    /// Something happened too rarely.
    #[error("{what}: {count}; at least {limit} is expected")]
    TooFew {
        /// What happened.
        what: &'static str,
        /// How often.
        count: u64,
        /// How often it must.
        limit: u64,
    },
    /// A backend got too little or too much.
    #[error("\"{backend}\" got {share:.3} of the requests; {from} to {to} is expected")]
    Share {
        /// Its name.
        backend: String,
        /// What it got, 0 to 1.
        share: f64,
        /// What it should get, at least.
        from: f64,
        /// What it should get, at most.
        to: f64,
    },
    /// Another algorithm does too well in comparison.
    #[error("p99 is {ms:.1} ms; at most {factor} times the {other_ms:.1} ms of {other} is expected")]
    NotBetter {
        /// The other algorithm.
        other: Arm,
        /// Own p99 in ms.
        ms: f64,
        /// Its p99 in ms.
        other_ms: f64,
        /// How many times that may be.
        factor: f64,
    },
}

/// Everything in which a report differs from what its scenario expects. Comparisons play the scenario again.
pub fn check(scenario: &Scenario, report: &Report) -> Vec<Violation> {
    let expect = &scenario.expect;
    let mut violations = Vec::new();
    for (quantile, q, limit) in [("p50", 0.5, expect.p50), ("p99", 0.99, expect.p99)] {
        let ms = report.quantile_ms(q);
        if let Some(limit_ms) = limit.map(|limit| limit.as_secs_f64() * 1e3).filter(|&limit| ms > limit) {
            violations.push(Violation::Latency { quantile, ms, limit_ms });
        }
    }
    let most = [
        ("failures", report.failures, expect.failures),
        ("refused connections", report.refused(), expect.refused),
    ];
    for (what, count, limit) in most {
        if let Some(limit) = limit.filter(|&limit| count > limit) {
            violations.push(Violation::TooMany { what, count, limit });
        }
    }
    let count = report.backends.iter().map(|backend| backend.opened).sum();
    if let Some(limit) = expect.opened.filter(|&limit| count < limit) {
        violations.push(Violation::TooFew { what: "breakers opened", count, limit });
    }
    violations.extend(shares(scenario, report));
    violations.extend(comparisons(scenario, report));
    violations
}

fn shares(scenario: &Scenario, report: &Report) -> impl Iterator<Item = Violation> {
    scenario.expect.share.iter().filter_map(|expected| {
        let ShareOf { ref backend, from, to } = *expected;
        let share = report.share(scenario.position(backend));
        let outside = !(from..=to).contains(&share);
        outside.then(|| Violation::Share { backend: backend.clone(), share, from, to })
    })
}

fn comparisons(scenario: &Scenario, report: &Report) -> impl Iterator<Item = Violation> {
    let ms = report.quantile_ms(0.99);
    scenario.expect.compare.iter().filter_map(move |compare| {
        let other_ms = play(scenario, &compare.with, report.seed).quantile_ms(0.99);
        let worse = ms > compare.p99 * other_ms;
        worse.then_some(Violation::NotBetter { other: compare.with, ms, other_ms, factor: compare.p99 })
    })
}

fn all() -> f64 {
    1.0
}

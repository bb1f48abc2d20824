//! What a scenario expects of its comparison. All expectations are checked, and all that fail are reported.
//!
//! Latencies and ratios are means over the seeds; what is counted must hold for every seed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arm::Arm;
use crate::compare::{Comparison, Outcome};
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
    /// 99.9th percentile, at most.
    #[serde(deserialize_with = "unit::optional")]
    p999: Option<Duration>,
    /// Requests without a good answer, at most.
    failures: Option<u64>,
    /// Refused connections over all backends, at most.
    refused: Option<u64>,
    /// Times that breakers opened over all backends, at least.
    opened: Option<u64>,
    /// Attempts for each request, at most.
    attempts: Option<f64>,
    /// Share of a backend in any 5 s as a multiple of its fair one, at most.
    most_share: Option<f64>,
    /// Until every proxy had taken out what is in trouble, at most.
    #[serde(deserialize_with = "unit::optional")]
    eject: Option<Duration>,
    /// From the end of trouble until every proxy had it back, at most.
    #[serde(deserialize_with = "unit::optional")]
    readmit: Option<Duration>,
    /// Backends taken out without trouble, for each hour and proxy, at most.
    false_ejections: Option<f64>,
    /// Part of the gap between round robin and the oracle that is closed at p99, at least.
    gap_closed: Option<f64>,
    pub(crate) share: Vec<ShareOf>,
    pub(crate) compare: Vec<Compare>,
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

/// One arm against another on the same requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compare {
    /// The one that must be good; the scenario's algorithm without it.
    pub(crate) arm: Option<Arm>,
    pub(crate) with: Arm,
    /// Own median, at most, as a multiple of the other's.
    p50: Option<f64>,
    /// Own 99th percentile, likewise.
    p99: Option<f64>,
    /// Own 99.9th percentile, likewise.
    p999: Option<f64>,
    /// Own failures, likewise.
    failures: Option<f64>,
}

/// One expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// What was looked at.
    pub what: String,
    /// What it was.
    pub found: String,
    /// What it should have been.
    pub expected: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {} is expected", self.what, self.found, self.expected)
    }
}

/// What holding a comparison to its scenario came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Expectations that were looked at.
    pub checked: usize,
    /// Expectations about arms that were not played.
    pub skipped: usize,
    /// Those that did not hold.
    pub violations: Vec<Violation>,
}

impl Verdict {
    fn at_most(&mut self, what: &str, found: f64, limit: Option<f64>, unit: &str) {
        let Some(limit) = limit else { return };
        self.look(found <= limit, || {
            (what.to_owned(), format!("{found:.3}{unit}"), format!("at most {limit}{unit}"))
        });
    }

    fn at_least(&mut self, what: &str, found: f64, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        self.look(found >= limit, || (what.to_owned(), format!("{found:.3}"), format!("at least {limit}")));
    }

    fn within(&mut self, what: &str, found: Option<f64>, limit: Option<Duration>) {
        let Some(limit) = limit.map(|limit| limit.as_secs_f64() * 1e3) else { return };
        let shown = || found.map_or_else(|| "never".to_owned(), |found| format!("{found:.0} ms"));
        self.look(found.is_some_and(|found| found <= limit), || {
            (what.to_owned(), shown(), format!("at most {limit} ms"))
        });
    }

    fn look(&mut self, holds: bool, told: impl FnOnce() -> (String, String, String)) {
        self.checked += 1;
        if !holds {
            let (what, found, expected) = told();
            self.violations.push(Violation { what, found, expected });
        }
    }
}

/// Holds a comparison to everything that its scenario expects. What is expected of an arm that was not played is
/// skipped, and counted as such.
pub fn check(scenario: &Scenario, comparison: &Comparison) -> Verdict {
    let expect = &scenario.expect;
    let mut verdict = Verdict::default();
    match comparison.arm(&scenario.algorithm.to_string()) {
        None => verdict.skipped += 1,
        Some(own) => {
            amounts(expect, own, &mut verdict);
            for ShareOf { backend, from, to } in &expect.share {
                let share = own.shares[scenario.position(backend)];
                verdict.look((*from..=*to).contains(&share), || {
                    (format!("share of \"{backend}\""), format!("{share:.3}"), format!("{from} to {to}"))
                });
            }
        }
    }
    for compare in &expect.compare {
        let arm = compare.arm.unwrap_or(scenario.algorithm).to_string();
        match comparison.arm(&arm).zip(comparison.arm(&compare.with.to_string())) {
            None => verdict.skipped += 1,
            Some((own, other)) => compare_two(compare, own, other, &mut verdict),
        }
    }
    verdict
}

fn amounts(expect: &Expect, own: &Outcome, verdict: &mut Verdict) {
    let ms = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64() * 1e3);
    let count = |limit: Option<u64>| limit.map(|limit| limit as f64);
    verdict.at_most("p50", own.p50_ms.mean, ms(expect.p50), " ms");
    verdict.at_most("p99", own.p99_ms.mean, ms(expect.p99), " ms");
    verdict.at_most("p99.9", own.p999_ms.mean, ms(expect.p999), " ms");
    verdict.at_most("failures", own.failures.worst, count(expect.failures), "");
    verdict.at_most("refused connections", own.refused.worst, count(expect.refused), "");
    verdict.at_least("breakers opened", own.opened.mean, count(expect.opened));
    verdict.at_most("attempts for each request", own.attempts.worst, expect.attempts, "");
    verdict.at_most("largest share against the fair one", own.most_share.worst, expect.most_share, "");
    verdict.within("time to take out", own.eject_ms.map(|ms| ms.worst), expect.eject);
    verdict.within("time to take back", own.readmit_ms.map(|ms| ms.worst), expect.readmit);
    verdict.at_most("false ejections an hour", own.false_ejections.worst, expect.false_ejections, "");
    let closed = own.gap_closed.map_or(f64::NAN, |closed| closed[1]);
    verdict.at_least("closed of the gap between round robin and the oracle", closed, expect.gap_closed);
}

fn compare_two(compare: &Compare, own: &Outcome, other: &Outcome, verdict: &mut Verdict) {
    let failures = own.failures.mean / other.failures.mean.max(1.0);
    let ratios = [
        ("p50", own.p50_ms.mean / other.p50_ms.mean, compare.p50),
        ("p99", own.p99_ms.mean / other.p99_ms.mean, compare.p99),
        ("p99.9", own.p999_ms.mean / other.p999_ms.mean, compare.p999),
        ("failures", failures, compare.failures),
    ];
    for (what, ratio, limit) in ratios {
        verdict.at_most(&format!("{what} of {} against {}", own.arm, other.arm), ratio, limit, "");
    }
}

fn all() -> f64 {
    1.0
}

//! What came of a load test: one shape, from which every rendering, comparison and merger is made.
//!
//! A [`Report`] carries the histograms of its steps, so that two of them can be compared with statistics and several
//! generators' can be added without loss. Long runs have longer steps: a report has at most [`MOST_STEPS`].

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::Comparison;
use crate::plan::{Input, Part};

mod added;
mod csv;
mod hgrm;
pub mod hist;
mod html;
mod junit;
mod markdown;
mod merge;
mod of;
mod out;
mod peak;
#[cfg(test)]
pub(crate) mod sample;
mod steps;
mod terminal;
mod words;

pub use hist::Hist;
pub use markdown::plain;
pub use merge::{MergeError, merge};
pub use out::{Format, OutError, Output};
pub use peak::{Limit, Peak};
pub use terminal::Look;
pub(crate) use terminal::{BOLD, DIM, GREEN, RED, YELLOW, paint};
pub(crate) use words::{number, percent};
pub use words::{time, visible};

/// Version of the shape; changes only when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Most steps of a report.
pub const MOST_STEPS: usize = 900;

/// What each latency means, in one sentence.
pub const MEANINGS: [(&str, &str); 3] = [
    (
        "Response time",
        "from the moment at which the request was planned to the last byte of its answer: what a user waits, also while \
         the generator or the target is stuck.",
    ),
    (
        "Service time",
        "from the moment at which the request was really sent to the last byte of its answer: what the target took once \
         it was asked.",
    ),
    (
        "Send lag",
        "from the planned moment to the real sending: what the generator, or a lack of free connections, added before the \
         target was asked at all.",
    ),
];

/// Whether the figures can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The load was offered as planned, and the figures are the target's.
    Valid,
    /// The generator could not keep up: the figures say little of the target.
    GeneratorBound,
    /// The target could not keep up: the figures are those of a saturated target.
    TargetBound,
}

impl Word {
    /// As it is written first in every report.
    pub fn shout(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::GeneratorBound => "GENERATOR-BOUND",
            Self::TargetBound => "TARGET-BOUND",
        }
    }
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The rules that led to it, a sentence each.
    pub reasons: Vec<String>,
}

/// What was asked for, so that the run can be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The exact command, quoted for a shell.
    pub command: String,
    /// Where the requests went.
    pub url: String,
    /// `open` or `closed`.
    pub model: String,
    /// The profile as one line.
    pub profile: String,
    /// The file that the requests were taken from; absent when they were all as typed.
    #[serde(default)]
    pub input: Option<Input>,
    /// How arrivals were spaced: `const`, `poisson`, `burst:N`.
    pub arrivals: String,
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// `http/1.1`, `h2` or `h2c`.
    pub protocol: String,
    /// Most connections.
    pub connections: u64,
    /// Seconds at the beginning that are in no figure.
    pub warmup_s: u64,
    /// The part of the plan that was played; absent when all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// Where the load came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Name of the machine.
    pub host: String,
    /// Its processor.
    pub cpu: String,
    /// Threads of the engine.
    pub threads: u64,
    /// Version of `ayactl`.
    pub version: String,
    /// Processor time for each request, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// Share of the engine's threads that was busy, 0 to 1.
    pub busy: Option<f64>,
    /// Most requests under way at once.
    pub in_flight_max: u64,
}

/// One latency over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// How many requests it is of.
    pub count: u64,
    /// Mean, in milliseconds.
    pub mean_ms: Option<f64>,
    /// Median, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 90th percentile, in milliseconds.
    pub p90_ms: Option<f64>,
    /// 95th percentile, in milliseconds.
    pub p95_ms: Option<f64>,
    /// 99th percentile, in milliseconds.
    pub p99_ms: Option<f64>,
    /// 99.9th percentile, in milliseconds.
    pub p999_ms: Option<f64>,
    /// 99.99th percentile, in milliseconds.
    pub p9999_ms: Option<f64>,
    /// The greatest one, in milliseconds.
    pub max_ms: Option<f64>,
    /// All of it: pairs of nanoseconds and a count.
    pub hist: Hist,
}

impl From<Hist> for Latency {
    fn from(hist: Hist) -> Self {
        Self {
            count: hist.count(),
            mean_ms: hist.mean_ms(),
            p50_ms: hist.percentile_ms(50.0),
            p90_ms: hist.percentile_ms(90.0),
            p95_ms: hist.percentile_ms(95.0),
            p99_ms: hist.percentile_ms(99.0),
            p999_ms: hist.percentile_ms(99.9),
            p9999_ms: hist.percentile_ms(99.99),
            max_ms: hist.max_ms(),
            hist,
        }
    }
}

impl Latency {
    /// The columns of every table of latencies with their values in milliseconds.
    pub fn columns(&self) -> [(&'static str, Option<f64>); 8] {
        [
            ("p50", self.p50_ms),
            ("p90", self.p90_ms),
            ("p95", self.p95_ms),
            ("p99", self.p99_ms),
            ("p99.9", self.p999_ms),
            ("p99.99", self.p9999_ms),
            ("max", self.max_ms),
            ("mean", self.mean_ms),
        ]
    }
}

/// One step of time, a second or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Requests that were planned in it; absent in a closed loop.
    pub offered: Option<u64>,
    /// Requests that were sent in it.
    pub sent: u64,
    /// Requests that were answered in it, well or not.
    pub achieved: u64,
    /// Requests that failed in it: bad statuses and no answer.
    pub failed: u64,
    /// Requests that came to an end in it, with an answer or without.
    pub ended: u64,
    /// Response times of the requests that were answered well, in coarse classes.
    pub response: Hist,
    /// 99th percentile of the send lag, in milliseconds.
    pub lag_p99_ms: Option<f64>,
}

/// Answers of one status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The status.
    pub status: u16,
    /// Their response time.
    pub response: Latency,
}

/// Requests without an answer, of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What kind, e.g. `connect-refused`, `timeout`.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// The first of them in words.
    pub first: String,
}

/// What the proxy told of the requests that one backend answered. Parts are means, so that they add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backend {
    /// Its pool and name.
    pub name: String,
    /// Requests it answered.
    pub count: u64,
    /// Requests of it that failed.
    pub failed: u64,
    /// Mean send lag, in milliseconds.
    pub lag_ms: f64,
    /// Mean time in the proxy before a backend was asked, in milliseconds.
    pub queue_ms: f64,
    /// Mean time of attempts that failed before, in milliseconds.
    pub retries_ms: f64,
    /// Mean time that the backend took, in milliseconds.
    pub backend_ms: f64,
    /// Mean of what is left: network and the generator's reading, in milliseconds.
    pub rest_ms: f64,
    /// 99th percentile of the response time, in milliseconds.
    pub p99_ms: Option<f64>,
}

/// Something that happened at the proxy while the test ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// When, in seconds since the start.
    pub at_s: f64,
    /// Until when, for what lasts: a fault, a drain.
    pub until_s: Option<f64>,
    /// `breaker`, `drain`, `weight`, `fault`, `rate`, `note`.
    pub kind: String,
    /// In words.
    pub what: String,
}

/// An objective with its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// As it was written, e.g. `p99<50ms`.
    pub condition: String,
    /// Whether it holds; absent when there was nothing to judge by.
    pub holds: Option<bool>,
    /// The value in the unit of its metric, in words.
    pub value: String,
}

/// What the proxy adds to one percentile, from the same requests sent directly and through it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    /// Which percentile, 0 to 100.
    pub percentile: f64,
    /// Directly, in milliseconds.
    pub direct_ms: f64,
    /// Through the proxy, in milliseconds.
    pub through_ms: f64,
    /// The difference, in milliseconds.
    pub added_ms: f64,
    /// The 95 % interval of the difference, in milliseconds.
    pub interval_ms: [f64; 2],
}

/// A load test's report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this shape.
    pub schema_version: u32,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
    /// What was asked for.
    pub asked: Asked,
    /// Where the load came from; more than one after a merger.
    pub generators: Vec<Generator>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took without the warm-up, in seconds.
    pub duration_s: f64,
    /// Why it ended before its time, if it did.
    pub ended_early: Option<String>,
    /// Requests planned; absent in a closed loop.
    pub offered: Option<u64>,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered, well or not.
    pub achieved: u64,
    /// Requests that failed: bad statuses and no answer.
    pub failed: u64,
    /// Response time of requests that were answered well.
    pub response: Latency,
    /// Service time of requests that were answered well.
    pub service: Latency,
    /// Send lag of all requests; absent in a closed loop.
    pub lag: Option<Latency>,
    /// Answers by status.
    pub statuses: Vec<Status>,
    /// Requests without an answer, by kind.
    pub failures: Vec<Failure>,
    /// Length of a step, in seconds.
    pub step_s: f64,
    /// The steps.
    pub steps: Vec<Step>,
    /// The split by backend, as far as the proxy told it.
    pub backends: Vec<Backend>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// Objectives with their results.
    pub gates: Vec<Gate>,
    /// What the proxy adds, when that was measured.
    pub overhead: Vec<Added>,
    /// What it was compared with, and what came of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What a search for the greatest rate found (`--find-max`); the rest is about that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Peak>,
}

impl Report {
    /// The rate of a count over the run.
    pub fn rate(&self, count: u64) -> f64 {
        if self.duration_s > 0.0 { count as f64 / self.duration_s } else { 0.0 }
    }

    /// The share of requests that failed, of those that came to an end; `None` when none did.
    pub fn error_share(&self) -> Option<f64> {
        let all = self.ended();
        (all > 0).then(|| self.failed as f64 / all as f64)
    }

    /// Requests that came to an end, with an answer or without.
    fn ended(&self) -> u64 {
        self.achieved + self.failures.iter().map(|failure| failure.count).sum::<u64>()
    }

    /// The verdict with the figures that it is about, in one line.
    pub fn verdict_line(&self) -> String {
        let mut line = self.verdict.word.shout().to_owned();
        if let Some(offered) = self.offered {
            let _ = write!(line, " offered {}/s", number(self.rate(offered)));
        }
        let _ = write!(
            line,
            " sent {}/s achieved {}/s",
            number(self.rate(self.sent)),
            number(self.rate(self.achieved))
        );
        if let Some(lag) = self.lag.as_ref().and_then(|lag| lag.p99_ms) {
            let _ = write!(line, " send-lag p99 {}", time(Some(lag)));
        }
        if let Some(share) = self.error_share() {
            let _ = write!(line, " errors {}", percent(share));
        }
        line
    }

    /// Whether every objective that could be judged holds.
    pub fn gates_hold(&self) -> bool {
        self.gates.iter().all(|gate| gate.holds != Some(false))
    }

    /// Answers by class of their status (2 for 2xx), with the response time of each class.
    pub fn classes(&self) -> Vec<(u16, Latency)> {
        let mut classes: Vec<u16> = self.statuses.iter().map(|row| row.status / 100).collect();
        classes.sort_unstable();
        classes.dedup();
        let of = |class| {
            let rows = self.statuses.iter().filter(move |row| row.status / 100 == class);
            Latency::from(Hist::sum(rows.map(|row| &row.response.hist)))
        };
        classes.into_iter().map(|class| (class, of(class))).collect()
    }

    /// The JSON Schema of this shape.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

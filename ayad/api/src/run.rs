//! Runs: load tests, experiments and game days, as those who run them tell the daemon, so that everybody can see them.
//!
//! A run is played by its caller, not by the daemon. The daemon keeps what it was told last, marks it as lost when it is
//! told nothing for [`LOST_AFTER_MS`], and forgets it some time after its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A run that was not told of for so long counts as lost, in milliseconds.
pub const LOST_AFTER_MS: u64 = 5_000;

/// What the configuration says of load tests. Whoever runs one keeps to it: requests of a load test are like all others
/// to the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadLimits {
    /// Hosts beyond loopback and the daemon's own listeners that may be targets: a name, `*.name`, an address or a network.
    pub allow: Vec<String>,
    /// Most requests a second; absent for any number.
    pub max_rate: Option<f64>,
}

/// What kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// A load test.
    Load,
    /// An experiment.
    Experiment,
    /// A game day.
    Gameday,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It is being prepared: warm-up, first probes.
    Preparing,
    /// It runs.
    Running,
    /// It has ended by itself.
    Done,
    /// Somebody ended it early, or one of its conditions did.
    Aborted,
    /// Whoever ran it has not been heard of.
    Lost,
}

/// How a gate, probe or expectation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// There is nothing to judge by yet.
    Unknown,
}

/// One gate, probe or expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateView {
    /// As it was written, e.g. `p99<50ms`.
    pub condition: String,
    /// How it stands.
    pub state: GateState,
    /// The value it is judged by, in the unit of its metric.
    pub value: Option<f64>,
}

/// What a load generator sees, over the last second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadView {
    /// Where the requests go.
    pub url: String,
    /// `open` or `closed`.
    pub model: String,
    /// Requests a second that the profile asks for; absent in a closed loop.
    pub offered: Option<f64>,
    /// Requests a second that were sent.
    pub sent: f64,
    /// Requests a second that were answered.
    pub achieved: f64,
    /// How long after their planned moment requests were sent: 99th percentile in milliseconds; absent in a closed loop.
    pub lag_p99_ms: Option<f64>,
    /// Response time (from the planned moment), median in milliseconds; absent without answers.
    pub p50_ms: Option<f64>,
    /// Response time, 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
    /// Response time, 99.9th percentile in milliseconds.
    pub p999_ms: Option<f64>,
    /// Service time (from the actual send), 99th percentile in milliseconds.
    pub service_p99_ms: Option<f64>,
    /// Share of answers that are failures, 0 to 1; absent without answers.
    pub error_share: Option<f64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Requests sent since the start.
    pub total: u64,
    /// Offered rate of each of the last seconds, oldest first, at most 120.
    #[serde(default)]
    pub offered_spark: Vec<f64>,
    /// Achieved rate of the same seconds.
    #[serde(default)]
    pub achieved_spark: Vec<f64>,
    /// Response time's 99th percentile of the same seconds in milliseconds; 0 for none.
    #[serde(default)]
    pub p99_spark: Vec<f64>,
}

/// One step of an experiment or game day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepView {
    /// What it does, as in the file.
    pub what: String,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What came of it, in words.
    pub outcome: Option<String>,
}

/// A run as it is told to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// What kind of run.
    pub kind: RunKind,
    /// What it is called, e.g. the title of the experiment.
    pub title: String,
    /// Where it is in its life; never `lost`.
    pub state: RunState,
    /// When it began.
    pub started_ms: u64,
    /// When it will have ended, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_ms: Option<u64>,
    /// What its load sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadView>,
    /// Its gates, probes and expectations.
    #[serde(default)]
    pub gates: Vec<GateView>,
    /// Its steps.
    #[serde(default)]
    pub steps: Vec<StepView>,
    /// Pools that it does something to. While one experiment is under way on a pool, another one on it is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<String>,
    /// Its verdict in words, once there is one: `VALID …`, `GENERATOR-BOUND …`, `hypothesis held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// A run as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    /// Its id, as its caller chose it.
    pub id: String,
    /// Who runs it.
    pub by: String,
    /// When it was told of last.
    pub told_ms: u64,
    /// What was told.
    #[serde(flatten)]
    pub run: RunBody,
}

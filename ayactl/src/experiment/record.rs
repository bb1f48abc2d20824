//! What is kept of a run: everything its report says, as JSON with a schema.

use std::collections::BTreeMap;

use aya_api::change::Operation;
use aya_api::event::Event;
use aya_api::fault::Observed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::LoadResult;
use super::verdict::Verdict;

/// Version of the shape.
pub const SCHEMA_VERSION: u32 = 2;
/// Most samples of a run; further ones take the place of every other one.
pub const SAMPLES: usize = 4000;
/// Most events of a run.
pub const EVENTS: usize = 5000;

/// One run of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Id of the run.
    pub id: String,
    /// Name of the experiment: its file without folder and ending.
    pub experiment: String,
    /// Its title.
    pub title: String,
    /// The promise it puts to the test.
    pub promise: Option<String>,
    /// The file.
    pub file: String,
    /// Texts of its variables.
    pub vars: BTreeMap<String, String>,
    /// Who ran it, as the daemon knows them.
    pub by: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// When everything had been put back; absent when nothing was done.
    pub reverted_ms: Option<u64>,
    /// What it says.
    pub verdict: Verdict,
    /// Conditions before and after.
    pub probes: Vec<ProbeRecord>,
    /// Conditions in between.
    pub during: Vec<GateRecord>,
    /// Conditions that would have ended it.
    pub stop: Vec<GateRecord>,
    /// What had to come about.
    pub expects: Vec<ExpectRecord>,
    /// What was done.
    pub steps: Vec<StepRecord>,
    /// How long each metric took to be back to normal.
    pub recoveries: Vec<Recovery>,
    /// What was seen twice a second.
    pub samples: Vec<Sample>,
    /// What happened at the daemon meanwhile, oldest first.
    pub events: Vec<Event>,
    /// What people and this run ordered meanwhile, oldest first.
    pub operations: Vec<Operation>,
    /// The run before this one that it is compared with.
    pub compared_with: Option<String>,
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeRecord {
    /// The condition.
    pub condition: String,
    /// The value before, in words.
    pub before: String,
    /// Whether it held before; absent when there was nothing to judge by.
    pub held_before: Option<bool>,
    /// The value after, in words; absent when it did not come to that.
    pub after: Option<String>,
    /// Whether it held again.
    pub held_after: Option<bool>,
    /// How long after everything had been put back it held again, in milliseconds.
    pub recovered_ms: Option<u64>,
}

/// A condition that is looked at all the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRecord {
    /// The condition.
    pub condition: String,
    /// When it did what it must not, in milliseconds since 1970; absent when it never did.
    pub at_ms: Option<u64>,
    /// The value then, in words.
    pub value: Option<String>,
    /// Whether there ever was something to judge by.
    pub had_data: bool,
}

/// Something that had to come about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectRecord {
    /// The condition.
    pub what: String,
    /// By when, in milliseconds after `after`.
    pub within_ms: u64,
    /// After what.
    pub after: String,
    /// How long it took, in milliseconds; absent when it did not come about in time.
    pub took_ms: Option<u64>,
    /// The value when it was decided, in words.
    pub value: String,
    /// False when the run ended before it was decided.
    pub decided: bool,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// What it does, as in the file.
    pub what: String,
    /// `fault`, `load`, `drain`, `maint`, `ready`, `weight`, `wait` or `run`.
    pub kind: String,
    /// When it began to take effect; absent when its turn did not come.
    pub started_ms: Option<u64>,
    /// When it was over.
    pub ended_ms: Option<u64>,
    /// What came of it.
    pub outcome: Option<String>,
    /// False when it could not be done or went wrong.
    pub ok: bool,
    /// Of a fault: what became of what matched.
    pub observed: Option<Observed>,
    /// Of a fault: the share asked for, 0 to 1.
    pub share: Option<f64>,
    /// Of a load: what came of it.
    pub load: Option<LoadResult>,
}

/// How a metric came back to normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// The pool.
    pub pool: String,
    /// `p99`, `err` or `eligible`.
    pub metric: String,
    /// What it was before, in milliseconds, as a share, or as a number of backends.
    pub before: f64,
    /// The worst it became.
    pub worst: f64,
    /// What counts as normal: no worse than this.
    pub normal: f64,
    /// How long after everything had been put back it was normal and stayed so, in milliseconds; absent when it did not.
    pub took_ms: Option<u64>,
    /// The same in the run before.
    pub last_ms: Option<u64>,
}

/// What was seen at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When.
    pub at_ms: u64,
    /// By pool.
    pub pools: BTreeMap<String, PoolSample>,
    /// Requests a second that loads of the run offered; absent without any.
    pub offered: Option<f64>,
    /// Requests a second that were answered to them.
    pub achieved: Option<f64>,
}

/// What was seen of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolSample {
    /// Requests a second.
    pub rate: f64,
    /// Share of failed requests, 0 to 1; absent without requests.
    pub err: Option<f64>,
    /// Median latency in milliseconds; absent without requests.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds; absent without requests.
    pub p99_ms: Option<f64>,
    /// Backends that may get a new request.
    pub eligible: u32,
}

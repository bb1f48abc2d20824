//! What is kept of a game day: everything its report says, as JSON with a schema.

use aya_api::change::Operation;
use aya_api::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::experiment::load::LoadResult;
use crate::experiment::record::{Record as ExperimentRecord, Sample};
use crate::experiment::verdict::Verdict;

/// A game day that was held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of the shape.
    pub schema_version: u32,
    /// Id of the run.
    pub id: String,
    /// Name: its file without folder and ending.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it was to show.
    pub promise: Option<String>,
    /// The file.
    pub file: String,
    /// Who ran it, as the daemon knows them.
    pub by: Option<String>,
    /// The load that ran all the time.
    pub load: Option<String>,
    /// What came of that load.
    #[serde(default)]
    pub load_result: Option<LoadResult>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// What it says.
    pub verdict: Verdict,
    /// Its experiments, in the order in which they were run.
    pub runs: Vec<Run>,
    /// What was seen twice a second.
    pub samples: Vec<Sample>,
    /// What happened at the daemon meanwhile, oldest first.
    pub events: Vec<Event>,
    /// What people and this game day ordered meanwhile, oldest first.
    pub operations: Vec<Operation>,
}

/// One experiment of it. Samples and events are those of the game day, and not repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// How much later than planned it began, in milliseconds.
    pub late_ms: u64,
    /// What came of it.
    pub record: ExperimentRecord,
}

//! What may be written in the file of a game day. Its schema is generated from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::experiment::raw::{DurationText, Expect, Hypothesis, Limits, LoadText, Step, Stop};

/// The file of a game day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Version of the format: 1.
    #[schemars(range(min = 1))]
    pub aya: u32,
    /// What it is called.
    pub title: String,
    /// What it is to show, in one sentence.
    pub promise: Option<String>,
    /// Texts that stand for `$name` elsewhere in the file; `--var name=text` overrides them.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// A load that runs all the time, as after `ayactl loadtest`.
    pub load: Option<LoadText>,
    /// What ends any of its experiments early.
    #[serde(default)]
    pub stop: Stop,
    /// What happens, and when.
    pub moment: Vec<Moment>,
}

/// One moment: an experiment by name, an experiment written here, or a note.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// When, from the beginning. While the one before is under way it waits.
    pub at: DurationText,
    /// An experiment: a file beside this one, or one that ships.
    pub experiment: Option<String>,
    /// Texts for the variables of that experiment.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// A note that appears in the report.
    pub note: Option<String>,
    /// Of an experiment that is written here: what it is called.
    pub title: Option<String>,
    /// Of one that is written here: what is to hold.
    pub hypothesis: Option<Hypothesis>,
    /// Of one that is written here: what is done.
    #[serde(default)]
    pub step: Vec<Step>,
    /// Of one that is written here: how much faults may hit.
    #[serde(default)]
    pub limits: Limits,
    /// Of one that is written here: what has to come about.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

//! What may be written in the file of an experiment. Its schema is generated from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $format:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Deserialize, JsonSchema)]
            #[serde(transparent)]
            #[schemars(inline, extend("format" = $format))]
            pub struct $name(pub String);
        )+
    };
}

texts! {
    /// A condition such as `shop: p99 < 300ms`.
    ConditionText = "condition";
    /// A duration such as `10s`.
    DurationText = "duration";
    /// A backend such as `shop/web-1`.
    BackendText = "backend";
    /// A backend and its weight such as `shop/web-1 10`.
    WeightText = "order";
    /// A share such as `50%`.
    ShareText = "share";
    /// A fault as after `ayactl chaos`.
    FaultText = "fault";
    /// A load as after `ayactl loadtest`.
    LoadText = "load";
}

/// The file of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Version of the format: 1.
    #[schemars(range(min = 1))]
    pub aya: u32,
    /// What it is called.
    pub title: String,
    /// The promise that it puts to the test, in one sentence.
    pub promise: Option<String>,
    /// Texts that stand for `$name` elsewhere in the file; `--var name=text` overrides them.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// What is to hold.
    pub hypothesis: Hypothesis,
    /// What is done, one after the other.
    pub step: Vec<Step>,
    /// What ends it early.
    #[serde(default)]
    pub stop: Stop,
    /// How much faults may hit.
    #[serde(default)]
    pub limits: Limits,
    /// What has to come about, and by when.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// What is to hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// Conditions that hold before the first step, and again after the last.
    #[serde(default)]
    pub probe: Vec<ConditionText>,
    /// Conditions that also hold all the time in between.
    #[serde(default)]
    pub during: Vec<ConditionText>,
    /// How long it may take after the end of all faults until the probes hold again; 10s.
    pub within: Option<DurationText>,
}

/// One step: exactly one thing that is done.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it is called in `after`; otherwise it is its kind and its number: `fault 1`.
    pub name: Option<String>,
    /// Go on with the next step while this one lasts.
    #[serde(default)]
    pub background: bool,
    /// A fault; the step lasts as long as it does.
    pub fault: Option<FaultText>,
    /// A load; the step lasts as long as it does.
    pub load: Option<LoadText>,
    /// Drains a backend; the end of the experiment puts it back.
    pub drain: Option<BackendText>,
    /// Takes a backend out; the end of the experiment puts it back.
    pub maint: Option<BackendText>,
    /// Makes a backend ready; the end of the experiment puts it back.
    pub ready: Option<BackendText>,
    /// Changes a weight; the end of the experiment puts it back.
    pub weight: Option<WeightText>,
    /// Waits: a duration, or a condition together with `within`.
    pub wait: Option<String>,
    /// With `wait`: how long at most.
    pub within: Option<DurationText>,
    /// Runs a program with its arguments; it must end with status 0.
    pub run: Option<Vec<String>>,
    /// With `run`: how long it may take; 30s.
    pub timeout: Option<DurationText>,
}

/// What ends it early.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Any of these conditions.
    #[serde(default, rename = "if")]
    pub conditions: Vec<ConditionText>,
}

/// How much faults may hit; the narrower of this and the configuration holds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most backends that have a fault at once.
    #[schemars(range(min = 1))]
    pub max_backends: Option<u32>,
    /// Largest share of a pool's requests that is hit.
    pub max_traffic: Option<ShareText>,
    /// Backends of a pool that stay without a fault and able to serve.
    pub min_ready: Option<u32>,
    /// Most requests that one fault may hold at once.
    pub max_held: Option<u32>,
}

/// Something that has to come about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The condition.
    pub what: ConditionText,
    /// By when, counted from `after`.
    pub within: DurationText,
    /// The beginning of a step (`fault 1`), or its end (`end of fault 1`); the first fault when absent.
    pub after: Option<String>,
}

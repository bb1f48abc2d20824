//! How a pool chooses its algorithm by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a pool chooses its algorithm by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoView {
    /// The arm that steers, or would while an operator has ordered another algorithm.
    pub arm: String,
    /// Since when.
    pub since_ms: u64,
    /// Why, with the evidence.
    pub reason: String,
    /// `enforce`, or `shadow` when it only advises.
    pub mode: String,
    /// What is to be low: `p99`, `mean`, `errors`.
    pub objective: String,
    /// By what part an arm must be better, and how much worse a switch may make it.
    pub margin: f64,
    /// Time between two decisions.
    pub epoch_ms: u64,
    /// The e-value that is enough for a switch.
    pub enough: f64,
    /// An operator has ordered an algorithm, so nothing is decided.
    pub is_held: bool,
    /// The last switch is still being looked at.
    pub is_on_trial: bool,
    /// The rule that holds, counted from 1.
    pub rule: Option<u64>,
    /// Switches since the start.
    pub switches: u64,
    /// Notes of workers that found no room, since the start.
    pub lost_notes: u64,
    /// The arms.
    pub arms: Vec<AutoArm>,
    /// The rules, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AutoRuleView>,
}

/// One rule that needs no learning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutoRuleView {
    /// Its number, counted from 1.
    pub rule: u64,
    /// What it says, such as `route reports` or `22:00-06:00`.
    pub when: String,
    /// The algorithm with its parameters.
    pub arm: String,
    /// It is in force: it holds, no rule before it takes all requests, and nobody has ordered an algorithm.
    pub holds: bool,
    /// Requests it was for since the start; absent of a rule for all requests.
    pub requests: Option<u64>,
}

/// One algorithm that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoArm {
    /// The algorithm with its parameters.
    pub name: String,
    /// It is learned about; else only rules name it.
    pub learned: bool,
    /// Its objective in the last epoch, as estimated: seconds, or a share. Absent while too little is known.
    pub value: Option<f64>,
    /// Sampled requests behind that.
    pub samples: u64,
    /// The evidence that it is better than the arm that steers; absent of that one.
    pub e_value: Option<f64>,
    /// It turned out worse and is not tried before.
    pub blocked_until_ms: Option<u64>,
}

//! How a pool picks, and how it could.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AutoView;

/// How a pool picks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlgorithmView {
    /// Its name.
    pub name: String,
    /// What the configuration says, when an operator changed it at run time.
    pub configured: String,
    /// True when the running value was changed at run time.
    pub overridden: bool,
    /// True when that change was read back from the journal after a restart.
    pub restored: bool,
    /// When the change reverts itself.
    pub until_ms: Option<u64>,
    /// Stickiness on top of it: `cookie NAME`, `source`, or absent.
    pub sticky: Option<String>,
    /// How it is chosen, in pools that choose by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoView>,
}

impl AlgorithmView {
    /// True when the pool chooses its algorithm by itself, and nobody has ordered another one.
    pub fn is_chosen(&self) -> bool {
        self.auto.as_ref().is_some_and(|auto| !auto.is_held)
    }

    /// Its name, and whether the pool chose it: `auto: least-connections`.
    pub fn in_words(&self) -> String {
        if self.is_chosen() { format!("auto: {}", self.name) } else { self.name.clone() }
    }
}

/// One algorithm that pools can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlgorithmInfo {
    /// Its name.
    pub name: String,
    /// What it does, in one sentence.
    pub summary: String,
    /// When to choose it.
    pub when: String,
    /// What decides a backend's share: `equal`, `weight`, or `adapts`.
    pub share: String,
    /// What can be tuned.
    #[serde(default)]
    pub params: Vec<ParamInfo>,
}

/// One parameter of an algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParamInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// The value when none is given.
    pub default: String,
    /// What is accepted.
    pub accepted: String,
}

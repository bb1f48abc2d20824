//! What is known about a backend from outside its traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One number about a backend, with its age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalView {
    /// What it is: `cpu`, `memory`, `utilization`, `in-flight`, `queue`, `gpu`, `rate`, `errors` or `custom`.
    pub signal: String,
    /// Its value; of `cpu`, `memory`, `utilization` and `gpu` a share, where 1 is all there is.
    pub value: f64,
    /// How long ago it was learned, in milliseconds.
    pub age_ms: u64,
    /// True when it is older than its expiry, and so counts as absent.
    pub stale: bool,
    /// Who said it: `headers`, `agent`, `scrape`, `query` or `probe`.
    pub source: String,
}

/// How well a source of numbers does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// Which: `headers`, `agent`, `scrape`, `query` or `probe`.
    pub source: String,
    /// Whether its last answer could be used and believed.
    pub ok: bool,
    /// Since when.
    pub since_ms: u64,
    /// Why not, when it could not.
    pub cause: Option<String>,
}

/// What the agent of a backend wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentView {
    /// The word that keeps new traffic away: `down`, `fail`, `stopped`, `drain` or `maint`; absent when there is none.
    pub hold: Option<String>,
    /// Share of its weight that it wants, 0 to 1.
    pub weight: f64,
    /// Its description; may be empty.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
}

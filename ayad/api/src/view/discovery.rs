//! Where the backends of a pool come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether what a source says can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// It has not answered yet; backends it had before are kept.
    Waiting,
    /// The last look was good.
    Fresh,
    /// The last look was not good; the last good set is kept.
    Stale,
}

impl Freshness {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

/// One source of a pool's backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoveryView {
    /// What it is, e.g. `dns shop.internal:8080`.
    pub source: String,
    /// Whether it can be relied on.
    pub state: Freshness,
    /// Since when.
    pub since_ms: u64,
    /// Why not, when it cannot.
    pub cause: Option<String>,
    /// When it was last looked at; absent before the first look, and for what operators say themselves.
    pub looked_ms: Option<u64>,
    /// When its backends last changed; absent when they never did.
    pub changed_ms: Option<u64>,
    /// Looks since the start.
    pub looks: u64,
    /// Looks since the start that were not good.
    pub failures: u64,
    /// Backends it has.
    pub backends: u32,
    /// Backends that were missing from the newest answers; they go if they stay so.
    pub missing: Vec<String>,
    /// Backends that were left out because there are too many.
    pub left_out: u32,
}

//! What happened: numbered events, and the items of the stream that pushes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Expected; no one needs to act.
    Info,
    /// Worth a look.
    Warning,
    /// Something is broken.
    Error,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Rises by one with every event of this daemon process.
    pub seq: u64,
    /// When.
    pub at_ms: u64,
    /// How loud.
    pub severity: Severity,
    /// `admin`, `health`, `breaker`, `breaker-order`, `outlier`, `panic`, `weight`, `algorithm`, `reload`, `daemon`, `listener`, `journal`, `upgrade`,
    /// `fault`, `run`, `note`.
    pub kind: String,
    /// What it is about: `pool/backend`, a pool, a listener, or `ayad`.
    pub subject: String,
    /// Value before, where there is one.
    pub from: Option<String>,
    /// Value after, where there is one.
    pub to: Option<String>,
    /// Why.
    pub cause: String,
    /// Who ordered it, for orders.
    pub by: Option<String>,
    /// Operation in the journal, for orders.
    pub op: Option<String>,
}

/// One line of `/v1/stream`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum StreamItem {
    /// Something happened.
    Event(Event),
    /// The reader was too slow, or asked for events that are no longer kept: this many are missing.
    Gap {
        /// How many events are missing.
        missed: u64,
        /// First event that follows.
        next: u64,
    },
    /// Nothing happened for a while; the connection is alive.
    Idle {
        /// Newest event so far.
        seq: u64,
    },
}

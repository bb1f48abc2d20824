//! What people order: one answer for every change, whatever it changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// See [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Operation in the journal; absent for a dry run and when nothing changed.
    pub op: Option<String>,
    /// False when it was already so.
    pub changed: bool,
    /// True when it was only tried: nothing was changed.
    pub dry_run: bool,
    /// What it is about: `pool/backend`, a pool, or `ayad`.
    pub subject: String,
    /// Which value: `admin`, `weight`, `breaker-order`, `learned`, `algorithm`, `backend`, `config`, `process`.
    pub field: String,
    /// Value before.
    pub before: String,
    /// Value after.
    pub after: String,
    /// Command that puts it back; absent when nothing changed.
    pub undo: Option<String>,
    /// When it reverts itself.
    pub until_ms: Option<u64>,
    /// Revision of the subject after the change.
    pub rev: u64,
    /// What a careful operator should know, e.g. that no other backend is eligible.
    pub warnings: Vec<String>,
}

/// One operation of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its id.
    pub op: String,
    /// When.
    pub at_ms: u64,
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// What it is about.
    pub subject: String,
    /// Which value.
    pub field: String,
    /// Value before.
    pub before: String,
    /// Value after.
    pub after: String,
    /// When it reverts itself.
    pub until_ms: Option<u64>,
}

/// How a change is to be made; travels in the query and in headers, the same for every change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeOptions {
    /// Only say what would change (`?dry_run=1`).
    pub dry_run: bool,
    /// Why (`?reason=`).
    pub reason: Option<String>,
    /// Revert after this many milliseconds (`?for_ms=`).
    pub for_ms: Option<u64>,
    /// The run that orders it (`?run=`): when the run is lost or forgotten, what has a time limit reverts at once.
    pub run: Option<String>,
    /// Only if the subject still has this revision (`If-Match`).
    pub if_rev: Option<u64>,
    /// The same key twice is one change (`Idempotency-Key`).
    pub idempotency_key: Option<String>,
}

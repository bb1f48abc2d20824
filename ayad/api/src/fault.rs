//! Faults: failures that are injected on purpose, what is known about them, and what keeps them small.
//!
//! A fault always has an end. It lives in the memory of the daemon alone: a restart clears it.

mod kind;
mod seen;
mod target;

pub use kind::{Distribution, Fault, FaultKind, KINDS, LyingHealth, Phase, Plane, ProcessState};
pub use seen::{
    ChaosLimits, ChaosView, EndedFault, FaultState, FaultView, LockView, Observed, Skipped, StopState,
    StopView,
};
pub use target::{FaultTarget, Per};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a fault lasts when nothing is said, in milliseconds.
pub const DEFAULT_LENGTH_MS: u64 = 60_000;
/// How long an attached fault outlives its caller when nothing is said, in milliseconds.
pub const DEFAULT_LEASE_MS: u64 = 3_000;
/// Longest lease of an attached fault, in milliseconds.
pub const LONGEST_LEASE_MS: u64 = 5_000;

/// A fault as it is ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultBody {
    /// What is done.
    pub fault: Fault,
    /// To whom. All that is said must hold.
    pub target: FaultTarget,
    /// Share of what matches that is hit, 0 to 1; 0 hits nothing at all, and counts what matches.
    #[serde(default = "all")]
    pub share: f64,
    /// What the share is of.
    #[serde(default)]
    pub per: Per,
    /// Decides which ones are hit; the same seed hits the same positions. Absent for one that is drawn, and told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// It ends after this many milliseconds.
    #[serde(default = "default_length")]
    pub for_ms: u64,
    /// It also ends when nobody has renewed it for this many milliseconds; absent when it needs no caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// Narrower limits than those of the configuration; absent for those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ChaosLimits>,
    /// Conditions that end it, in the language of [`crate::condition`]; looked at ten times a second.
    #[serde(default)]
    pub stop_if: Vec<String>,
    /// The run (experiment, game day) it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Inject it although the pool is unhealthy already or a limit of the pool would be passed.
    #[serde(default)]
    pub force: bool,
}

fn all() -> f64 {
    1.0
}

fn default_length() -> u64 {
    DEFAULT_LENGTH_MS
}

impl FaultBody {
    /// `fault` for `target`, all of it, for as long as is usual.
    pub fn new(fault: Fault, target: FaultTarget) -> Self {
        Self {
            fault,
            target,
            share: all(),
            per: Per::default(),
            seed: None,
            for_ms: default_length(),
            lease_ms: None,
            limits: None,
            stop_if: Vec::new(),
            run: None,
            force: false,
        }
    }
}

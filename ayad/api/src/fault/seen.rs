//! What is known about faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, FaultTarget, Per};
use crate::run::LoadLimits;

/// How much may be hit. The narrower of what the configuration and what the caller say holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChaosLimits {
    /// Most backends that faults may be for at once, over all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backends: Option<u32>,
    /// Largest share of a pool's requests that faults may hit, 0 to 1; what is over is skipped, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_traffic: Option<f64>,
    /// Backends of a pool that must stay without a fault and able to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready: Option<u32>,
    /// Most requests that one fault may hold at once; what is over is skipped, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_held: Option<u32>,
}

/// Where a fault is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// It was only tried: nobody is hit.
    Planned,
    /// It is injected.
    Active,
    /// It has ended; nothing of it is left.
    Ended,
}

/// What became of what matched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// Attempts (or connections, see [`Per`]) that matched.
    pub matched: u64,
    /// Those that were hit.
    pub hit: u64,
    /// Their share, 0 to 1; absent before the first match.
    pub share: Option<f64>,
    /// Lower end of the 99 % interval (Wilson) of that share.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// Those that are held by it now.
    pub held: u64,
    /// Those that would have been hit, by what kept them from it.
    pub skipped: Vec<Skipped>,
}

/// What was not hit although it was meant to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// `max-traffic`, `max-held`, `min-ready`, or `not-possible` (it came too late, or by a protocol that does not allow it).
    pub cause: String,
    /// How many.
    pub count: u64,
}

/// How a stop condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StopState {
    /// It does not hold: the fault goes on.
    Clear,
    /// It holds, but not for long enough yet.
    Pending,
    /// It ended the fault.
    Met,
    /// There is nothing to judge by.
    NoData,
}

/// One stop condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StopView {
    /// As it was written.
    pub condition: String,
    /// How it stands.
    pub state: StopState,
    /// The value it is judged by now, in the unit of its metric; absent when there is none.
    pub value: Option<f64>,
    /// Since when it stands so.
    pub since_ms: u64,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultView {
    /// Its id, e.g. `f7`; empty for one that was only tried.
    pub id: String,
    /// What is done.
    pub fault: Fault,
    /// To whom.
    pub target: FaultTarget,
    /// Share asked for, 0 to 1.
    pub share: f64,
    /// What the share is of.
    pub per: Per,
    /// What decides who is hit.
    pub seed: u64,
    /// Where it is in its life.
    pub state: FaultState,
    /// Since when it is injected.
    pub started_ms: u64,
    /// When it ends at the latest.
    pub ends_ms: u64,
    /// When it ends unless it is renewed; absent when it needs no caller.
    pub lease_ends_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Why it ended: `over`, `stopped`, `lease`, `condition`, `lock`, `panic`, `no data`, with what is known, in words.
    pub ended_by: Option<String>,
    /// Who injected it.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The run it is part of.
    pub run: Option<String>,
    /// Backends it is for now, as `pool/backend`.
    pub backends: Vec<String>,
    /// What became of what matched.
    pub observed: Observed,
    /// What would end it.
    pub stop_if: Vec<StopView>,
    /// Limits in force for it.
    pub limits: ChaosLimits,
}

/// A fault that has ended, as it is told beside those that are active.
pub type EndedFault = FaultView;

/// Why no fault may be injected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockView {
    /// Who locked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
}

/// Everything about faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChaosView {
    /// Whether the configuration allows faults at all.
    pub allowed: bool,
    /// Set while nobody may inject.
    pub lock: Option<LockView>,
    /// Longest time of a fault, in milliseconds.
    pub longest_ms: u64,
    /// Limits of the configuration.
    pub limits: ChaosLimits,
    /// Most faults at once.
    #[serde(default)]
    pub max_faults: u32,
    /// What the configuration says of load tests.
    #[serde(default)]
    pub load: LoadLimits,
    /// Faults that are injected now, oldest first.
    pub faults: Vec<FaultView>,
    /// The last ones that ended, newest first.
    pub ended: Vec<EndedFault>,
}

//! What keeps traffic from a backend that does badly: its breaker, orders about it, and how it stands among the others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BackendView;
use crate::axis::{BreakerOrder, Standing};

/// The breaker of each backend of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerSettings {
    /// Failures in a row that open it; 0 for never.
    pub failures: u32,
    /// How long it stays open before requests try, in milliseconds.
    pub open_ms: u64,
    /// How long it stays open at most, when trying fails again and again, in milliseconds.
    pub open_max_ms: Option<u64>,
    /// Share of failures in the window that opens it, 0 to 1; absent for never.
    pub error_share: Option<f64>,
    /// From when an answer is slow, in milliseconds; absent where slowness opens nothing.
    pub slow_ms: Option<u64>,
    /// Share of slow answers in the window that opens it, 0 to 1.
    pub slow_share: Option<f64>,
    /// Over what time shares are taken, in milliseconds.
    pub window_ms: Option<u64>,
    /// Fewest requests in the window that a share is believed of.
    pub min_calls: Option<u32>,
    /// Requests let through to try, all of which must succeed.
    pub trials: Option<u32>,
}

/// What people made of a breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerOrderView {
    /// What holds.
    pub order: BreakerOrder,
    /// Since when.
    pub since_ms: u64,
    /// Who ordered it.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When it reverts itself.
    pub until_ms: Option<u64>,
    /// True when it was read back from the journal after a restart.
    pub restored: bool,
}

/// What a breaker has in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerWindow {
    /// Requests.
    pub calls: u32,
    /// Requests that failed.
    pub failures: u32,
    /// Answers that were slow.
    pub slow: u32,
}

/// How a backend stands among the others of its pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StandingView {
    /// The standing.
    pub state: Standing,
    /// True when it is only told and nothing is done.
    pub shadow: bool,
    /// Since when it stands so. One that goes on being odd comes here again and again: ejected, tried, ejected.
    pub since_ms: u64,
    /// Since when it is not like the others, however it stood meanwhile; absent of a daemon that does not know.
    #[serde(default)]
    pub odd_since_ms: Option<u64>,
    /// When its ejection ends.
    pub until_ms: Option<u64>,
    /// In what it is odd: `failure-share`, `failures-in-row` or `slower-than-others`.
    pub reason: String,
    /// The same with its figures.
    pub cause: String,
    /// Ejections that are not forgiven yet; each makes the next one last longer.
    pub times: u32,
    /// Trials that succeeded so far, while it is tried.
    pub trials: Option<u32>,
    /// Trials that must succeed.
    pub trials_needed: Option<u32>,
}

impl StandingView {
    /// Since when it is not like the others, in milliseconds since 1970; what the present standing says of a daemon
    /// that does not know more.
    pub fn odd_since(&self) -> u64 {
        self.odd_since_ms.unwrap_or(self.since_ms)
    }

    /// True when it gets nothing for it, or no more than a trial at a time.
    pub fn keeps_out(&self) -> bool {
        matches!(self.state, Standing::Ejected | Standing::Trying) && !self.shadow
    }
}

impl BackendView {
    /// True when it is out of traffic: it cannot get a request now, or gets no more than trials after an ejection. Unlike
    /// [`BackendView::eligible`], this does not change with every trial.
    pub fn is_out(&self) -> bool {
        !self.eligible || self.standing.as_ref().is_some_and(StandingView::keeps_out)
    }
}

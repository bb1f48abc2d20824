//! What the daemon in the middle is told to do, and what people do to it.

use std::time::Duration;

use aya_core::axis::Admin;
use aya_core::load::SlowStart;
use aya_core::retry::{BudgetRules, RetryRules, Statuses};
use serde::{Deserialize, Deserializer, de::Error};

use crate::unit;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Health {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) interval: Duration,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breaker {
    pub(crate) failures: u32,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) open_for: Duration,
}

/// How failed answers are repeated.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    /// Most attempts for one request, the first included.
    pub(crate) attempts: u32,
    /// Part of the active requests that may be repetition; without it there is no limit.
    pub(crate) budget: Option<f64>,
    /// Longest time for one attempt.
    #[serde(default, deserialize_with = "unit::optional")]
    pub(crate) per_try: Option<Duration>,
}

/// How a backend that comes into traffic gets its share.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ramp {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) window: Duration,
    #[serde(default = "even")]
    pub(crate) aggression: f64,
    #[serde(default = "tenth")]
    pub(crate) min: f64,
}

/// What people order, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) at: Duration,
    pub(crate) backend: String,
    #[serde(default, deserialize_with = "admin")]
    pub(crate) admin: Option<Admin>,
    pub(crate) weight: Option<u32>,
}

/// From when on requests arrive at another pace.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) at: Duration,
    /// Requests per second, on average.
    pub(crate) rate: Option<f64>,
    /// The same as a part of what the backends could do.
    pub(crate) load: Option<f64>,
}

/// All backends restart, one after the other.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rolling {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) at: Duration,
    /// From one to the next.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) every: Duration,
    /// It is drained for so long before it stops.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) drain: Duration,
    /// How long it is away.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) down: Duration,
}

impl Retry {
    /// The rules of the daemon for this.
    pub(crate) fn rules(&self) -> RetryRules {
        let mut on_status = Statuses::NONE;
        on_status.insert(500, 599);
        let budget = self.budget.map_or(BudgetRules { share: 1.0, least: u32::MAX }, |share| BudgetRules {
            share,
            ..RetryRules::default().budget
        });
        RetryRules {
            attempts: self.attempts,
            on_reset: true,
            on_timeout: true,
            on_status,
            per_try: self.per_try,
            budget,
            ..RetryRules::default()
        }
    }
}

impl Ramp {
    pub(crate) fn rules(&self) -> SlowStart {
        SlowStart { window: self.window, aggression: self.aggression, min: self.min }
    }
}

fn admin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Admin>, D::Error> {
    let word = String::deserialize(from)?;
    let found = Admin::ALL.iter().copied().find(|admin| admin.as_str() == word);
    let unknown = || D::Error::custom(format!("\"{word}\" is none of ready, draining, drained, maint"));
    found.map(Some).ok_or_else(unknown)
}

fn even() -> f64 {
    1.0
}

fn tenth() -> f64 {
    0.1
}

//! What a scenario file can say. A [`Scenario`] that exists is valid: its names resolve and its numbers are
//! within limits, so the event loop need not ask again.

use std::collections::BTreeSet;
use std::time::Duration;

use aya_core::axis::Admin;
use aya_core::pick::{self, PickerSpec};
use serde::{Deserialize, Deserializer, de::Error};

use crate::expect::Expect;
use crate::unit;

/// Most backends of a scenario.
const MAX_BACKENDS: usize = 1_000;
/// Most requests a scenario may make, on average.
const MAX_REQUESTS: f64 = 10e6;
/// Most workers of a scenario.
const MAX_WORKERS: u32 = 256;

/// Why a scenario was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not TOML, has unknown keys, or values that cannot be.
    #[error("{0}")]
    Text(#[from] toml::de::Error),
    /// A value is outside its limits.
    #[error("{key}: {accepted}")]
    Limit {
        /// The key.
        key: &'static str,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A backend is named that does not exist, or twice.
    #[error("backend \"{name}\" {problem}")]
    Backend {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// One imagined situation, what happens in it and what must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// All chance follows from it.
    pub(crate) seed: u64,
    /// For how long requests arrive; those on the way at the end are finished.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) duration: Duration,
    /// Requests that arrive before this are played, but not counted.
    #[serde(default, deserialize_with = "unit::duration")]
    pub(crate) warm_up: Duration,
    /// Requests per second, on average; they arrive at random moments (a Poisson process).
    pub(crate) rate: f64,
    /// Different client addresses.
    #[serde(default = "default_clients")]
    pub(crate) clients: u32,
    /// Workers of the daemon, each with a picker of its own.
    #[serde(default = "default_workers")]
    pub(crate) workers: u32,
    /// Backends a request may be sent to when connections are refused, the first included.
    #[serde(default = "default_attempts")]
    pub(crate) attempts: usize,
    #[serde(deserialize_with = "algorithm")]
    pub(crate) algorithm: &'static PickerSpec,
    pub(crate) backend: Vec<Backend>,
    /// Without it backends are not checked, and a refused connection is followed by a penalty.
    pub(crate) health: Option<Health>,
    /// Without it the breaker is off.
    pub(crate) breaker: Option<Breaker>,
    /// What operators do, and when.
    #[serde(default)]
    pub(crate) change: Vec<Change>,
    pub(crate) expect: Expect,
}

/// One imagined server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backend {
    pub(crate) name: String,
    #[serde(default = "default_weight")]
    pub(crate) weight: u32,
    /// Requests it serves at the same time; others wait in the order they came.
    #[serde(default = "default_slots")]
    pub(crate) slots: u32,
    pub(crate) service: Service,
    /// A time in which it is slower.
    pub(crate) slow: Option<Slow>,
    /// Requests it answers, but with a failure.
    pub(crate) failing: Option<Failing>,
    /// A time in which it is dead: what it had is lost, and connections are refused.
    pub(crate) down: Option<Window>,
}

/// How long the work of a request takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Service {
    /// Always the same.
    Constant {
        #[serde(deserialize_with = "unit::duration")]
        mean: Duration,
    },
    /// Many short, few long.
    Exponential {
        #[serde(deserialize_with = "unit::duration")]
        mean: Duration,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slow {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) from: Duration,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) to: Duration,
    /// Times longer that work takes.
    pub(crate) factor: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failing {
    /// Share of its requests, 0 to 1.
    pub(crate) share: f64,
    /// How long a failure takes.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) after: Duration,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) from: Duration,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) to: Duration,
}

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

impl Scenario {
    /// Reads a scenario file.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check_limits()?;
        scenario.check_names()?;
        Ok(scenario)
    }

    /// What it shows, in a sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The number that all chance follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The same situation with another algorithm.
    #[must_use]
    pub fn with_algorithm(&self, algorithm: &'static PickerSpec) -> Self {
        Self { algorithm, ..self.clone() }
    }

    /// Position of a backend that the scenario names somewhere.
    pub(crate) fn position(&self, name: &str) -> usize {
        let found = self.backend.iter().position(|backend| backend.name == name);
        found.expect("every name is looked up when a scenario is read")
    }

    fn check_limits(&self) -> Result<(), ScenarioError> {
        let limit = |holds: bool, key, accepted| {
            if holds { Ok(()) } else { Err(ScenarioError::Limit { key, accepted }) }
        };
        limit(self.rate.is_finite() && self.rate > 0.0, "rate", "a number above 0 is accepted")?;
        let requests = self.rate * self.duration.as_secs_f64();
        limit(requests <= MAX_REQUESTS, "rate", "with the duration it may make 10 million requests")?;
        limit(self.clients > 0, "clients", "1 or more are accepted")?;
        limit((1..=MAX_WORKERS).contains(&self.workers), "workers", "1 to 256 are accepted")?;
        limit((1..=pick::MAX_TRIED).contains(&self.attempts), "attempts", "1 to 8 are accepted")?;
        limit((1..=MAX_BACKENDS).contains(&self.backend.len()), "backend", "1 to 1000 are accepted")?;
        limit(self.health.is_none_or(|h| !h.interval.is_zero()), "interval", "a time above 0 is accepted")?;
        for backend in &self.backend {
            limit(backend.slots > 0, "slots", "1 or more are accepted")?;
            let factor = backend.slow.is_none_or(|slow| (0.001..=10_000.0).contains(&slow.factor));
            limit(factor, "factor", "0.001 to 10000 is accepted")?;
            let share = backend.failing.is_none_or(|failing| (0.0..=1.0).contains(&failing.share));
            limit(share, "share", "0 to 1 is accepted")?;
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), ScenarioError> {
        let mut seen = BTreeSet::new();
        for backend in &self.backend {
            if !seen.insert(backend.name.as_str()) {
                let name = backend.name.clone();
                return Err(ScenarioError::Backend { name, problem: "appears twice" });
            }
        }
        let changed = self.change.iter().map(|change| &change.backend);
        let expected = self.expect.share.iter().map(|share| &share.backend);
        match changed.chain(expected).find(|name| !seen.contains(name.as_str())) {
            Some(name) => Err(ScenarioError::Backend { name: name.clone(), problem: "does not exist" }),
            None => Ok(()),
        }
    }
}

/// Reads the name of an algorithm.
pub(crate) fn algorithm<'de, D: Deserializer<'de>>(from: D) -> Result<&'static PickerSpec, D::Error> {
    let name = String::deserialize(from)?;
    pick::find(&name).ok_or_else(|| {
        let names: Vec<&str> = pick::PICKERS.iter().map(|spec| spec.name).collect();
        D::Error::custom(format!("\"{name}\" is no algorithm; {} are accepted", names.join(", ")))
    })
}

fn admin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Admin>, D::Error> {
    let word = String::deserialize(from)?;
    let found = Admin::ALL.iter().copied().find(|admin| admin.as_str() == word);
    let unknown = || D::Error::custom(format!("\"{word}\" is none of ready, draining, drained, maint"));
    found.map(Some).ok_or_else(unknown)
}

fn default_clients() -> u32 {
    1_000
}

fn default_workers() -> u32 {
    2
}

fn default_attempts() -> usize {
    3
}

fn default_weight() -> u32 {
    1
}

fn default_slots() -> u32 {
    4
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        about = "small"
        seed = 1
        duration = "1s"
        rate = 10.0
        algorithm = "round-robin"
        expect = {}
        [[backend]]
        name = "a"
        service = { kind = "constant", mean = "1ms" }
    "#;

    fn refusal(from: &str, to: &str) -> String {
        Scenario::from_toml(&SMALL.replace(from, to)).expect_err("it must be refused").to_string()
    }

    #[test]
    fn a_small_scenario_is_enough() {
        let scenario = Scenario::from_toml(SMALL).unwrap();

        assert_eq!((scenario.about(), scenario.seed()), ("small", 1));
    }

    #[test]
    fn mistakes_are_refused_with_what_would_be_accepted() {
        assert!(refusal("round-robin", "robin").contains("least-connections"));
        assert!(refusal("10.0", "0.0").contains("above 0"));
        assert!(refusal("\"1s\"", "\"1x\"").contains("no duration"));
        assert!(refusal("seed = 1", "seed = 1\nsede = 1").contains("sede"));
        assert!(
            refusal("expect = {}", "expect = { share = [{ backend = \"z\" }] }").contains("does not exist")
        );
    }
}

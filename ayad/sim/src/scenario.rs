//! What a scenario file can say. A [`Scenario`] that exists is valid: its names resolve and its numbers are
//! within limits, so the event loop need not ask again.

mod check;
mod policies;
mod servers;
mod set;

use std::time::Duration;

use aya_core::pick::{Choice, PickerSpec};
use serde::Deserialize;

pub(crate) use policies::{Breaker, Change, Health, Ramp, Retry, Rolling, Step};
pub(crate) use servers::{Backend, Noise, Window, Work, choose};

use crate::arm::{Arm, Way};
use crate::expect::Expect;
use crate::unit;

/// Why a scenario was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not TOML, has unknown keys, or values that cannot be.
    #[error("{0}")]
    Text(#[from] toml::de::Error),
    /// A path names no value that a scenario has.
    #[error(
        "\"{0}\" leads to no value of the scenario; keys are joined by dots, positions in lists count from 0, as in \
             \"backend.0.slots\""
    )]
    Path(String),
    /// A value is outside its limits.
    #[error("{key}{of}: {accepted}", of = of.as_ref().map(|name| format!(" of backend \"{name}\"")).unwrap_or_default())]
    Limit {
        /// The backend that has it, where one does.
        of: Option<String>,
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

impl ScenarioError {
    /// The line of the file that it is about, from 1, where that can be told.
    pub fn line(&self, text: &str) -> Option<usize> {
        let has = |line: &str, key: &str| {
            let rest = line.trim_start_matches(|c: char| c.is_whitespace() || c == '{').strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let named = |name: &str| {
            text.lines().position(|line| has(line, "name") && line.contains(&format!("\"{name}\"")))
        };
        match self {
            Self::Text(error) => {
                error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1)
            }
            Self::Path(_) => None,
            Self::Limit { of, key, .. } => {
                let from = of.as_deref().and_then(named).unwrap_or(0);
                let found = text.lines().skip(from).position(|line| has(line, key));
                found.map(|line| line + from + 1).or_else(|| of.as_ref().map(|_| from + 1))
            }
            Self::Backend { name, .. } => {
                let quoted = format!("\"{name}\"");
                text.lines()
                    .enumerate()
                    .filter(|(_, line)| line.contains(&quoted))
                    .last()
                    .map(|(line, _)| line + 1)
            }
        }
    }
}

/// One imagined situation, what happens in it and what must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// All chance follows from it.
    pub(crate) seed: u64,
    /// How many seeds a comparison plays, this one and those that follow.
    #[serde(default = "default_seeds")]
    pub(crate) seeds: u32,
    /// For how long requests arrive; those on the way at the end are finished.
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) duration: Duration,
    /// Requests that arrive before this are played, but not counted.
    #[serde(default, deserialize_with = "unit::duration")]
    pub(crate) warm_up: Duration,
    /// Requests per second, on average; they arrive at random moments (a Poisson process).
    pub(crate) rate: Option<f64>,
    /// The same as a part of what the backends could do, slots times speed.
    pub(crate) load: Option<f64>,
    /// Other paces from later moments on.
    #[serde(default)]
    pub(crate) step: Vec<Step>,
    /// What a request costs, where the backend does not say otherwise.
    pub(crate) work: Option<Work>,
    /// When a request is given up; a failure counts as that slow.
    #[serde(default = "default_deadline", deserialize_with = "unit::duration")]
    pub(crate) deadline: Duration,
    /// Time on the way to a backend, and the same back.
    #[serde(default, deserialize_with = "unit::duration")]
    pub(crate) network: Duration,
    /// Different client addresses.
    #[serde(default = "default_clients")]
    pub(crate) clients: u32,
    /// Proxies that share the backends and know nothing of each other.
    #[serde(default = "default_proxies")]
    pub(crate) proxies: u32,
    /// Workers of each, with pickers of their own on what its workers share.
    #[serde(default = "default_workers")]
    pub(crate) workers: u32,
    /// Backends a request may be sent to when connections are refused, the first included.
    #[serde(default = "default_attempts")]
    pub(crate) attempts: usize,
    /// What [`crate::run`] plays, and what the expectations are about.
    pub(crate) algorithm: Arm,
    /// What else a comparison plays.
    #[serde(default)]
    pub(crate) arms: Vec<Arm>,
    pub(crate) backend: Vec<Backend>,
    /// Without it backends are not checked, and a refused connection is followed by a penalty.
    pub(crate) health: Option<Health>,
    /// Without it the breaker is off.
    pub(crate) breaker: Option<Breaker>,
    /// Backends that do worse than the others of their pool are found and taken out.
    #[serde(default)]
    pub(crate) outliers: bool,
    /// Without it only refused connections go to another backend.
    pub(crate) retry: Option<Retry>,
    /// Without it a backend that comes into traffic has its full share at once.
    pub(crate) slow_start: Option<Ramp>,
    /// What operators do, and when.
    #[serde(default)]
    pub(crate) change: Vec<Change>,
    /// A restart of all backends.
    pub(crate) rolling: Option<Rolling>,
    pub(crate) expect: Expect,
    /// One for each server, as `backend` describes them.
    #[serde(skip)]
    pub(crate) servers: Vec<Backend>,
}

impl Scenario {
    /// Reads a scenario file.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text)?;
        scenario.check_limits()?;
        scenario.servers = scenario.backend.iter().flat_map(Backend::each).collect();
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

    /// The seeds that a comparison plays.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..u64::from(self.seeds)).map(move |number| first.wrapping_add(number))
    }

    /// What a comparison plays, the arm that the expectations are about first.
    pub fn arms(&self) -> Vec<Arm> {
        let compared = self.expect.compare.iter().flat_map(|c| c.arm.into_iter().chain([c.with]));
        let mut arms = Vec::new();
        for arm in [self.algorithm].into_iter().chain(self.arms.iter().copied()).chain(compared) {
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        arms
    }

    /// The same situation with so many seeds.
    #[must_use]
    pub fn with_seeds(&self, seeds: u32) -> Self {
        Self { seeds: seeds.max(1), ..self.clone() }
    }

    /// The same situation with another algorithm.
    #[must_use]
    pub fn with_algorithm(&self, algorithm: &'static PickerSpec) -> Self {
        let algorithm = Arm { way: Way::Picks(Choice::of(algorithm)), ..self.algorithm };
        Self { algorithm, ..self.clone() }
    }

    /// The same situation at another load, as a part of what the backends could do.
    pub fn with_load(&self, load: f64) -> Result<Self, ScenarioError> {
        let changed = Self { load: Some(load), rate: None, step: Vec::new(), ..self.clone() };
        changed.check_limits()?;
        Ok(changed)
    }

    /// Requests per second at the beginning.
    pub(crate) fn rate(&self) -> f64 {
        self.pace(self.rate, self.load)
    }

    /// Requests per second, of the one of the two that is said.
    pub(crate) fn pace(&self, rate: Option<f64>, load: Option<f64>) -> f64 {
        rate.or_else(|| Some(load? * self.capacity())).unwrap_or(0.0)
    }

    /// Requests per second that all slots together could do at their nominal speed.
    fn capacity(&self) -> f64 {
        let each = |b: &Backend| f64::from(b.slots) * b.speed / self.work_of(b).mean_seconds();
        self.backend.iter().map(|b| each(b) * b.count.unwrap_or(1) as f64).sum()
    }

    /// What requests cost at a backend.
    pub(crate) fn work_of(&self, backend: &Backend) -> Work {
        backend.service.or(self.work).expect("a backend without work was refused when the scenario was read")
    }

    /// Position of a backend that the scenario names somewhere.
    pub(crate) fn position(&self, name: &str) -> usize {
        let found = self.servers.iter().position(|backend| backend.name == name);
        found.expect("every name is looked up when a scenario is read")
    }
}

fn default_seeds() -> u32 {
    1
}

fn default_deadline() -> Duration {
    Duration::from_secs(10)
}

fn default_clients() -> u32 {
    1_000
}

fn default_proxies() -> u32 {
    1
}

fn default_workers() -> u32 {
    2
}

fn default_attempts() -> usize {
    3
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) const SMALL: &str = r#"
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
    fn what_would_take_all_memory_or_time_is_refused_and_so_is_nonsense() {
        let with = |lines: &str| refusal("seed = 1", &format!("seed = 1\n{lines}"));
        assert!(with("proxies = 1000\nworkers = 256").contains("workers"));
        assert!(with("warm_up = \"2s\"").contains("warm_up"));
        assert!(with("health = { interval = \"1s\", rise = 0, fall = 1 }").contains("rise"));
        assert!(with("breaker = { failures = 0, open_for = \"1s\" }").contains("1 failure"));
        assert!(with("retry = { attempts = 2, budget = nan }").contains("budget"));
        assert!(with("slow_start = { window = \"1s\", min = 2.0 }").contains("min"));
        let checks = "health = { interval = \"1ms\", rise = 1, fall = 1 }\nproxies = 500\nworkers = 1";
        let long = SMALL.replace("\"1s\"", "\"1440m\"").replace("10.0", "0.01");
        let long = Scenario::from_toml(&long.replace("seed = 1", &format!("seed = 1\n{checks}")));
        let refused = long.expect_err("it must be refused").to_string();
        assert!(refused.contains("50 million checks"), "{refused}");
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

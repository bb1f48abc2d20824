//! What a scenario is refused for.

use std::collections::BTreeSet;
use std::time::Duration;

use aya_core::pick;

use super::{Backend, Scenario, ScenarioError, Work};

/// Most backends of a scenario.
const MAX_BACKENDS: usize = 1_000;
/// Most requests a scenario may make, on average.
const MAX_REQUESTS: f64 = 10e6;
/// Most proxies of a scenario, and most workers of each.
const MAX_PROXIES: u32 = 1_000;
/// As above.
const MAX_WORKERS: u32 = 256;
/// Most seeds of a comparison.
const MAX_SEEDS: u32 = 1_000;

/// Most pickers: workers of all proxies. Some algorithms have a table for each.
const MAX_PICKERS: u64 = 1_000;
/// Most requests of all seeds together.
const MAX_PLAYED: f64 = 1e9;
/// Most checks, and most changes of speed, of one run.
const MAX_REPEATS: f64 = 50e6;

/// Shortest time between things that repeat themselves.
const SHORTEST: Duration = Duration::from_millis(1);

fn limit(holds: bool, key: &'static str, accepted: &'static str) -> Result<(), ScenarioError> {
    if holds { Ok(()) } else { Err(ScenarioError::Limit { of: None, key, accepted }) }
}

impl Scenario {
    pub(super) fn check_limits(&self) -> Result<(), ScenarioError> {
        limit((1..=MAX_SEEDS).contains(&self.seeds), "seeds", "1 to 1000 are accepted")?;
        limit(self.clients > 0, "clients", "1 or more are accepted")?;
        limit((1..=MAX_PROXIES).contains(&self.proxies), "proxies", "1 to 1000 are accepted")?;
        limit((1..=MAX_WORKERS).contains(&self.workers), "workers", "1 to 256 are accepted")?;
        let pickers = u64::from(self.proxies) * u64::from(self.workers);
        limit(pickers <= MAX_PICKERS, "workers", "with the proxies there may be 1000 of them")?;
        limit(self.warm_up < self.duration, "warm_up", "less than the duration is accepted")?;
        limit((1..=pick::MAX_TRIED).contains(&self.attempts), "attempts", "1 to 8 are accepted")?;
        limit(!self.deadline.is_zero(), "deadline", "a time above 0 is accepted")?;
        limit(self.health.is_none_or(|h| h.interval >= SHORTEST), "interval", "1ms and more are accepted")?;
        let count: usize = self.backend.iter().map(|b| b.count.unwrap_or(1)).fold(0, usize::saturating_add);
        limit((1..=MAX_BACKENDS).contains(&count), "backend", "1 to 1000 are accepted")?;
        self.check_policies(count)?;
        for backend in &self.backend {
            self.check_backend(backend).map_err(|error| match error {
                ScenarioError::Limit { key, accepted, .. } => {
                    ScenarioError::Limit { of: Some(backend.name.clone()), key, accepted }
                }
                other => other,
            })?;
        }
        self.check_pace()
    }

    fn check_policies(&self, backends: usize) -> Result<(), ScenarioError> {
        if let Some(health) = self.health {
            limit(
                health.rise > 0 && health.fall > 0,
                "health",
                "a rise and a fall of 1 or more are accepted",
            )?;
            let checks = self.repeats(health.interval) * backends as f64 * f64::from(self.proxies);
            limit(
                checks <= MAX_REPEATS,
                "interval",
                "with duration, backends and proxies it may make 50 million checks",
            )?;
        }
        limit(
            self.breaker.is_none_or(|breaker| breaker.failures > 0),
            "breaker",
            "1 failure or more is accepted",
        )?;
        let budget = self.retry.and_then(|retry| retry.budget);
        limit(budget.is_none_or(|budget| budget >= 0.0), "budget", "a share from 0 is accepted")?;
        let ramp = self.slow_start.is_none_or(|ramp| {
            ramp.aggression > 0.0 && ramp.aggression.is_finite() && (0.0..=1.0).contains(&ramp.min)
        });
        limit(ramp, "slow_start", "an aggression above 0 and a min from 0 to 1 are accepted")
    }

    /// How often something happens that happens every so often.
    fn repeats(&self, every: Duration) -> f64 {
        self.duration.as_secs_f64() / every.as_secs_f64()
    }

    fn check_backend(&self, backend: &Backend) -> Result<(), ScenarioError> {
        const FACTORS: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;
        limit(backend.service.or(self.work).is_some(), "work", "the scenario or each backend has to say it")?;
        limit(self.work_of(backend).mean_seconds() > 0.0, "work", "a time above 0 is accepted")?;
        limit(backend.slots > 0, "slots", "1 or more are accepted")?;
        limit(FACTORS.contains(&backend.speed), "speed", "0.001 to 10000 is accepted")?;
        let factor = backend.slow.is_none_or(|slow| FACTORS.contains(&slow.factor));
        limit(factor, "factor", "0.001 to 10000 is accepted")?;
        let share = backend.slow.is_none_or(|slow| (0.0..=1.0).contains(&slow.share));
        limit(share, "share", "0 to 1 is accepted")?;
        let cold = backend.cold.is_none_or(|cold| FACTORS.contains(&cold.factor) && !cold.over.is_zero());
        limit(cold, "cold", "a factor from 0.001 to 10000 over a time above 0 is accepted")?;
        let share = backend.failing.is_none_or(|failing| (0.0..=1.0).contains(&failing.share));
        limit(share, "share", "0 to 1 is accepted")?;
        if let Some(Work::Uniform { from, to }) = backend.service.or(self.work) {
            limit(from <= to, "work", "a time from the shorter to the longer is accepted")?;
        }
        for noise in &backend.noise {
            limit(noise.every.0 >= SHORTEST, "every", "1ms and more are accepted")?;
            let changes = self.repeats(noise.every.0) * backend.count.unwrap_or(1) as f64;
            limit(changes <= MAX_REPEATS, "every", "with duration and count it may make 50 million changes")?;
            let draws = noise
                .draws
                .iter()
                .all(|draw| draw.chance > 0.0 && FACTORS.contains(&draw.from) && FACTORS.contains(&draw.to));
            limit(draws && !noise.draws.is_empty(), "draws", "factors from 0.001 to 10000 are accepted")?;
            limit(noise.share > 0.0, "share", "a number above 0 is accepted")?;
        }
        Ok(())
    }

    fn check_pace(&self) -> Result<(), ScenarioError> {
        let steps = self.step.iter().map(|step| (step.rate, step.load));
        for (rate, load) in steps.chain([(self.rate, self.load)]) {
            limit(rate.is_some() != load.is_some(), "rate", "either a rate or a load has to be said")?;
            let pace = self.pace(rate, load);
            limit(pace.is_finite() && pace > 0.0, "rate", "a number above 0 is accepted")?;
            let requests = pace * self.duration.as_secs_f64();
            limit(requests <= MAX_REQUESTS, "rate", "with the duration it may make 10 million requests")?;
            let played = requests * f64::from(self.seeds) * (1 + self.arms.len()) as f64;
            limit(
                played <= MAX_PLAYED,
                "seeds",
                "with rate, duration and arms they may make a billion requests",
            )?;
        }
        let in_order = self.step.windows(2).all(|pair| pair[0].at < pair[1].at);
        limit(in_order, "step", "they have to be in the order of time")
    }

    pub(super) fn check_names(&self) -> Result<(), ScenarioError> {
        let mut seen = BTreeSet::new();
        for backend in &self.servers {
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

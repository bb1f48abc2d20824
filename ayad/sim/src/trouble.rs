//! How soon proxies found out about backends in trouble, and how often they saw trouble where none was.

use std::time::Duration;

use crate::report::Report;
use crate::scenario::{Backend, Scenario};

/// How long after its end trouble may still be found without being called false.
const GRACE: Duration = Duration::from_secs(1);

/// From when to when a backend fails or is slow; `None` for one that does neither.
fn trouble(backend: &Backend) -> Option<(Duration, Duration)> {
    let failing = backend
        .failing
        .map(|failing| (failing.from.unwrap_or_default(), failing.to.unwrap_or(Duration::MAX)));
    failing.or_else(|| backend.slow.map(|slow| (slow.from, slow.to)))
}

impl Report {
    /// From the beginning of trouble until every proxy had taken out every backend that it befell.
    pub(crate) fn ejected_within(&self, scenario: &Scenario) -> Option<Duration> {
        longest(scenario, |backend, proxy, from, to| {
            let outs = self
                .turns
                .iter()
                .filter(|turn| turn.is_out && (turn.backend, turn.proxy) == (backend, proxy));
            outs.map(|turn| turn.at).find(|at| (from..to).contains(at)).map(|at| at.saturating_sub(from))
        })
    }

    /// From the end of trouble until every proxy sent requests to every backend again that it befell.
    pub(crate) fn readmitted_within(&self, scenario: &Scenario) -> Option<Duration> {
        longest(scenario, |backend, proxy, _, to| {
            let turns = self.turns.iter().filter(|turn| (turn.backend, turn.proxy) == (backend, proxy));
            let last = turns.max_by_key(|turn| turn.at)?;
            (!last.is_out).then(|| last.at.saturating_sub(to))
        })
    }

    /// Times that a backend was taken out though nothing befell it, for each hour and proxy.
    pub(crate) fn false_ejections(&self, scenario: &Scenario) -> f64 {
        let is_false = |backend: usize, at: Duration| {
            let spell = trouble(&scenario.servers[backend]);
            spell.is_none_or(|(from, to)| at < from || at > to.saturating_add(GRACE))
        };
        let wrong = self.turns.iter().filter(|turn| turn.is_out && is_false(turn.backend, turn.at)).count();
        let hours = scenario.duration.as_secs_f64() / 3600.0;
        wrong as f64 / hours / f64::from(scenario.proxies)
    }
}

/// The longest of the times that every proxy took about every backend in trouble; `None` when one of them never did.
fn longest(
    scenario: &Scenario,
    time: impl Fn(usize, u32, Duration, Duration) -> Option<Duration>,
) -> Option<Duration> {
    let mut longest = None;
    for (backend, spec) in scenario.servers.iter().enumerate() {
        let Some((from, to)) = trouble(spec) else { continue };
        for proxy in 0..scenario.proxies {
            longest = longest.max(Some(time(backend, proxy, from, to)?));
        }
    }
    longest
}

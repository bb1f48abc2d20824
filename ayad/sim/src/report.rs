//! What came out of a run.

use std::fmt;
use std::time::Duration;

use aya_core::histogram::{Counts, bucket_of};
use aya_core::time::Tick;

use crate::arm::Arm;
use crate::job::Job;
use crate::scenario::Scenario;
use crate::shares::Shares;

/// Parts that the time of a run is shown in.
const PARTS: u32 = 60;

/// What one backend did.
#[derive(Clone, Debug, Default)]
pub struct BackendReport {
    /// Its name in the scenario.
    pub name: String,
    /// Requests it got; those it refused to connect for are not among them.
    pub requests: u64,
    /// Requests it answered with a failure, lost, or did not answer in time.
    pub failures: u64,
    /// Connections it refused.
    pub refused: u64,
    /// Times its breaker opened.
    pub opened: u64,
    /// Times its health changed.
    pub health_changes: u64,
}

/// A backend went out of the traffic of a proxy, or came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub at: Duration,
    /// Position of the proxy.
    pub proxy: u32,
    /// Position of the backend.
    pub backend: usize,
    /// Whether it went out.
    pub is_out: bool,
}

/// What came out of a run; requests that arrived during the warm-up are left out everywhere, except that
/// refused connections and changes of state are counted from the start.
#[derive(Clone, Debug)]
pub struct Report {
    /// The algorithm that was used, and what it knew.
    pub arm: Arm,
    /// What its chance followed from.
    pub seed: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that got no answer in time, or a failure.
    pub failures: u64,
    /// Attempts that were sent to backends.
    pub attempts: u64,
    /// Probes that were sent.
    pub probes: u64,
    /// Time from arrival to answer, in µs; a failure counts as the deadline.
    pub latency: Counts,
    /// The same in parts of time, by when requests arrived.
    pub parts: Vec<Counts>,
    /// How long such a part is.
    pub part: Duration,
    /// The backends, in the order of the scenario.
    pub backends: Vec<BackendReport>,
    /// When backends went out of traffic and came back.
    pub turns: Vec<Turn>,
    pub(crate) in_traffic: Shares,
    warm_up: Tick,
    deadline_us: u64,
}

impl Report {
    pub(crate) fn new(scenario: &Scenario, arm: &Arm, seed: u64) -> Self {
        let named = |name: &str| BackendReport { name: name.to_owned(), ..BackendReport::default() };
        let counted = scenario.duration.saturating_sub(scenario.warm_up);
        Self {
            arm: *arm,
            seed,
            requests: 0,
            failures: 0,
            attempts: 0,
            probes: 0,
            latency: Counts::new(),
            parts: vec![Counts::new(); PARTS as usize],
            part: (counted / PARTS).max(Duration::from_micros(1)),
            backends: scenario.servers.iter().map(|backend| named(&backend.name)).collect(),
            turns: Vec::new(),
            in_traffic: Shares::new(scenario.servers.iter().map(|b| f64::from(b.weight)).collect()),
            warm_up: Tick::ZERO.after(scenario.warm_up),
            deadline_us: scenario.deadline.as_micros() as u64,
        }
    }

    pub(crate) fn placed(&mut self, job: &Job, backend: usize, now: Tick) {
        if job.arrived >= self.warm_up {
            self.in_traffic.placed(backend, now);
            self.attempts += 1;
            self.backends[backend].requests += 1;
        }
    }

    pub(crate) fn answered(&mut self, job: &Job, now: Tick) {
        self.count(job, now.since(job.arrived).as_micros() as u64);
    }

    pub(crate) fn failed(&mut self, job: &Job, backend: Option<u32>) {
        if job.arrived < self.warm_up {
            return;
        }
        self.count(job, self.deadline_us);
        self.failures += 1;
        if let Some(backend) = backend {
            self.backends[backend as usize].failures += 1;
        }
    }

    fn count(&mut self, job: &Job, micros: u64) {
        if job.arrived < self.warm_up {
            return;
        }
        self.requests += 1;
        self.latency.add(bucket_of(micros), 1);
        let part = job.arrived.since(self.warm_up).as_nanos() / self.part.as_nanos();
        let last = self.parts.len() - 1;
        self.parts[(part as usize).min(last)].add(bucket_of(micros), 1);
    }

    pub(crate) fn turned(&mut self, proxy: u32, backend: usize, now: Tick, is_out: bool) {
        self.backends[backend].opened += u64::from(is_out);
        self.turns.push(Turn { at: now.since(Tick::ZERO), proxy, backend, is_out });
    }

    /// The share of all requests sent to backends that the one at `index` got, 0 to 1.
    pub fn share(&self, index: usize) -> f64 {
        let total: u64 = self.backends.iter().map(|backend| backend.requests).sum();
        let own = self.backends.get(index).map_or(0, |backend| backend.requests);
        if total == 0 { 0.0 } else { own as f64 / total as f64 }
    }

    /// The largest share of a backend in any 5 s of it, as a multiple of the fair one.
    pub fn most_share(&self) -> f64 {
        self.in_traffic.most()
    }

    /// Connections that backends refused.
    pub fn refused(&self) -> u64 {
        self.backends.iter().map(|backend| backend.refused).sum()
    }

    /// The latency that a share `q` of all requests does not exceed, in milliseconds; 0 without any.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        self.latency.quantile(q).unwrap_or(0) as f64 / 1e3
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| self.quantile_ms(q));
        writeln!(
            f,
            "{}: {} requests, {} failures, p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms",
            self.arm, self.requests, self.failures
        )?;
        for (index, backend) in self.backends.iter().enumerate() {
            let BackendReport { name, requests, failures, refused, opened, health_changes } = backend;
            writeln!(
                f,
                "  {name}: {:.1} % of requests ({requests}), {failures} failures, {refused} refused, \
                 breaker opened {opened} times, health changed {health_changes} times",
                self.share(index) * 100.0
            )?;
        }
        Ok(())
    }
}

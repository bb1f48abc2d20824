//! What came out of a run.

use std::fmt;

use aya_core::histogram::Counts;

/// What one backend did.
#[derive(Clone, Debug, Default)]
pub struct BackendReport {
    /// Its name in the scenario.
    pub name: String,
    /// Requests it got; those it refused to connect for are not among them.
    pub requests: u64,
    /// Requests it answered with a failure or lost.
    pub failures: u64,
    /// Connections it refused.
    pub refused: u64,
    /// Times its breaker opened.
    pub opened: u64,
    /// Times its health changed.
    pub health_changes: u64,
}

/// What came out of a run; requests that arrived during the warm-up are left out everywhere, except that
/// refused connections and changes of state are counted from the start.
#[derive(Clone, Debug)]
pub struct Report {
    /// The algorithm that was used.
    pub algorithm: &'static str,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that got no answer or a failure.
    pub failures: u64,
    /// Time from arrival to answer of all others, in µs.
    pub latency: Counts,
    /// The backends, in the order of the scenario.
    pub backends: Vec<BackendReport>,
}

impl Report {
    /// The share of all requests sent to backends that the one at `index` got, 0 to 1.
    pub fn share(&self, index: usize) -> f64 {
        let total: u64 = self.backends.iter().map(|backend| backend.requests).sum();
        let own = self.backends.get(index).map_or(0, |backend| backend.requests);
        if total == 0 { 0.0 } else { own as f64 / total as f64 }
    }

    /// Connections that backends refused.
    pub fn refused(&self) -> u64 {
        self.backends.iter().map(|backend| backend.refused).sum()
    }

    /// The latency that a share `q` of the answered requests does not exceed, in milliseconds; 0 without any.
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
            self.algorithm, self.requests, self.failures
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

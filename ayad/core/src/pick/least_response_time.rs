//! Least response time: the eligible backend that should answer soonest.
//!
//! ```text
//! cost     = estimate * (in_flight + 1) / weight, the least is picked, ties go round
//! estimate = service time (decayed mean over 10 s; failures count as slow)
//!            / (1 + quiet seconds)²   while nothing is in flight
//!            the smallest estimate of the set, for a backend without results
//! ```
//!
//! Two traps of this family are closed here. A backend that once was slow gets no traffic, so its estimate
//! would never be corrected: a quiet one is believed less and less, and one that is k times slower is tried
//! about every √k seconds, by one request at a time, because in-flight counts. A backend that hangs is never
//! quiet, so its estimate does not improve by silence. A new backend is taken to be as good as the best; what
//! it has in flight limits what that can cost.
//!
//! - Cost: two passes over the set with one division for each backend; one scratch entry for each backend.
//! - When: backends of different or changing speed. When not: answers differ in cost by kind of request more
//!   than by backend, because one estimate then describes nothing.
//! - Weight 0 gets nothing.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Scale, Score, Share, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::time::Tick;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "least-response-time",
    summary: "the backend that should answer soonest, by latency and requests in flight",
    when: "backends of different or changing speed",
    share: Share::Adapts,
    weighted: true,
    keyed: false,
    scale: Scale::least("ms expected for its weight"),
    params: &[],
    build: |setup| Box::new(LeastResponseTime { next: start_of(setup.seed), scratch: Vec::new() }),
};

/// See the module.
#[derive(Debug)]
pub struct LeastResponseTime {
    next: usize,
    scratch: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: usize,
    /// Nanoseconds; `None` before the first result.
    estimate: Option<f64>,
    /// Requests in flight with this one, for each unit of weight.
    busy: f64,
}

impl Picker for LeastResponseTime {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        self.scratch.clear();
        let mut fastest = f64::INFINITY;
        for index in ring(self.next, set.len()) {
            let load = &set[index];
            let weight = load.effective_weight();
            if weight == 0 || !ask.allows(index, load) {
                continue;
            }
            let in_flight = load.apparent();
            let estimate = estimate(load, in_flight, ask.now);
            fastest = fastest.min(estimate.unwrap_or(f64::INFINITY));
            let busy = (f64::from(in_flight) + 1.0) / f64::from(weight);
            self.scratch.push(Candidate { index, estimate, busy });
        }
        // Without any result all are alike, and any number makes the costs comparable.
        let unseen = if fastest.is_finite() { fastest } else { 1.0 };
        let cost = |candidate: &Candidate| candidate.estimate.unwrap_or(unseen) * candidate.busy;
        let best = self.scratch.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        self.next = best.index + 1;
        Some(best.index)
    }

    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let (load, weight) = (&set[index], set[index].effective_weight());
        let busy = (f64::from(load.apparent()) + 1.0) * f64::from(FULL_EASE) / f64::from(weight);
        let estimate = estimate(load, load.apparent(), ask.now);
        Score::plain(estimate.map_or(0.0, |ns| (ns * busy / 1e6) as f32))
    }

    fn prepare(&mut self, len: usize) {
        self.scratch.reserve(len.saturating_sub(self.scratch.len()));
    }
}

fn estimate(load: &Load, in_flight: u32, now: Tick) -> Option<f64> {
    let known = load.latency_ns()?;
    if in_flight > 0 {
        return Some(known);
    }
    let doubt = 1.0 + now.since(load.latency_at()).as_secs_f64();
    Some(known / (doubt * doubt))
}

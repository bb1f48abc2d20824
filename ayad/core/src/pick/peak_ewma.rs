//! Peak EWMA: of two random backends, the one with the least expected wait, where a slow answer is believed at once and
//! forgiven slowly.
//!
//! ```text
//! cost = peak * (in_flight + 1) / weight          the least of `choices` drawn at random is picked
//! peak = a slower answer replaces it, a faster one moves it by 1 - e^(-dt / decay); read, it decays towards 0,
//!        and of an idle backend is divided by (1 + quiet seconds)²: what was slow once is tried again
//! ```
//!
//! Failures count as slow (see [`Load::record`]). A backend without results is taken for the best of
//! those drawn with it, and what it then has in flight limits what that can cost.
//!
//! - Source: Finagle's `PeakEwma`.
//! - Cost: one exponential for each candidate, two candidates by default.
//! - When: hundreds of backends and many balancers in front of them. When not: few backends of which several are slow:
//!   of two draws out of four both hit one of two slow backends in a sixth of all cases, whatever the score says.
//! - Weight 0 gets nothing.

use std::sync::Arc;

use super::draw::Draw;
use super::{Ask, ParamSpec, Picker, PickerSpec, Scale, Score, Share};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::time::{Tick, nanos};

/// What a backend without results is taken for when no other drawn has any, in nanoseconds (linkerd's default).
const UNKNOWN: f32 = 30e6;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "peak-ewma",
    summary: "of two random ones, the least recent latency times requests in flight",
    when: "hundreds of backends of different speed, and many balancers in front of them",
    share: Share::Adapts,
    weighted: true,
    keyed: false,
    scale: Scale::least("ms expected for its weight, of those drawn"),
    params: &[
        ParamSpec::count("choices", 2, 1, 32, "backends drawn for each request"),
        ParamSpec::time("decay", 10.0, 0.01, 600.0, "how long a slow answer is remembered"),
    ],
    build: |setup| {
        let decay_ns = nanos(setup.params.time(1)) as f32;
        Box::new(PeakEwma { draw: Draw::new(setup.params.count(0)), decay_ns })
    },
};

/// See the module.
#[derive(Debug)]
pub struct PeakEwma {
    draw: Draw,
    decay_ns: f32,
}

impl Picker for PeakEwma {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let mut best: Option<(usize, f32)> = None;
        let drawn = self.draw.draw(set, ask, rng);
        let known = drawn.iter().filter_map(|&index| peak(&set[index as usize], self.decay_ns, ask.now));
        // A little less, so that of equals the unknown one is tried.
        let unknown = known.reduce(f32::min).unwrap_or(UNKNOWN) * 0.99;
        for &index in drawn {
            let load = &set[index as usize];
            let cost = cost(load, peak(load, self.decay_ns, ask.now).unwrap_or(unknown));
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((index as usize, cost));
            }
        }
        best.map(|(index, _)| index)
    }

    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let peak = peak(&set[index], self.decay_ns, ask.now).unwrap_or(UNKNOWN);
        Score::plain(cost(&set[index], peak) / 1e6)
    }
}

/// The decayed peak in nanoseconds; `None` before the first result.
fn peak(load: &Load, decay_ns: f32, now: Tick) -> Option<f32> {
    let peak = load.peak_ns()?;
    let quiet = nanos(now.since(load.latency_at())) as f32;
    let doubt = if load.apparent() == 0 { 1.0 + quiet / 1e9 } else { 1.0 };
    Some(peak * (-quiet / decay_ns).exp() / (doubt * doubt))
}

/// Expected wait in nanoseconds, for each unit of weight.
fn cost(load: &Load, peak: f32) -> f32 {
    let weight = load.effective_weight() as f32 / FULL_EASE as f32;
    peak * (load.apparent() as f32 + 1.0) / weight
}

//! Hot-cold: the fastest backend that is not busier than usual; when all are, the least busy one.
//!
//! ```text
//! busy      = (in flight + what others were reported to have in flight) / weight
//! hot       = busier than the `quantile` of what was seen of the pool lately (64 looks)
//! pick      = the cold one with the least expected latency; when all are hot, the least busy
//! expected  = service time * max(1, in flight / slots), of a backend that says or is told how many slots it has
//!             recent latency of others
//! ```
//!
//! The rule is Prequal's (Wydrowski, Kleinberg, Rumble and Archer, NSDI 2024: hot-cold lexicographic), on what a proxy
//! sees anyhow. Latencies that differ by less than a fifth are taken for equal, by steps whose edges are drawn anew for
//! each request, and then the less busy one is picked: equal backends share evenly, and none starves for a
//! microsecond. A backend without results is taken for the median of its pool. One that was slow and is idle is
//! believed less and less, `latency / (1 + quiet seconds)²`, so that it is tried again by one request at a time.
//!
//! - Cost: one pass over pools of up to 32 backends; of larger ones a sample of `choices`, and the one whose turn it
//!   is to be looked at.
//! - When: by default. When not: answers differ in cost by kind of request more than by backend, and the kinds go to
//!   different backends.
//! - Weight 0 gets nothing. Failures count as slow, never as fast (see [`Load::record`]).

use std::sync::Arc;
use std::time::Duration;

use super::draw::Draw;
use super::quantile::Quantile;
use super::{Ask, ParamSpec, Picker, PickerSpec, Share, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::time::Tick;

/// Largest set that is looked at whole.
const WHOLE: usize = 32;
/// How long the median of the pool is believed.
const MEDIAN_AGE: Duration = Duration::from_millis(10);
/// Bits of an `f32` by which two latencies may differ and still count as equal: a quarter of an octave.
const EQUAL_BITS: u32 = 21;
/// What a backend without results is taken for when no other has results either, in nanoseconds.
const UNKNOWN: f32 = 10e6;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "hot-cold",
    summary: "the fastest backend that is not busier than usual, else the least busy",
    when: "most pools; backends of different or changing speed, requests of unequal cost",
    share: Share::Adapts,
    weighted: true,
    params: &[
        ParamSpec::number("quantile", 0.84, 0.0, 1.0, "share of recent loads up to which a backend is cold"),
        ParamSpec::count("choices", 12, 1, 32, "backends looked at in pools of more than 32"),
    ],
    build: |setup| Box::new(HotCold::new(setup.seed, setup.params.get(0) as f32, setup.params.count(1))),
};

/// See the module.
#[derive(Debug)]
pub struct HotCold {
    next: usize,
    draw: Draw,
    loads: Quantile,
    median: f32,
    median_at: Option<Tick>,
}

/// What is compared: lower is better. Hot ones come after all cold ones.
type Rank = (bool, u32, f32);

impl HotCold {
    fn new(seed: u64, quantile: f32, choices: u32) -> Self {
        Self {
            next: start_of(seed),
            draw: Draw::new(choices),
            loads: Quantile::new(quantile),
            median: UNKNOWN,
            median_at: None,
        }
    }

    fn rank(&self, load: &Load, now: Tick, dither: u32) -> Rank {
        let busy = busy(load, now);
        if busy > self.loads.threshold() {
            return (true, 0, busy);
        }
        let expected = expected(load, now).unwrap_or(self.median);
        (false, (expected.to_bits() + dither) >> EQUAL_BITS, busy)
    }

    /// The median of what is expected of the pool, looked up seldom.
    fn refresh_median(&mut self, set: &[Arc<Load>], now: Tick) {
        if self.median_at.is_some_and(|at| now.since(at) < MEDIAN_AGE) {
            return;
        }
        self.median_at = Some(now);
        let mut known = [0.0; WHOLE];
        let mut len = 0;
        for index in ring(self.next, set.len()).take(WHOLE) {
            if let Some(expected) = expected(&set[index], now) {
                known[len] = expected;
                len += 1;
            }
        }
        if len > 0 {
            let known = &mut known[..len];
            known.sort_unstable_by(f32::total_cmp);
            self.median = known[len / 2];
        }
    }
}

impl Picker for HotCold {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        self.refresh_median(set, ask.now);
        let dither = rng.below(1 << EQUAL_BITS);
        let mut best: Option<(usize, Rank)> = None;
        let mut look = |picker: &Self, index: usize| {
            let rank = picker.rank(&set[index], ask.now, dither);
            if best.is_none_or(|(_, least)| rank < least) {
                best = Some((index, rank));
            }
        };
        let is_open = |index: usize| set[index].effective_weight() != 0 && ask.allows(index, &set[index]);
        if set.len() <= WHOLE {
            ring(self.next, set.len()).filter(|&index| is_open(index)).for_each(|index| look(self, index));
        } else {
            self.draw.draw(set, ask, rng);
            self.draw.drawn().iter().for_each(|&index| look(self, index as usize));
            let turn = self.next % set.len();
            if is_open(turn) {
                look(self, turn);
            }
        }
        let (index, _) = best?;
        let seen = self.next % set.len();
        if is_open(seen) {
            self.loads.push(busy(&set[seen], ask.now));
        }
        self.next = seen + 1;
        Some(index)
    }
}

/// Requests it has for each unit of weight.
fn busy(load: &Load, now: Tick) -> f32 {
    load.seen_in_flight(now) * FULL_EASE as f32 / load.effective_weight() as f32
}

/// What the next answer should take, in nanoseconds; `None` before the first result.
fn expected(load: &Load, now: Tick) -> Option<f32> {
    let service = load.service_ns()?;
    let in_flight = load.seen_in_flight(now);
    if in_flight < 1.0 {
        let doubt = 1.0 + now.since(load.latency_at()).as_secs_f32();
        return Some(service / (doubt * doubt));
    }
    let slots = load.slots();
    if slots == 0 {
        return Some(service);
    }
    Some(service * ((in_flight + 1.0) / slots as f32).max(1.0))
}

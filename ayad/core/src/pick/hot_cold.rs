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
use super::{Ask, Class, ParamSpec, Picker, PickerSpec, Scale, Score, Share, ring, start_of};
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
    scale: Scale::least("ms expected while cold, requests in flight when hot"),
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

    /// A number that is lower for a better backend. The sign bit of an `f32` that is never negative says hot; below it
    /// are, for cold ones, the step of the latency and then how busy it is.
    fn rank(&self, seen: &Seen, dither: u32) -> u64 {
        if seen.busy > self.loads.threshold() {
            return HOT | u64::from(seen.busy.to_bits());
        }
        let step = (seen.expected(self.median).to_bits() + dither) >> EQUAL_BITS;
        u64::from(step) << 32 | u64::from(seen.busy.to_bits())
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
            let expected = Seen::of(&set[index], now).expected(0.0);
            if expected > 0.0 {
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
        let turn = self.next % set.len().max(1);
        let (mut best, mut least, mut turn_busy) = (None, u64::MAX, None);
        let mut look = |picker: &Self, index: usize| {
            let load = &set[index];
            if load.effective_weight() == 0 || !ask.allows(index, load) {
                return;
            }
            let seen = Seen::of(load, ask.now);
            if index == turn {
                turn_busy = Some(seen.busy);
            }
            let rank = picker.rank(&seen, dither);
            if rank < least || best.is_none() {
                (best, least) = (Some(index), rank);
            }
        };
        if set.len() <= WHOLE {
            ring(turn, set.len()).for_each(|index| look(self, index));
        } else {
            self.draw.draw(set, ask, rng);
            self.draw.drawn().iter().for_each(|&index| look(self, index as usize));
            look(self, turn);
        }
        // One look for each pick, at everybody in turn: that is what the pool's load is like.
        if let Some(busy) = turn_busy {
            self.loads.push(busy);
        }
        self.next = turn + 1;
        best
    }

    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let seen = Seen::of(&set[index], ask.now);
        if seen.busy > self.loads.threshold() {
            return Score { value: seen.busy, class: Class::Hot };
        }
        Score { value: seen.expected(self.median) / 1e6, class: Class::Cold }
    }
}

/// Set in the rank of a hot backend.
const HOT: u64 = 1 << 63;

/// What is looked at of one backend.
struct Seen {
    /// Requests it has for each unit of weight.
    busy: f32,
    in_flight: f32,
    slots: f32,
    /// Service time in nanoseconds; zero before the first result.
    service: f32,
    /// Seconds since the last result, while it is idle.
    quiet: f32,
}

impl Seen {
    fn of(load: &Load, now: Tick) -> Self {
        let in_flight = load.seen_in_flight(now);
        let quiet = if in_flight < 1.0 {
            now.as_nanos().saturating_sub(load.latency_at().as_nanos()) as f32 * 1e-9
        } else {
            0.0
        };
        Self {
            busy: in_flight * FULL_EASE as f32 / load.effective_weight() as f32,
            in_flight,
            slots: load.slots() as f32,
            service: load.service_ns().unwrap_or(0.0),
            quiet,
        }
    }

    /// What the next answer should take, in nanoseconds; `unknown` before the first result.
    fn expected(&self, unknown: f32) -> f32 {
        if self.service <= 0.0 {
            return unknown;
        }
        let doubt = 1.0 + self.quiet;
        let crowd = if self.slots > 0.0 { ((self.in_flight + 1.0) / self.slots).max(1.0) } else { 1.0 };
        self.service * crowd / (doubt * doubt)
    }
}

//! Hot-cold: the fastest backend that is not busier than usual; when all are, the least busy one.
//!
//! ```text
//! busy      = (in flight + what others were reported to have in flight) / weight
//!             or the `signal` that a pool is told to go by, where backends report it
//! hot       = busier than the `quantile` of what was seen of the pool lately (64 looks), and than 2
//! pick      = the cold one with the least expected latency; when all are hot, the least busy; but a hot one
//!             that is faster even if it serves one request after the other
//! expected  = latency of the last few answers * (own in flight + 1)
//!             of a backend that says how many slots it has: service time * max(0.6, (busy + 1) / slots)
//! ```
//!
//! The rule is Prequal's (Wydrowski, Kleinberg, Rumble and Archer, NSDI 2024: hot-cold lexicographic), on what a proxy
//! sees anyhow. Latencies that differ by less than a fifth are taken for equal, by steps whose edges are drawn anew for
//! each request, and then the less busy one is picked: equal backends share evenly, and none starves for a
//! microsecond. A backend without results is taken for the median of its pool. One that was slow and is idle
//! drifts towards that median and then below it, so that it is tried again by one request at a time:
//! `(latency + median * (d - 1)) / d²` with `d = 1 + quiet² / 8 s²`.
//!
//! A trial that is offered, and a look that is granted because nothing is heard of a backend ([`Load::is_due`]), go before
//! everything else.
//!
//! - Cost: one pass over pools of up to 32 backends; of larger ones a sample of `choices`, and the one whose turn it
//!   is to be looked at.
//! - When: by default. When not: answers differ in cost by kind of request more than by backend, and the kinds go to
//!   different backends.
//! - Weight 0 gets nothing. Failures count as slow, never as fast (see [`Load::record`]).

mod seen;

use std::sync::Arc;
use std::time::Duration;

use seen::{Measure, Seen};

use super::draw::Draw;
use super::quantile::Quantile;
use super::{Ask, Class, ParamSpec, Picker, PickerSpec, Scale, Score, Setup, Share, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::signal::Signal;
use crate::time::Tick;

/// Largest set that is looked at whole.
const WHOLE: usize = 32;
/// How long the median of the pool is believed.
const MEDIAN_AGE: Duration = Duration::from_millis(10);
/// Bits of an `f32` by which two latencies may differ and still count as equal: a quarter of an octave.
const EQUAL_BITS: u32 = 20;
/// Picks for one look at the load of the pool, on average: drawn, so that the looks go round everybody.
const LOOK_EVERY: u32 = 4;
/// What a backend without results is taken for when no other has results either, in nanoseconds.
const UNKNOWN: f32 = 10e6;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "hot-cold",
    summary: "the fastest backend that is not busier than usual, else the least busy",
    when: "most pools; backends of different or changing speed, requests of unequal cost",
    share: Share::Adapts,
    weighted: true,
    keyed: false,
    scale: Scale::least("ms expected while cold, requests in flight when hot"),
    params: &[
        ParamSpec::number("quantile", 0.9, 0.0, 1.0, "share of recent loads up to which a backend is cold"),
        ParamSpec::count("choices", 12, 1, 32, "backends looked at in pools of more than 32"),
        ParamSpec::word("signal", MEASURES, "what says how busy a backend is, while it is known"),
        ParamSpec::time("expire", 10.0, 0.1, 600.0, "age from which on that signal means nothing"),
    ],
    build: |setup| Box::new(HotCold::new(setup)),
};

/// What can say how busy a backend is; the first one is our own count and what is reported of others.
const MEASURES: &[&str] = &["in-flight", "utilization", "cpu", "memory", "gpu", "queue", "custom"];

/// See the module.
#[derive(Debug)]
pub struct HotCold {
    measure: Measure,
    next: usize,
    draw: Draw,
    loads: Quantile,
    median: f32,
    median_at: Option<Tick>,
    /// What was expected of the best cold one at the last pick; 0 for none.
    cold_ns: f32,
    /// Whom the last pick looked at.
    looked: [Looked; WHOLE + 1],
    looked_at: usize,
}

impl HotCold {
    fn new(setup: &Setup) -> Self {
        let (quantile, choices) = (setup.params.get(0) as f32, setup.params.count(1));
        let word = MEASURES.get(setup.params.count(2) as usize).copied().unwrap_or_default();
        let signal = Signal::find(word).filter(|signal| *signal != Signal::InFlight);
        Self {
            measure: Measure { signal, expire: setup.params.time(3), absent: 0.0 },
            next: start_of(setup.seed),
            draw: Draw::new(choices),
            loads: Quantile::new(quantile),
            median: UNKNOWN,
            median_at: None,
            cold_ns: 0.0,
            looked: [Looked::default(); WHOLE + 1],
            looked_at: 0,
        }
    }

    /// Above which load a backend is hot.
    fn threshold(&self) -> f32 {
        self.loads.threshold().max(self.measure.never_hot())
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
            let expected = Seen::of(&set[index], FULL_EASE, now, self.measure).expected(0.0);
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
        let start = self.next % set.len().max(1);
        let dither = rng.below(1 << EQUAL_BITS);
        let threshold = self.threshold();
        self.measure.absent = threshold;
        let mut look = Look::new(threshold, self.median, ask, dither, self.measure, &mut self.looked);
        if set.len() <= WHOLE {
            let (before, after) = set.split_at(start);
            let from_start = (start..).zip(after).chain((0..).zip(before));
            from_start.for_each(|(index, load)| look.at(index, load, ask));
        } else {
            for &index in self.draw.draw(set, ask, rng) {
                look.at(index as usize, &set[index as usize], ask);
            }
            look.at(start, &set[start], ask);
        }
        (self.cold_ns, self.looked_at) = (look.cold_ns(), look.len);
        let best = look.choice()?;
        // Equals are picked in turn; of large sets everybody is looked at in turn.
        self.next = if set.len() <= WHOLE { best } else { start } + 1;
        if dither.is_multiple_of(LOOK_EVERY) {
            let seen = rng.below(set.len() as u32) as usize;
            self.loads
                .push(Seen::of(&set[seen], set[seen].effective_weight().max(1), ask.now, self.measure).busy);
        }
        Some(best)
    }

    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let load = &set[index];
        let seen = Seen::of(load, load.effective_weight(), ask.now, self.measure);
        Looked::of(index, load, &seen, self.threshold(), self.median).score(self.cold_ns)
    }

    fn looked(&self, each: &mut dyn FnMut(usize, Score)) -> bool {
        for looked in &self.looked[..self.looked_at] {
            each(looked.index as usize, looked.score(self.cold_ns));
        }
        true
    }
}

/// What a look found: what ranks and scores are made of.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    index: u32,
    busy: f32,
    /// Of a hot one what it takes in turn, of others what is expected.
    ns: f32,
    class: Class,
}

impl Looked {
    #[inline]
    fn of(index: usize, load: &Load, seen: &Seen, threshold: f32, median: f32) -> Self {
        let class = match (load.is_due(), seen.busy > threshold) {
            (true, _) => Class::Due,
            (_, true) => Class::Hot,
            (_, false) => Class::Cold,
        };
        let ns = if class == Class::Hot { seen.in_turn(median) } else { seen.expected(median) };
        Self { index: index as u32, busy: seen.busy, ns, class }
    }

    /// A number that is lower for a better backend: first who is due, then the cold ones by the step of their latency and
    /// then by how busy they are, then the hot ones. An `f32` that is never negative leaves the sign bit free.
    fn rank(&self, dither: u32) -> u64 {
        let busy = u64::from(self.busy.to_bits());
        match self.class {
            Class::Due => 0,
            Class::Hot => HOT | busy,
            _ => u64::from((self.ns.to_bits() + dither) >> EQUAL_BITS) << 32 | busy,
        }
    }

    /// Beside the best cold one, of which `cold_ns` is expected.
    fn score(&self, cold_ns: f32) -> Score {
        match self.class {
            Class::Hot if self.ns < cold_ns => Score { value: self.ns / 1e6, class: Class::Swift },
            Class::Hot => Score { value: self.busy, class: Class::Hot },
            class => Score { value: self.ns / 1e6, class },
        }
    }
}

/// Set in the rank of a hot backend.
const HOT: u64 = 1 << 63;

/// One pick: what backends are compared with, and the best so far.
struct Look<'a> {
    threshold: f32,
    median: f32,
    now: Tick,
    dither: u32,
    is_easy: bool,
    measure: Measure,
    looked: &'a mut [Looked; WHOLE + 1],
    len: usize,
    best: Option<usize>,
    least: u64,
    /// What is expected of the best, when it is cold.
    expected: f32,
    /// The hot one that is the fastest even if it serves one request after the other, and its time.
    swift: Option<usize>,
    swift_ns: f32,
}

impl<'a> Look<'a> {
    fn new(
        threshold: f32,
        median: f32,
        ask: &Ask<'_>,
        dither: u32,
        measure: Measure,
        looked: &'a mut [Looked; WHOLE + 1],
    ) -> Self {
        Self {
            threshold,
            median,
            now: ask.now,
            dither,
            is_easy: ask.is_easy(),
            measure,
            looked,
            len: 0,
            best: None,
            least: u64::MAX,
            expected: f32::INFINITY,
            swift: None,
            swift_ns: f32::INFINITY,
        }
    }

    #[inline]
    fn at(&mut self, index: usize, load: &Load, ask: &Ask<'_>) {
        let weight = load.effective_weight();
        let is_open = if self.is_easy { load.eligible(self.now) } else { ask.allows(index, load) };
        if weight == 0 || !is_open {
            return;
        }
        let seen = Seen::of(load, weight, self.now, self.measure);
        let looked = Looked::of(index, load, &seen, self.threshold, self.median);
        if let Some(place) = self.looked.get_mut(self.len) {
            *place = looked;
            self.len += 1;
        }
        if looked.class == Class::Hot && looked.ns < self.swift_ns {
            (self.swift, self.swift_ns) = (Some(index), looked.ns);
        }
        let rank = looked.rank(self.dither);
        if rank < self.least || self.best.is_none() {
            (self.best, self.least, self.expected) = (Some(index), rank, looked.ns);
        }
    }

    /// The best; but a hot one that is faster than the best cold one whatever it has to do first.
    fn choice(&self) -> Option<usize> {
        if self.swift_ns < self.cold_ns() { self.swift } else { self.best }
    }

    /// What is expected of the best when it is cold, else 0. Where people say which signal counts, that is what counts.
    fn cold_ns(&self) -> f32 {
        let is_cold =
            self.measure.signal.is_none() && self.best.is_some() && self.least > 0 && self.least & HOT == 0;
        if is_cold { self.expected } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;
    use crate::pick::{Choice, Tried};

    /// Two backends that take 0.3 ms and two that take `slow`, all idle; then a burst of requests at once.
    fn burst(slow: Duration, requests: usize) -> (Vec<u32>, Vec<Class>) {
        let set: Vec<_> = (0..4).map(|n| Arc::new(Load::new(n, 1, Health::Up))).collect();
        let mut picker = "hot-cold".parse::<Choice>().unwrap().build(1);
        let (mut rng, tried) = (Rng::seeded(1), Tried::new());
        for ms in 0..200 {
            let now = Tick::from_nanos(ms * 1_000_000);
            let index = picker.pick(&set, &Ask::any(now, 0, &tried), &mut rng).unwrap();
            let took = if index < 2 { Duration::from_micros(300) } else { slow };
            set[index].record(now, took, true);
        }
        let ask = Ask::any(Tick::from_nanos(200_000_000), 0, &tried);
        for _ in 0..requests {
            let index = picker.pick(&set, &ask, &mut rng).unwrap();
            assert!(set[index].try_acquire(ask.now, false));
        }
        let classes = (0..4).map(|index| picker.score(&set, index, &ask).class).collect();
        (set.iter().map(|load| load.in_flight()).collect(), classes)
    }

    #[test]
    fn a_burst_stays_on_the_fast_ones_as_long_as_waiting_there_is_shorter() {
        let (taken, classes) = burst(Duration::from_millis(20), 16);
        assert_eq!((taken[0] + taken[1], taken[2] + taken[3]), (16, 0), "{taken:?}");
        assert_eq!(classes, [Class::Swift, Class::Swift, Class::Cold, Class::Cold]);

        let (taken, classes) = burst(Duration::from_micros(500), 16);
        assert!(taken[2] + taken[3] >= 4, "{taken:?}");
        assert!(!classes.contains(&Class::Swift), "{classes:?}");
    }

    #[test]
    fn who_is_due_goes_first_and_says_so() {
        let set: Vec<_> = (0..3).map(|n| Arc::new(Load::new(n, 1, Health::Up))).collect();
        (0..9).for_each(|n| set[n % 3].record(Tick::ZERO, Duration::from_millis(1 + n as u64), true));
        set[2].record(Tick::ZERO, Duration::from_secs(1), true);
        let mut picker = "hot-cold".parse::<Choice>().unwrap().build(1);
        let (mut rng, tried) = (Rng::seeded(1), Tried::new());
        let ask = Ask::any(Tick::ZERO, 0, &tried);
        assert_ne!(picker.pick(&set, &ask, &mut rng), Some(2));

        set[2].grant_looks(1);
        assert_eq!(picker.score(&set, 2, &ask).class, Class::Due);
        assert_eq!(picker.pick(&set, &ask, &mut rng), Some(2));
    }
}

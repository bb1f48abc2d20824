//! Hot-cold: the fastest backend that is not busier than usual; when all are, the least busy one.
//!
//! ```text
//! busy      = (in flight + what others were reported to have in flight) / weight
//!             or the `signal` that a pool is told to go by, where backends report it
//! hot       = busier than the `quantile` of what was seen of the pool lately (64 looks), and than 2
//! pick      = the cold one with the least expected latency; when all are hot, the least busy; but a hot one
//!             that is faster by a third even if it serves one request after the other
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

use std::sync::Arc;
use std::time::Duration;

use super::draw::Draw;
use super::quantile::Quantile;
use super::{Ask, Class, ParamSpec, Picker, PickerSpec, Scale, Score, Setup, Share, ring, start_of};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::signal::Signal;
use crate::time::Tick;

/// Largest set that is looked at whole.
const WHOLE: usize = 32;
/// Load up to which a backend is never hot: in an idle pool one request is more than usual, and no reason to ask a slow
/// backend instead.
const NEVER_HOT: f32 = 2.0;
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
        let mut look = Look::new(threshold, self.median, ask, dither, self.measure);
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
        self.cold_ns = look.cold_ns();
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
        let seen = Seen::of(&set[index], set[index].effective_weight(), ask.now, self.measure);
        if set[index].is_due() {
            return Score { value: seen.expected(self.median) / 1e6, class: Class::Due };
        }
        if seen.busy > self.threshold() {
            let in_turn = seen.in_turn(self.median);
            if in_turn < SWIFT * self.cold_ns {
                return Score { value: in_turn / 1e6, class: Class::Swift };
            }
            return Score { value: seen.busy, class: Class::Hot };
        }
        Score { value: seen.expected(self.median) / 1e6, class: Class::Cold }
    }
}

/// How fast an idle backend's latency is doubted, for each square second.
const DOUBT: f32 = 0.125;
/// A hot backend is preferred to the best cold one when it takes less than this part of its time, all that it has to do
/// first included: among backends that differ by a factor a burst is better off on the fast ones.
const SWIFT: f32 = 0.7;
/// Set in the rank of a hot backend.
const HOT: u64 = 1 << 63;

/// One pick: what backends are compared with, and the best so far.
struct Look {
    threshold: f32,
    median: f32,
    now: Tick,
    dither: u32,
    is_easy: bool,
    measure: Measure,
    best: Option<usize>,
    least: u64,
    /// What is expected of the best, when it is cold.
    expected: f32,
    /// The hot one that is the fastest even if it serves one request after the other, and its time.
    swift: Option<usize>,
    swift_ns: f32,
}

impl Look {
    fn new(threshold: f32, median: f32, ask: &Ask<'_>, dither: u32, measure: Measure) -> Self {
        let (now, is_easy) = (ask.now, ask.is_easy());
        let (best, least, expected) = (None, u64::MAX, f32::INFINITY);
        let (swift, swift_ns) = (None, f32::INFINITY);
        Self { threshold, median, now, dither, is_easy, measure, best, least, expected, swift, swift_ns }
    }

    #[inline]
    fn at(&mut self, index: usize, load: &Load, ask: &Ask<'_>) {
        let weight = load.effective_weight();
        let is_open = if self.is_easy { load.eligible(self.now) } else { ask.allows(index, load) };
        if weight == 0 || !is_open {
            return;
        }
        let seen = Seen::of(load, weight, self.now, self.measure);
        let expected = seen.expected(self.median);
        let is_hot = seen.busy > self.threshold;
        if is_hot {
            let in_turn = seen.in_turn(self.median);
            if in_turn < self.swift_ns {
                (self.swift, self.swift_ns) = (Some(index), in_turn);
            }
        }
        let rank = match (load.is_due(), is_hot) {
            (true, _) => 0,
            (_, true) => HOT | u64::from(seen.busy.to_bits()),
            (_, false) => self.rank_cold(expected, seen.busy),
        };
        if rank < self.least || self.best.is_none() {
            (self.best, self.least, self.expected) = (Some(index), rank, expected);
        }
    }

    /// The best; but a hot one that is faster than the best cold one whatever it has to do first.
    fn choice(&self) -> Option<usize> {
        if self.swift_ns < SWIFT * self.cold_ns() { self.swift } else { self.best }
    }

    /// What is expected of the best when it is cold, else 0.
    fn cold_ns(&self) -> f32 {
        let is_cold = self.best.is_some() && self.least > 0 && self.least & HOT == 0;
        if is_cold { self.expected } else { 0.0 }
    }

    /// A number that is lower for a better backend. The sign bit of an `f32` that is never negative says hot; below it
    /// are, for cold ones, the step of the latency and then how busy it is.
    fn rank_cold(&self, expected: f32, busy: f32) -> u64 {
        let step = (expected.to_bits() + self.dither) >> EQUAL_BITS;
        u64::from(step) << 32 | u64::from(busy.to_bits())
    }
}

/// What says how busy a backend is.
#[derive(Clone, Copy, Debug)]
struct Measure {
    /// A signal in place of requests in flight.
    signal: Option<Signal>,
    expire: Duration,
    /// What a backend that does not tell counts as: not hot, and no better than the others.
    absent: f32,
}

impl Measure {
    /// The load up to which a backend is never hot, whatever is usual in its pool.
    fn never_hot(self) -> f32 {
        match self.signal {
            None => NEVER_HOT,
            Some(Signal::Queue) => 1.0,
            Some(Signal::Utilization | Signal::Cpu | Signal::Memory | Signal::Gpu) => 0.5,
            Some(_) => 0.0,
        }
    }

    fn read(self, signal: Signal, load: &Load, now: Tick) -> f32 {
        load.signals().fresh(signal, now, self.expire).map_or(self.absent, |value| value as f32)
    }
}

/// What is looked at of one backend.
struct Seen {
    /// Requests it has for each unit of weight, or the signal that stands for them.
    busy: f32,
    in_flight: f32,
    own: f32,
    slots: f32,
    /// Service time in nanoseconds; zero before the first result.
    service: f32,
    /// Seconds since the last result, while it is idle.
    quiet: f32,
}

impl Seen {
    #[inline]
    fn of(load: &Load, weight: u32, now: Tick, measure: Measure) -> Self {
        let own = load.in_flight() as f32;
        let in_flight = own + load.others(now);
        let quiet = if in_flight < 1.0 {
            now.as_nanos().saturating_sub(load.latency_at().as_nanos()) as f32 * 1e-9
        } else {
            0.0
        };
        let count =
            || if weight == FULL_EASE { in_flight } else { in_flight * FULL_EASE as f32 / weight as f32 };
        Self {
            busy: measure.signal.map_or_else(count, |signal| measure.read(signal, load, now)),
            in_flight,
            own,
            slots: load.slots() as f32,
            service: load.service_ns().unwrap_or(0.0),
            quiet,
        }
    }

    /// What the next answer takes at most, in nanoseconds: if it waits for everything that is in flight.
    fn in_turn(&self, unknown: f32) -> f32 {
        if self.service > 0.0 { self.service * (self.in_flight + 1.0) } else { unknown }
    }

    /// What the next answer should take, in nanoseconds; `unknown`, the median of the pool, before the first result.
    fn expected(&self, unknown: f32) -> f32 {
        if self.service <= 0.0 {
            return unknown;
        }
        let crowd =
            if self.slots > 0.0 { ((self.in_flight + 1.0) / self.slots).max(0.6) } else { self.own + 1.0 };
        let expected = self.service * crowd;
        if self.quiet <= 0.0 {
            return expected;
        }
        let doubt = 1.0 + self.quiet * self.quiet * DOUBT;
        (expected + unknown * (doubt - 1.0)) / (doubt * doubt)
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

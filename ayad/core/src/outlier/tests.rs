//! Laws of the guard, and streams like those of real pools, in virtual time.

use std::sync::Arc;

use super::*;
use crate::axis::Health;
use crate::breaker::Answer;
use crate::load::{FULL_EASE, SlowStart};
use crate::rng::Rng;

mod avoided;

const STEP: u64 = 100;

/// How a backend behaves.
#[derive(Clone, Copy)]
struct Manner {
    fails: f64,
    ms: f64,
}

const WELL: Manner = Manner { fails: 0.0, ms: 20.0 };

/// A pool under traffic that follows what the guard does: weights by ease, nothing to who is not eligible.
struct World {
    set: Vec<Arc<Load>>,
    manners: Vec<Manner>,
    rules: OutlierRules,
    quota: Quota,
    guard: Guard,
    rng: Rng,
    now: u64,
    failed: u32,
    seen: Vec<(u64, OutlierChange)>,
}

impl World {
    fn of(backends: usize) -> Self {
        Self {
            set: (0..backends).map(|n| Arc::new(Load::new(n as u64, 1, Health::Up))).collect(),
            manners: vec![WELL; backends],
            rules: OutlierRules::default(),
            quota: Quota::default(),
            guard: Guard::default(),
            rng: Rng::seeded(7),
            now: 0,
            failed: 0,
            seen: Vec::new(),
        }
    }

    fn at(&self) -> Tick {
        Tick::from_nanos(self.now * 1_000_000)
    }

    /// `each` requests a second for each backend in mean, for so many milliseconds.
    fn run(&mut self, ms: u64, each: f64) {
        let end = self.now + ms;
        while self.now < end {
            let expected = each * self.set.len() as f64 / 1_000.0;
            for _ in 0..poisson(expected, &mut self.rng) {
                self.request();
            }
            self.now += 1;
            if self.now.is_multiple_of(STEP) {
                self.tend();
            }
        }
    }

    fn tend(&mut self) {
        let mut changes = Vec::new();
        let settings = Settings { outliers: Some(&self.rules), slow_start: None };
        self.guard.tend(self.at(), settings, &self.set, &self.quota, &mut changes);
        self.seen.extend(changes.into_iter().map(|change| (self.now, change)));
    }

    fn request(&mut self) {
        let now = self.at();
        let weight = |load: &Load| if load.eligible(now) { u64::from(load.effective_weight()) } else { 0 };
        let sum: u64 = self.set.iter().map(|load| weight(load)).sum();
        let mut left = self.rng.below_wide(sum);
        let picked = self.set.iter().position(|load| {
            let own = weight(load);
            let is_it = left < own;
            left = left.saturating_sub(own);
            is_it
        });
        // Nobody to ask counts as a failure.
        let Some(index) = picked else { return self.failed += 1 };
        let load = Arc::clone(&self.set[index]);
        assert!(load.try_acquire(now, false));
        self.finish(index);
        load.release();
    }

    fn finish(&mut self, index: usize) -> Answer {
        let Manner { fails, ms } = self.manners[index];
        let ok = self.rng.unit() >= fails;
        self.failed += u32::from(!ok);
        // Exponentially distributed, as queues make them.
        let took = Duration::from_secs_f64(-(1.0 - self.rng.unit()).ln() * ms / 1_000.0);
        let answer = Answer { sent: self.at(), took, ok };
        if let Some(change) = self.set[index].watch(self.at(), answer, &self.quota) {
            self.seen.push((self.now, OutlierChange { index, ..change }));
        }
        answer
    }

    fn when(&self, index: usize, to: Standing) -> Option<u64> {
        self.seen.iter().find(|(_, change)| change.index == index && change.to == to).map(|(at, _)| *at)
    }

    fn ejections(&self) -> usize {
        self.seen.iter().filter(|(_, change)| change.to == Standing::Ejected).count()
    }
}

fn poisson(mean: f64, rng: &mut Rng) -> u32 {
    let (limit, mut product, mut count) = ((-mean).exp(), rng.unit(), 0);
    while product > limit {
        product *= rng.unit();
        count += 1;
    }
    count
}

#[test]
fn two_of_twenty_that_fail_at_once_are_out_at_once_and_back_soon() {
    let mut world = World::of(20);
    world.run(10_000, 40.0);
    for bad in [3, 11] {
        world.manners[bad] = Manner { fails: 1.0, ms: 0.5 };
    }
    world.run(30_000, 40.0);
    assert!(world.failed <= 60, "{} failed", world.failed);
    for bad in [3, 11] {
        assert!(world.when(bad, Standing::Ejected).unwrap() < 11_000);
        world.manners[bad] = WELL;
    }
    world.run(5_000, 40.0);
    for bad in [3, 11] {
        assert_eq!(world.set[bad].watched().standing(), Standing::In);
    }
    world.run(2_000, 40.0);
    assert!(world.set.iter().all(|load| load.ease() == FULL_EASE));
}

#[test]
fn backends_that_fail_now_and_then_are_found_within_three_seconds() {
    for bad in [1, 3] {
        let mut world = World::of(10);
        world.run(20_000, 100.0);
        assert_eq!(world.seen, []);
        world.manners[..bad].fill(Manner { fails: 0.2, ..WELL });
        world.run(3_000, 100.0);
        for index in 0..bad {
            assert!(world.when(index, Standing::Ejected).is_some(), "{index}: {:?}", world.seen);
            let finding = world.set[index].watched().finding().unwrap();
            assert!(finding.z > 3.5 && finding.value > 0.05 && finding.median < 0.01, "{finding:?}");
        }
        assert!(world.seen.iter().all(|(_, change)| change.index < bad), "{:?}", world.seen);
        // A trial passes by luck; the many that are asked of such a backend hardly ever do.
        let before = world.failed;
        world.run(60_000, 100.0);
        let share = f64::from(world.failed - before) / (60.0 * 100.0 * 10.0);
        assert!(share < 0.006, "{share}");
    }
}

#[test]
fn a_slow_backend_gets_less_but_is_not_ejected_and_recovers() {
    let mut world = World::of(10);
    world.run(20_000, 100.0);
    world.manners[4].ms = 80.0;
    world.run(3_000, 100.0);
    assert_eq!(world.set[4].watched().standing(), Standing::Doubted);
    assert_eq!(world.set[4].watched().finding().unwrap().oddity, Oddity::Slow);
    world.run(30_000, 100.0);
    assert_eq!((world.ejections(), world.set[4].ease()), (0, 102));

    world.manners[4] = WELL;
    world.run(20_000, 100.0);
    assert_eq!((world.set[4].watched().standing(), world.set[4].ease()), (Standing::In, FULL_EASE));
}

#[test]
fn one_that_is_slower_by_far_is_ejected_and_its_trials_ask_for_speed() {
    let mut world = World::of(5);
    world.run(10_000, 50.0);
    world.manners[0].ms = 2_000.0;
    world.run(12_000, 50.0);
    assert!(world.when(0, Standing::Ejected).is_some());
    assert_ne!(world.set[0].watched().standing(), Standing::In);
    world.manners[0] = WELL;
    world.run(8_000, 50.0);
    assert_eq!(world.set[0].watched().standing(), Standing::In);
}

#[test]
fn clean_traffic_ejects_nobody_in_hours() {
    let mut suspected = 0;
    for (seed, fails) in [(1, 0.0), (2, 0.002), (3, 0.01), (4, 0.03)] {
        let mut world = World::of(10);
        world.rng = Rng::seeded(seed);
        world.manners.fill(Manner { fails, ms: 20.0 });
        world.run(3_600_000, 20.0);
        assert_eq!(world.ejections(), 0, "{fails}: {:?}", world.seen);
        suspected += world.seen.iter().filter(|(_, change)| change.to == Standing::Suspected).count();
    }
    assert!(suspected <= 4, "{suspected} false suspicions in four hours");
}

#[test]
fn when_all_are_bad_or_slow_nobody_is_worse() {
    for manner in
        [Manner { fails: 0.3, ..WELL }, Manner { fails: 1.0, ..WELL }, Manner { fails: 0.0, ms: 900.0 }]
    {
        let mut world = World::of(6);
        world.run(10_000, 50.0);
        world.manners.fill(manner);
        world.run(60_000, 50.0);
        let out: Vec<_> = world.seen.iter().filter(|(_, change)| change.to == Standing::Ejected).collect();
        // One may go before it is seen that all fail; it is back with the next look.
        assert!(out.len() <= 1, "{out:?}");
        assert!(world.set.iter().all(|load| load.watched().standing() == Standing::In), "{:?}", world.seen);
        if let Some((at, change)) = out.first() {
            assert!(world.seen.iter().any(|(back, other)| {
                *back <= at + STEP
                    && other.index == change.index
                    && other.back == Some(Return::OthersNoBetter)
            }));
        }
    }
}

#[test]
fn three_are_enough_and_two_are_not() {
    for (backends, out) in [(3, 1), (2, 0)] {
        let mut world = World::of(backends);
        world.run(5_000, 20.0);
        world.manners[0].fails = 1.0;
        world.run(2_000, 20.0);
        let is_out = world.set.iter().filter(|load| load.is_ejected()).count();
        assert_eq!(is_out, out, "of {backends}");
    }
}

#[test]
fn less_than_half_are_ejected_whatever_happens() {
    for (backends, bad, most) in [(4, 1, 1), (10, 4, 4), (11, 5, 5), (9, 4, 4)] {
        let mut world = World::of(backends);
        world.run(10_000, 50.0);
        world.manners[..bad].fill(Manner { fails: 1.0, ..WELL });
        world.run(3_000, 50.0);
        let is_out = |world: &World| world.set.iter().filter(|load| load.is_ejected()).count();
        assert_eq!(is_out(&world), most, "{bad} of {backends}");
        // The rest goes too: the pool keeps what it has.
        world.manners.fill(Manner { fails: 1.0, ..WELL });
        for _ in 0..50 {
            world.run(100, 50.0);
            assert!(is_out(&world) <= most);
        }
    }
}

#[test]
fn a_lower_cap_holds() {
    let mut world = World::of(10);
    world.rules.max_ejected = 0.2;
    world.run(10_000, 50.0);
    world.manners[..4].fill(Manner { fails: 1.0, ..WELL });
    for _ in 0..100 {
        world.run(100, 50.0);
        assert!(world.set.iter().filter(|load| load.is_ejected()).count() <= 1);
    }
}

#[test]
fn shadow_tells_and_does_nothing() {
    let mut world = World::of(10);
    world.rules.enforce = false;
    world.run(10_000, 50.0);
    world.manners[2].fails = 1.0;
    world.run(5_000, 50.0);

    assert!(world.when(2, Standing::Ejected).is_some());
    assert!(!world.set[2].is_ejected() && world.set.iter().all(|load| load.ease() == FULL_EASE));
}

#[test]
fn ejections_last_longer_each_time_and_are_forgiven() {
    let mut world = World::of(10);
    world.run(10_000, 50.0);
    world.manners[1].fails = 1.0;
    world.run(20_000, 50.0);
    let out = world.seen.iter().filter(|(_, change)| change.to == Standing::Ejected).map(|(at, _)| *at);
    let out: Vec<u64> = out.collect();
    let gaps: Vec<u64> = out.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert_eq!(gaps[..3], [1, 2, 4], "{out:?}");

    let times = world.set[1].watched().times();
    world.manners[1] = WELL;
    world.run(40_000, 50.0);
    assert!(world.set[1].watched().times() < times);
}

#[test]
fn switched_off_everybody_is_back() {
    let mut world = World::of(10);
    world.run(10_000, 50.0);
    world.manners[1].fails = 1.0;
    world.run(1_000, 50.0);
    assert!(world.set[1].is_ejected());

    let mut changes = Vec::new();
    let off = Settings { outliers: None, slow_start: None };
    world.guard.tend(world.at(), off, &world.set, &world.quota, &mut changes);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].index, changes[0].back), (1, Some(Return::SwitchedOff)));
    assert!(!world.set[1].is_ejected());
}

#[test]
fn the_ease_is_what_ramp_standing_and_signals_leave() {
    let mut world = World::of(3);
    world.set[0].set_signal_factor(0.5);
    world.set[1].begin_ramp(Tick::from_nanos(1));
    let slow_start = SlowStart { window: Duration::from_secs(10), aggression: 1.0, min: 0.1 };
    let settings = Settings { outliers: None, slow_start: Some(&slow_start) };
    let now = Tick::from_nanos(5_000_000_001);
    world.guard.tend(now, settings, &world.set, &world.quota, &mut Vec::new());

    let eases: Vec<u32> = world.set.iter().map(|load| load.ease()).collect();
    assert_eq!(eases, [FULL_EASE / 2, FULL_EASE / 2, FULL_EASE]);
}

#[test]
fn a_pardon_brings_it_back_at_once() {
    let mut world = World::of(10);
    world.run(10_000, 50.0);
    world.manners[1].fails = 1.0;
    world.run(1_000, 50.0);
    let change = world.set[1].pardon(world.at(), Return::Ordered).unwrap();

    assert_eq!(
        (change.from, change.to, change.back),
        (Standing::Ejected, Standing::In, Some(Return::Ordered))
    );
    assert!(!world.set[1].is_ejected() && world.set[1].watched().times() == 0);
    assert_eq!(world.set[1].pardon(world.at(), Return::Ordered), None);
}

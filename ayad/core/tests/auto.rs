//! Whether choosing by itself chooses right, over hours of virtual time: arms that are alike are left alone, a better one
//! is found, and one that only looks better is given up again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use aya_core::auto::{
    Auto, AutoRules, Ballot, Cell, Decision, LearnedAuto, MAX_ARMS, Objective, Rule, When, Why,
};
use aya_core::axis::Health;
use aya_core::load::Load;
use aya_core::pick::{Ask, Picker, Tried};
use aya_core::rng::Rng;
use aya_core::time::Tick;

const EPOCH: Duration = Duration::from_secs(30);

/// Servers with a queue each; times in seconds.
struct World {
    rng: Rng,
    now: f64,
    loads: Vec<Arc<Load>>,
    /// Mean service time of each server, and when it is free.
    servers: Vec<(f64, f64)>,
    pickers: Vec<Box<dyn Picker>>,
    /// What ends: when, the server, requests it had, and how long it took, in nanoseconds.
    ends: BinaryHeap<Reverse<(u64, usize, u32, u64)>>,
    auto: Auto,
    decisions: Vec<(f64, Decision)>,
    /// One in so many requests is shown to the arms.
    every: u32,
}

fn rules(arms: &[&str], objective: Objective) -> AutoRules {
    let arms: Vec<_> = arms.iter().map(|arm| arm.parse().expect("an algorithm")).collect();
    AutoRules {
        learned: arms.len(),
        arms,
        start: 0,
        epoch: EPOCH,
        objective,
        margin: 0.05,
        advises: false,
        rules: Vec::new(),
        offset: 0,
    }
}

impl World {
    fn new(rules: AutoRules, service: &[f64], seed: u64) -> Self {
        let load = |token: usize| {
            let load = Load::new(token as u64, 1, Health::Up);
            Arc::new(load)
        };
        let loads: Vec<_> = (0..service.len()).map(load).collect();
        let make = |(number, arm): (usize, &aya_core::pick::Choice)| {
            let mut picker = arm.build(seed + 100 * number as u64);
            picker.learn_set(&loads);
            picker
        };
        Self {
            rng: Rng::seeded(seed),
            now: 0.0,
            servers: service.iter().map(|mean| (*mean, 0.0)).collect(),
            pickers: rules.arms.iter().enumerate().map(make).collect(),
            loads,
            ends: BinaryHeap::new(),
            auto: Auto::new(Arc::new(rules), 0, Tick::ZERO),
            decisions: Vec::new(),
            every: 2,
        }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.rng.unit()).ln()
    }

    /// Lets this many requests per second come for some seconds.
    fn play(&mut self, rate: f64, seconds: f64) {
        let until = self.now + seconds;
        let mut tick_at = self.now.floor() + 1.0;
        let mut arrival = self.now + self.exponential(1.0 / rate);
        while self.now < until {
            let next = arrival.min(tick_at);
            self.finish(next);
            self.now = next;
            if next >= tick_at {
                tick_at += 1.0;
                let minute = (self.now / 60.0) as u16 % (24 * 60);
                let decision = self.auto.tick(at(self.now), minute, rate);
                self.decisions.extend(decision.map(|decision| (self.now, decision)));
            } else {
                self.arrive();
                arrival = self.now + self.exponential(1.0 / rate);
            }
        }
    }

    fn finish(&mut self, until: f64) {
        while let Some(Reverse((end, server, among, took))) = self.ends.peek().copied() {
            if end > nanos(until) {
                return;
            }
            self.ends.pop();
            self.loads[server].release();
            let took = Duration::from_nanos(took);
            self.loads[server].record_among(Tick::from_nanos(end), took, true, among as f32);
            self.auto.served(Cell::new(server, among as f32), took, true);
        }
    }

    fn arrive(&mut self) {
        let tried = Tried::new();
        let ask = Ask::any(at(self.now), self.rng.next_u64(), &tried);
        let current = self.auto.current();
        let cell =
            |loads: &[Arc<Load>], index: usize| Cell::new(index, (loads[index].in_flight() + 1) as f32);
        let server = self.pickers[current].pick(&self.loads, &ask, &mut self.rng).expect("all are up");
        if self.rng.below(self.every) == 0 {
            let mut ballot: Ballot = [None; MAX_ARMS];
            for (arm, picker) in self.pickers.iter_mut().enumerate() {
                let named =
                    if arm == current { Some(server) } else { picker.pick(&self.loads, &ask, &mut self.rng) };
                ballot[arm] = named.map(|index| cell(&self.loads, index));
            }
            self.auto.named(&ballot);
        }
        assert!(self.loads[server].try_acquire(at(self.now), false));
        let among = self.loads[server].in_flight();
        let (mean, free) = self.servers[server];
        let end = free.max(self.now) + self.exponential(mean);
        self.servers[server].1 = end;
        self.ends.push(Reverse((nanos(end), server, among, nanos(end - self.now))));
    }

    /// Epochs until the decision at this position.
    fn epochs_until(&self, position: usize) -> f64 {
        self.decisions[position].0 / EPOCH.as_secs_f64()
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn at(seconds: f64) -> Tick {
    Tick::from_nanos(nanos(seconds))
}

#[test]
fn arms_that_are_alike_are_left_alone_for_hours() {
    let mut switched = Vec::new();
    for arm in ["random", "least-connections", "hot-cold"] {
        for objective in [Objective::Mean, Objective::P99] {
            for seed in 0..2 {
                let mut world = World::new(rules(&[arm, arm, arm], objective), &[0.03, 0.04, 0.05], seed);
                world.play(40.0, 3600.0);
                assert!(world.auto.blocks(1) > 500, "it was looked at {} times", world.auto.blocks(1));
                if !world.decisions.is_empty() {
                    switched.push((arm, objective, seed, world.decisions.len()));
                }
            }
        }
    }
    // Twelve hours in all, and one in twenty *days* is what is stated.
    assert!(switched.is_empty(), "{switched:?}");
}

#[test]
fn a_clearly_better_arm_is_chosen_within_ten_epochs_and_kept() {
    for objective in [Objective::Mean, Objective::P99] {
        for seed in 0..8 {
            let arms = ["random", "least-connections", "round-robin"];
            let mut world = World::new(rules(&arms, objective), &[0.015, 0.02, 0.04, 0.04], seed);
            world.play(60.0, 3600.0);
            let (_, first) = world.decisions[0];
            assert!(matches!(first.why, Why::Better(proof) if proof.from / proof.to > 1.05), "{first:?}");
            assert_eq!(first.to, 1, "{objective:?} {seed}: {first:?}");
            assert!(world.epochs_until(0) <= 10.0, "{objective:?} {seed}: {} epochs", world.epochs_until(0));
            assert_eq!(world.auto.current(), 1, "{objective:?} {seed}: {:?}", world.decisions);
        }
    }
}

#[test]
fn an_arm_that_only_looks_better_is_given_up_within_two_epochs() {
    for seed in 0..8 {
        // The first server is the fastest, until it gets everything.
        let mut world =
            World::new(rules(&["round-robin", "first"], Objective::Mean), &[0.01, 0.03, 0.03, 0.03], seed);
        world.play(95.0, 3600.0);
        let all = &world.decisions;
        assert!(all.len() >= 2, "{seed}: {all:?}");
        for pair in all.chunks(2) {
            let [(tried, to), (ended, back)] = pair else { continue };
            assert!(matches!(to.why, Why::Better(_)) && to.to == 1, "{to:?}");
            assert!(matches!(back.why, Why::Worse(_)) && back.to == 0, "{back:?}");
            assert!(ended - tried <= 2.0 * EPOCH.as_secs_f64() + 2.0, "{seed}: {tried} to {ended}");
        }
        // It waits longer each time before it tries that again.
        let tries: Vec<f64> = all.iter().step_by(2).map(|(at, _)| *at).collect();
        assert!(tries.windows(3).all(|t| t[2] - t[1] > 1.5 * (t[1] - t[0])), "{seed}: {tries:?}");
    }
}

#[test]
fn rules_come_first_and_what_was_learned_comes_back() {
    let mut wanted = rules(&["round-robin", "random", "least-connections"], Objective::Mean);
    wanted.learned = 1;
    wanted.rules = vec![
        Rule { when: When { rate_over: Some(100.0), ..When::default() }, class: None, arm: 2 },
        Rule { when: When { time: Some((10, 20)), ..When::default() }, class: None, arm: 1 },
    ];
    let mut world = World::new(wanted, &[0.001; 3], 1);
    world.play(20.0, 300.0);
    world.play(120.0, 60.0);
    world.play(90.0, 60.0);
    world.play(20.0, 300.0);
    world.play(20.0, 600.0);

    let told: Vec<_> = world.decisions.iter().map(|(_, d)| (d.to, d.why)).collect();
    let expected = [(2, Why::Rule(0)), (0, Why::RuleEnded), (1, Why::Rule(1)), (0, Why::RuleEnded)];
    assert_eq!(told, expected);
}

#[test]
fn nothing_is_decided_over_the_head_of_a_person() {
    let mut world = World::new(rules(&["random", "least-connections"], Objective::Mean), &[0.02, 0.04], 3);
    world.auto.hold(true, Tick::ZERO);
    world.play(40.0, 1200.0);
    assert_eq!(world.decisions, []);

    world.auto.hold(false, at(world.now));
    world.play(40.0, 1200.0);
    assert_eq!(world.decisions.len(), 1);
}

#[test]
fn who_only_advises_switches_nothing_and_says_it_once_in_a_while() {
    let mut advising = rules(&["random", "least-connections"], Objective::Mean);
    advising.advises = true;
    let mut world = World::new(advising, &[0.02, 0.04], 3);
    world.play(40.0, 1200.0);

    assert_eq!(world.auto.current(), 0);
    assert!((1..=4).contains(&world.decisions.len()), "{:?}", world.decisions);
    assert!(world.decisions.iter().all(|(_, decision)| decision.is_advice && decision.to == 1));
}

#[test]
fn a_pool_without_requests_decides_nothing() {
    let rules = Arc::new(rules(&["random", "first"], Objective::P99));
    let mut auto = Auto::new(rules, 0, Tick::ZERO);
    for second in 0..100_000_u64 {
        assert_eq!(auto.tick(Tick::from_nanos(second * 1_000_000_000), 0, 0.0), None);
    }
}

#[test]
fn a_process_that_goes_on_decides_as_the_one_before_would_have() {
    let arms = ["round-robin", "least-connections"];
    let mut rules = rules(&arms, Objective::Mean);
    rules.rules = vec![Rule { when: When { rate_over: Some(1e9), ..When::default() }, class: None, arm: 1 }];
    let mut world = World::new(rules, &[0.002, 0.002, 0.020], 5);
    let switched = (0..40).find(|_| {
        world.play(100.0, EPOCH.as_secs_f64() / 4.0);
        world.auto.is_on_trial()
    });
    assert!(switched.is_some(), "{:?}", world.decisions);

    let (rules, now) = (Arc::clone(world.auto.rules()), at(world.now));
    let was = world.auto.learned(now);
    let later = Tick::from_nanos(7_000_000_000);
    let auto = Auto::resume(Arc::clone(&rules), &was, later).expect("the same rules");
    assert_eq!((auto.current(), auto.is_on_trial()), (1, true));
    assert_eq!(auto.learned(later), was, "nothing is lost on the way");
    assert_eq!(
        auto.arms().map(|arm| arm.e_value).collect::<Vec<_>>(),
        world.auto.arms().map(|arm| arm.e_value).collect::<Vec<_>>()
    );

    // Both see the same bad epochs, and both go back.
    let worse = |mut auto: Auto, from: Tick| {
        (1..=90).find_map(|second| {
            (0..20).for_each(|_| auto.served(Cell::new(0, 1.0), Duration::from_secs(5), true));
            let decided = auto.tick(from.after(Duration::from_secs(second)), 0, 20.0)?;
            Some((second, decided.to, matches!(decided.why, Why::Worse(_))))
        })
    };
    let went_on = worse(auto, later);
    assert_eq!(went_on.map(|(_, to, is_worse)| (to, is_worse)), Some((0, true)));
    assert_eq!(worse(world.auto, now), went_on);
}

#[test]
fn what_cannot_have_been_learned_by_these_rules_is_left_out() {
    let rules = Arc::new(rules(&["round-robin", "p2c"], Objective::Mean));
    let was = Auto::new(Arc::clone(&rules), 1, Tick::ZERO).learned(Tick::ZERO);
    let resumes = |was: &_| Auto::resume(Arc::clone(&rules), was, Tick::ZERO).is_some();
    assert!(resumes(&was));
    for wrong in [
        LearnedAuto { current: 2, ..was.clone() },
        LearnedAuto { learned: 9, ..was.clone() },
        LearnedAuto { rule: Some(0), ..was.clone() },
        LearnedAuto { arms: was.arms[..1].to_vec(), ..was.clone() },
    ] {
        assert!(!resumes(&wrong), "{wrong:?}");
    }
    let mut absurd = was.clone();
    absurd.arms[0].evidence.0 = vec![f64::NAN; 3];
    absurd.history = vec![(f64::NAN, 1.0)];
    let auto = Auto::resume(Arc::clone(&rules), &absurd, Tick::ZERO).expect("the rest of it is sound");
    assert!(auto.arms().all(|arm| arm.e_value.is_none_or(|e| (e - 0.5).abs() < 1e-9)));
}

//! How a pool is divided before an algorithm picks in it, held over every algorithm where it can be.

use std::sync::Arc;

use aya_core::axis::{Admin, Health};
use aya_core::hash::mix;
use aya_core::load::Load;
use aya_core::pick::{Ask, Choice, Chooser, PICKERS, Plan, Standing, TierRules, Tried, find};
use aya_core::rng::Rng;
use aya_core::signal::Signal;
use aya_core::time::Tick;

struct Pool {
    set: Vec<Arc<Load>>,
    chooser: Chooser,
    rng: Rng,
    now: Tick,
}

impl Pool {
    fn new(algorithm: &str, rules: TierRules, standings: Vec<Standing>) -> Self {
        let set: Vec<Arc<Load>> =
            (0..standings.len()).map(|i| Arc::new(Load::new(mix(i as u64, 5), 1, Health::Up))).collect();
        let choice = Choice::of(find(algorithm).expect("the table has it"));
        let chooser = Chooser::new(&choice, Arc::new(Plan { rules, standings }), 1, &set);
        Self { set, chooser, rng: Rng::seeded(2), now: Tick::ZERO }
    }

    /// Shares of 4,000 picks whose requests end at once, with the groups looked at anew.
    fn shares(&mut self, prefer: u64) -> Vec<f64> {
        self.now = self.now.after(std::time::Duration::from_millis(20));
        let mut hits = vec![0_u32; self.set.len()];
        for _ in 0..4_000 {
            let key = self.rng.next_u64();
            let tried = Tried::new();
            let ask = Ask::any(self.now, key, &tried);
            if let Some(pick) = self.chooser.pick(&self.set, &ask, prefer, &mut self.rng) {
                hits[pick.index] += 1;
            }
        }
        hits.into_iter().map(|n| f64::from(n) / 4_000.0).collect()
    }

    fn busy(&self, index: usize, in_flight: u32) {
        (0..in_flight).for_each(|_| assert!(self.set[index].try_acquire(self.now, false)));
    }
}

fn zones(numbers: &[u8]) -> Vec<Standing> {
    numbers.iter().map(|&zone| Standing { priority: 0, zone: Some(zone) }).collect()
}

fn priorities(numbers: &[u8]) -> Vec<Standing> {
    numbers.iter().map(|&priority| Standing { priority, zone: None }).collect()
}

fn sum(shares: &[f64]) -> f64 {
    shares.iter().sum()
}

#[test]
fn requests_stay_in_their_zone_while_it_has_room_under_every_algorithm() {
    for spec in PICKERS {
        let mut pool =
            Pool::new(spec.name, TierRules { local: Some(1), ..TierRules::default() }, zones(&[0, 0, 1, 1]));
        let shares = pool.shares(0);
        assert!((sum(&shares[2..]) - 1.0).abs() < 1e-9, "{}: {shares:?}", spec.name);

        let preferred = pool.shares(0b01);
        assert!((sum(&preferred[..2]) - 1.0).abs() < 1e-9, "{}: {preferred:?}", spec.name);

        pool.set[2].set_health(Health::Down);
        pool.set[3].set_admin(Admin::Draining, false);
        let failed_over = pool.shares(0);
        assert!((sum(&failed_over[..2]) - 1.0).abs() < 1e-9, "{}: {failed_over:?}", spec.name);
    }
}

#[test]
fn a_full_zone_gives_away_what_is_over_its_spill_point_unless_all_are_as_full() {
    let rules = TierRules { local: Some(1), ..TierRules::default() };
    let mut pool = Pool::new("round-robin", rules, zones(&[0, 0, 1, 1]));
    for index in [2, 3] {
        pool.set[index].signals().set(Signal::Utilization, Tick::from_nanos(1), 1.0).unwrap();
    }
    let kept = sum(&pool.shares(0)[2..]);
    assert!((kept - 0.8).abs() < 0.03, "{kept}");

    for index in [0, 1] {
        pool.set[index].signals().set(Signal::Utilization, Tick::from_nanos(1), 1.0).unwrap();
    }
    assert!((sum(&pool.shares(0)[2..]) - 1.0).abs() < 1e-9);
}

#[test]
fn without_reports_the_requests_in_flight_say_what_is_used() {
    let rules = TierRules { local: Some(1), capacity: 10.0, ..TierRules::default() };
    let mut pool = Pool::new("round-robin", rules, zones(&[0, 1]));
    pool.busy(1, 8);
    assert!((pool.shares(0)[1] - 1.0).abs() < 1e-9);

    pool.busy(1, 8);
    let kept = pool.shares(0)[1];
    assert!((kept - 0.5).abs() < 0.03, "{kept}");
}

#[test]
fn groups_fail_over_below_five_sevenths_and_only_as_far_as_needed() {
    let mut pool = Pool::new("round-robin", TierRules::default(), priorities(&[0, 0, 0, 0, 1, 1]));
    assert!((sum(&pool.shares(0)[..4]) - 1.0).abs() < 1e-9);

    pool.set[0].set_health(Health::Down);
    assert!((sum(&pool.shares(0)[..4]) - 1.0).abs() < 1e-9, "three of four still carry everything");
    pool.set[1].set_health(Health::Down);
    let half = sum(&pool.shares(0)[..4]);
    assert!((half - 0.7).abs() < 0.03, "{half}");
    for load in &pool.set[..4] {
        load.set_health(Health::Down);
    }
    assert!((sum(&pool.shares(0)[4..]) - 1.0).abs() < 1e-9);
}

#[test]
fn in_panic_everybody_is_asked_whom_people_want_ready() {
    for spec in PICKERS.iter().filter(|spec| spec.name != "first") {
        let rules = TierRules { panic: 0.5, ..TierRules::default() };
        let mut pool = Pool::new(spec.name, rules, priorities(&[0, 0, 0, 0, 0]));
        pool.set[4].set_admin(Admin::Maint, false);
        for load in &pool.set[..3] {
            load.set_health(Health::Down);
        }
        let shares = pool.shares(0);
        assert!(shares[..4].iter().all(|&share| share > 0.1), "{}: {shares:?}", spec.name);
        assert!(shares[4].abs() < 1e-9, "{}: {shares:?}", spec.name);

        pool.set[0].set_health(Health::Up);
        let calm = pool.shares(0);
        assert!((calm[0] + calm[3] - 1.0).abs() < 1e-9, "{}: {calm:?}", spec.name);
    }
}

#[test]
fn balancers_use_subsets_that_are_even_and_replace_who_is_down() {
    let mut used = [0_u32; 100];
    for instance in 0..200 {
        let rules = TierRules { subset: 10, instance, ..TierRules::default() };
        let mut pool = Pool::new("round-robin", rules, priorities(&[0; 100]));
        let mine: Vec<usize> =
            (0..100).zip(pool.shares(0)).filter(|(_, s)| *s > 0.0).map(|(i, _)| i).collect();
        assert_eq!(mine.len(), 10);
        for &index in &mine {
            used[index] += 1;
        }

        pool.set[mine[0]].set_health(Health::Down);
        let next: Vec<usize> =
            (0..100).zip(pool.shares(0)).filter(|(_, s)| *s > 0.0).map(|(i, _)| i).collect();
        assert_eq!(next.len(), 10);
        assert!(mine[1..].iter().all(|index| next.contains(index)), "the others stay");
    }
    assert!(used.iter().all(|&n| (5..45).contains(&n)), "20 are fair: {used:?}");
}

#[test]
fn no_backend_gets_more_than_the_bound_under_any_algorithm() {
    for spec in PICKERS {
        let rules = TierRules { bound: 1.25, ..TierRules::default() };
        let mut pool = Pool::new(spec.name, rules, priorities(&[0; 4]));
        for _ in 0..400 {
            // One key that everybody asks for.
            let (key, tried) = (7, Tried::new());
            let pick =
                pool.chooser.pick(&pool.set, &Ask::any(pool.now, key, &tried), 0, &mut pool.rng).unwrap();
            pool.busy(pick.index, 1);
        }
        let most = pool.set.iter().map(|load| load.in_flight()).max().unwrap();
        assert!(most <= 126, "{}: {most} of a mean of 100", spec.name);
    }
}

//! Looks on purpose, under an algorithm that follows what it sees.

use super::*;

/// A pool under an algorithm that avoids whatever was slow or failed last.
struct Avoiding {
    world: World,
    picker: crate::pick::Chooser,
    asked: Vec<u32>,
    due: u32,
}

impl Avoiding {
    fn of(backends: usize) -> Self {
        let world = World::of(backends);
        let choice = "hot-cold".parse().unwrap();
        let picker = crate::pick::Chooser::new(&choice, Arc::default(), 3, &world.set);
        Self { world, picker, asked: vec![0; backends], due: 0 }
    }

    /// So many requests a second to the whole pool, one after the other.
    fn run(&mut self, ms: u64, per_second: f64) {
        for _ in 0..ms {
            for _ in 0..poisson(per_second / 1_000.0, &mut self.world.rng) {
                self.request();
            }
            self.world.now += 1;
            if self.world.now.is_multiple_of(STEP) {
                self.world.tend();
            }
        }
    }

    fn request(&mut self) {
        let World { set, rng, now, .. } = &mut self.world;
        let now = Tick::from_nanos(*now * 1_000_000);
        let tried = crate::pick::Tried::default();
        let ask = crate::pick::Ask::any(now, 0, &tried);
        let index = self.picker.pick(set, &ask, 0, rng).unwrap().index;
        let load = Arc::clone(&set[index]);
        self.due += u32::from(load.is_due());
        self.asked[index] += 1;
        if load.try_acquire(now, false) {
            let answer = self.world.finish(index);
            load.record(now, answer.took, answer.ok);
            load.release();
        }
    }
}

#[test]
fn what_is_avoided_is_looked_at_and_found_and_costs_a_bounded_share() {
    let mut pool = Avoiding::of(10);
    pool.run(20_000, 1_000.0);
    pool.world.manners[3] = Manner { fails: 0.2, ..WELL };
    // One request after the other: the algorithm need not ask it at all.
    pool.run(5_000, 1_000.0);

    assert!(pool.world.when(3, Standing::Ejected).is_some(), "{:?}", pool.world.seen);
    assert_eq!(pool.world.seen.iter().filter(|(_, change)| change.index != 3).count(), 0);
}

#[test]
fn slow_ones_are_asked_every_now_and_then_by_a_share_that_does_not_grow_with_their_number() {
    for slow in [1, 4] {
        let mut pool = Avoiding::of(10);
        for manner in &mut pool.world.manners[..slow] {
            *manner = Manner { fails: 0.0, ms: 35.0 };
        }
        pool.run(5_000, 500.0);
        pool.due = 0;
        pool.run(60_000, 500.0);

        assert!((20..=600).contains(&pool.due), "{} of 30,000 for {slow} slow ones", pool.due);
        assert!(pool.asked[..slow].iter().all(|asked| *asked >= 10), "{:?}", pool.asked);
    }
}

#[test]
fn a_granted_look_is_taken_once_and_ends_with_the_outliers() {
    let mut pool = Avoiding::of(5);
    let load = &pool.world.set[0];
    load.grant_looks(2);
    assert!(load.is_due() && load.try_acquire(Tick::ZERO, false) && load.is_due());
    assert!(load.try_acquire(Tick::ZERO, false) && !load.is_due());
    load.grant_looks(1);
    let mut changes = Vec::new();
    pool.world.guard.tend(Tick::ZERO, Settings::default(), &pool.world.set, &pool.world.quota, &mut changes);
    assert!(!pool.world.set[0].is_due());
}

#[test]
fn backends_that_are_never_offered_do_not_use_up_the_looks_of_the_others() {
    let mut pool = Avoiding::of(10);
    // Two stand by in a group that is never needed.
    let standings = (0..10).map(|n| crate::pick::Standing { priority: u8::from(n >= 8), zone: None });
    let plan = crate::pick::Plan { standings: standings.collect(), ..Default::default() };
    pool.picker = crate::pick::Chooser::new(&"hot-cold".parse().unwrap(), Arc::new(plan), 3, &pool.world.set);
    pool.world.manners[0] = Manner { fails: 0.0, ms: 35.0 };
    pool.run(60_000, 500.0);

    assert_eq!(pool.asked[8..], [0, 0]);
    assert!(pool.asked[0] >= 20, "{:?}", pool.asked);
    assert!(pool.due >= 20, "{}", pool.due);
}

//! What single algorithms promise beyond the laws.

use std::sync::Arc;
use std::time::Duration;

use aya_core::axis::{Admin, Health};
use aya_core::hash::mix;
use aya_core::load::Load;
use aya_core::pick::{Ask, Choice, Picker, Tried, find};
use aya_core::rng::Rng;
use aya_core::signal::Signal;
use aya_core::time::Tick;

struct Worker {
    picker: Box<dyn Picker>,
    rng: Rng,
    set: Vec<Arc<Load>>,
    now: Tick,
}

impl Worker {
    fn of(algorithm: &str, weights: &[u32]) -> Self {
        let spec = find(algorithm).expect("the table has it");
        let loads = weights.iter().enumerate();
        let set = loads.map(|(i, &w)| Arc::new(Load::new(mix(i as u64, 3), w, Health::Up))).collect();
        Self { picker: spec.make(11), rng: Rng::seeded(11), set, now: Tick::ZERO }
    }

    fn busy(self, in_flight: &[u32]) -> Self {
        for (load, &n) in self.set.iter().zip(in_flight) {
            (0..n).for_each(|_| assert!(load.try_acquire(self.now, false)));
        }
        self
    }

    fn pick_for(&mut self, key: u64) -> usize {
        let tried = Tried::new();
        let ask = Ask::any(self.now, key, &tried);
        self.picker.pick(&self.set, &ask, &mut self.rng).expect("one is eligible")
    }

    fn pick(&mut self) -> usize {
        self.pick_for(0)
    }

    fn tally(&mut self, picks: usize) -> Vec<usize> {
        let mut tally = vec![0; self.set.len()];
        (0..picks).for_each(|_| tally[self.pick()] += 1);
        tally
    }

    /// Picks whose requests stay in flight.
    fn fill(&mut self, picks: usize) -> Vec<u32> {
        for _ in 0..picks {
            let index = self.pick();
            assert!(self.set[index].try_acquire(self.now, false));
        }
        self.set.iter().map(|load| load.in_flight()).collect()
    }

    fn answered(&self, index: usize, ms: u64) {
        self.set[index].record(self.now, Duration::from_millis(ms), true);
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
    }
}

#[test]
fn round_robin_skips_who_is_out_without_favouring_the_next() {
    let mut worker = Worker::of("round-robin", &[1; 4]);
    worker.set[1].set_admin(Admin::Draining, false);

    assert_eq!(worker.tally(300), [100, 0, 100, 100]);
}

#[test]
fn weighted_round_robin_follows_a_live_change_at_once() {
    let mut worker = Worker::of("weighted-round-robin", &[100, 1]);
    worker.tally(50);
    worker.set[0].set_weight(1);

    assert_eq!(worker.tally(10), [5, 5]);
}

#[test]
fn weighted_round_robin_gives_exact_shares_in_every_round() {
    let mut worker = Worker::of("weighted-round-robin", &[5, 1, 1]);

    assert_eq!(worker.tally(7), [5, 1, 1]);
    assert_eq!(worker.tally(70), [50, 10, 10]);
}

#[test]
fn least_connections_takes_the_least_busy_and_goes_round_among_equals() {
    let mut worker = Worker::of("least-connections", &[1; 4]).busy(&[3, 1, 1, 2]);
    let tally = worker.tally(100);
    assert_eq!(tally, [0, 50, 50, 0]);

    assert_eq!(worker.fill(9), [4, 4, 4, 4]);
}

#[test]
fn weighted_least_connections_follows_weights_idle_and_busy() {
    let mut idle = Worker::of("weighted-least-connections", &[1, 3, 4]);
    assert_eq!(idle.tally(80), [10, 30, 40]);

    let mut busy = Worker::of("weighted-least-connections", &[1, 3, 4]);
    assert_eq!(busy.fill(80), [10, 30, 40]);
}

#[test]
fn a_backend_that_was_busy_is_not_owed_the_turns_it_missed() {
    let mut worker = Worker::of("weighted-least-connections", &[1, 1]).busy(&[1, 0]);
    worker.tally(1_000);
    worker.set[0].release();

    assert_eq!(worker.tally(10), [5, 5]);
}

#[test]
fn ip_hash_keeps_a_client_and_moves_only_those_of_the_one_that_left() {
    let mut worker = Worker::of("ip-hash", &[1; 5]);
    let before: Vec<usize> = (0..500).map(|key| worker.pick_for(mix(key, 0))).collect();
    worker.set[3].set_health(Health::Down);
    let after: Vec<usize> = (0..500).map(|key| worker.pick_for(mix(key, 0))).collect();

    assert!(before.iter().zip(&after).all(|(b, a)| b == a || *b == 3));
}

#[test]
fn p2c_of_two_is_the_less_busy_for_its_weight() {
    let mut worker = Worker::of("p2c", &[1, 4]).busy(&[2, 5]);

    assert_eq!(worker.tally(100), [0, 100]);
}

#[test]
fn p2c_finds_the_last_eligible_among_many() {
    let mut worker = Worker::of("p2c", &[1; 200]);
    worker.set.iter().skip(1).for_each(|load| load.set_health(Health::Down));

    assert_eq!(worker.tally(50)[0], 50);
}

#[test]
fn least_response_time_prefers_the_faster_until_it_is_busy() {
    let mut worker = Worker::of("least-response-time", &[1, 1]);
    worker.answered(0, 10);
    worker.answered(1, 35);

    assert_eq!(worker.fill(4), [3, 1]);
}

#[test]
fn a_new_backend_is_tried_at_once_but_not_flooded() {
    let mut worker = Worker::of("least-response-time", &[1, 1, 1]);
    worker.answered(0, 10);
    worker.answered(1, 10);

    assert_eq!(worker.fill(9), [3, 3, 3]);
}

#[test]
fn a_slow_backend_is_tried_again_after_a_while_and_one_that_hangs_is_not() {
    let mut worker = Worker::of("least-response-time", &[1, 1, 1]);
    worker.answered(0, 10);
    worker.answered(1, 1_000);
    worker.answered(2, 1_000);
    assert!(worker.set[2].try_acquire(worker.now, false));
    let mut tries = [0; 3];
    for _ in 0..300 {
        worker.wait(100);
        worker.answered(0, 10);
        tries[worker.pick()] += 1;
    }

    assert!(tries[1] > 0, "{tries:?}");
    assert_eq!(tries[2], 0, "{tries:?}");
}

#[test]
fn hot_cold_goes_by_the_signal_it_is_told_to_while_that_is_fresh() {
    let choice: Choice = "hot-cold signal=utilization expire=5s quantile=0.5".parse().expect("it is right");
    let mut worker = Worker::of("hot-cold", &[1, 1, 1]);
    worker.picker = choice.build(3);
    let start = Tick::from_nanos(1);
    for (load, utilization) in worker.set.iter().zip([0.6, 0.95, 0.55]) {
        load.signals().set(Signal::Utilization, start, utilization).expect("it is believed");
    }
    // The busiest by its own word answers fastest, and has nothing in flight from here.
    worker.answered(0, 20);
    worker.answered(1, 2);
    worker.answered(2, 20);
    worker.tally(200);
    assert_eq!(worker.tally(200)[1], 0);

    // Nobody says anything any more: then the fastest gets the most.
    worker.now = Tick::from_nanos(6_000_000_000);
    let tally = worker.tally(300);
    assert!(tally[1] > 150, "{tally:?}");
}

//! Time of one pick for every algorithm of the table, at a few sizes of the set.
//!
//! A counted loop and one clock around it, rather than a framework: the question is whether a pick stays in
//! its budget (100 ns for eight backends), and the answer needs no statistics.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya_core::axis::Health;
use aya_core::hash::mix;
use aya_core::load::Load;
use aya_core::pick::{Ask, PICKERS, PickerSpec, Tried};
use aya_core::rng::Rng;
use aya_core::time::Tick;

const PICKS: u32 = 1_000_000;

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn main() {
    println!("{:28} {:>8} {:>8} {:>8} {:>8}  ns/pick for so many backends", "algorithm", 2, 8, 32, 64);
    for spec in PICKERS {
        let [two, eight, whole, many] = [2, 8, 32, 64].map(|len| time(spec, len));
        println!("{:28} {two:>8.1} {eight:>8.1} {whole:>8.1} {many:>8.1}", spec.name);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn time(spec: &PickerSpec, len: u64) -> f64 {
    let set: Vec<Arc<Load>> =
        (0..len).map(|i| Arc::new(Load::new(mix(i, 1), 1 + i as u32 % 3, Health::Up))).collect();
    for (i, load) in set.iter().enumerate() {
        load.record(Tick::ZERO, Duration::from_micros(300 + 100 * i as u64), true);
        (0..i % 3).for_each(|_| assert!(load.try_acquire(Tick::ZERO, false)));
    }
    let (mut picker, mut rng, tried) = (spec.make(1), Rng::seeded(1), Tried::new());
    let start = Instant::now();
    for i in 0..PICKS {
        let now = Tick::from_nanos(u64::from(i) * 1_000);
        let ask = Ask::any(now, mix(u64::from(i), 0), &tried);
        black_box(picker.pick(black_box(&set), &ask, &mut rng));
    }
    start.elapsed().as_nanos() as f64 / f64::from(PICKS)
}

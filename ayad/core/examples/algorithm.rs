//! An algorithm of one's own: the last backend that may get requests, the others only when it may not.
//!
//! `cargo run -p aya-core --example algorithm`. In the daemon this would be `ayad/core/src/pick/last.rs` and
//! a line in `PICKERS`; the laws, the benchmark and the allocation test then run over it.

use std::sync::Arc;

use aya_core::axis::Health;
use aya_core::load::Load;
use aya_core::pick::{Ask, Picker, PickerSpec, Scale, Score, Share, Tried};
use aya_core::rng::Rng;
use aya_core::time::Tick;

const SPEC: PickerSpec = PickerSpec {
    name: "last",
    summary: "the last backend that may get requests",
    when: "one server works and the others stand by",
    share: Share::Adapts,
    weighted: false,
    keyed: false,
    scale: Scale::most("place in the list"),
    params: &[],
    build: |_setup| Box::new(Last),
};

struct Last;

impl Picker for Last {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        (0..set.len()).rev().find(|&index| ask.allows(index, &set[index]))
    }

    fn score(&self, _set: &[Arc<Load>], index: usize, _ask: &Ask<'_>) -> Score {
        Score::plain(index as f32)
    }
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    let set: Vec<Arc<Load>> = (1..=3).map(|token| Arc::new(Load::new(token, 1, Health::Up))).collect();
    let (mut picker, mut rng, mut tried) = (SPEC.make(1), Rng::seeded(1), Tried::new());
    picker.prepare(set.len());

    let first = picker.pick(&set, &Ask::any(Tick::ZERO, 0, &tried), &mut rng);
    println!("{}: {first:?}", SPEC.name);

    set[2].set_health(Health::Down);
    let second = picker.pick(&set, &Ask::any(Tick::ZERO, 0, &tried), &mut rng);
    println!("after backend 2 went down: {second:?}");

    tried.push(1);
    let third = picker.pick(&set, &Ask::any(Tick::ZERO, 0, &tried), &mut rng);
    println!("after backend 1 was tried in vain: {third:?}");
}

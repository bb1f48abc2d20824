//! Half-closed, reset, delayed and reordered connections: whatever the network does, every exchange ends in one of the
//! ways it may end in, and nothing is held after it.
//!
//! Each seed is one story, played through the real binary by [`aya_tests::rough`]. `AYA_ROUGH=17` plays that seed
//! alone, `AYA_ROUGH=0..5000` those.

mod exchange;
mod http;
mod tunnel;

use std::ops::Range;

use aya_tests::daemon::Daemon;
use aya_tests::rough::{Dice, End, Pulse};
use aya_tests::wait;

/// Events in vain before somebody looks at every end.
const IN_VAIN: usize = 40;
/// Bytes taken at once when everything is looked at.
const ALL: usize = 1 << 20;

/// What goes on at the ends of connections.
trait Story {
    /// All ends there are. Accepts connections.
    fn ends(&mut self) -> Vec<&mut End>;

    /// Something may have been heard: says what follows from it, or what must never have been heard.
    fn react(&mut self) -> Result<(), String>;

    /// True once nobody waits for anything.
    fn is_over(&self) -> bool;

    /// Where everybody stands, for whoever looks for a defect.
    fn told(&self) -> String;
}

/// Tells which seed it was when a story fails, also by a wait in vain.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "the test harness shows it beside the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}; to play it alone: AYA_ROUGH={0}", self.0);
        }
    }
}

/// Plays one story after the other: the first `quick` seeds, or those that are asked for.
fn play(daemon: &Daemon, quick: u64, story: impl Fn(&mut Dice, u64, &Pulse) -> Result<(), String>) {
    let pulse = Pulse::of(daemon.pid(), 1);
    for seed in seeds(quick) {
        let told = Seed(seed);
        story(&mut Dice::new(seed), seed, &pulse).unwrap_or_else(|why| panic!("{why}"));
        wait::until_true("nothing is held", || holds(daemon) == (0, 0));
        drop(told);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the seeds are read")]
fn seeds(quick: u64) -> Range<u64> {
    let Ok(asked) = std::env::var("AYA_ROUGH") else { return 0..quick };
    let number = |text: &str| text.parse().expect("AYA_ROUGH is a seed, or two with .. between them");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&asked)..number(&asked) + 1,
    }
}

/// Requests in flight at all backends, and connections of all clients.
fn holds(daemon: &Daemon) -> (u64, u64) {
    let in_flight = daemon.control.backends().iter().map(|backend| backend.traffic.in_flight).sum();
    (in_flight, daemon.control.listeners().iter().map(|listener| listener.connections).sum())
}

/// Fails with `otherwise` unless it is so.
fn explained(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

/// Plays a story to its end.
fn run(story: &mut dyn Story, dice: &mut Dice, pulse: &Pulse) -> Result<(), String> {
    advance(story, dice, pulse).map_err(|why| format!("{why}\n{}", story.told()))
}

/// Lets one thing after the other happen until the story is over. What happens together is not waited for in between.
fn advance(story: &mut dyn Story, dice: &mut Dice, pulse: &Pulse) -> Result<(), String> {
    let mut in_vain = 0;
    while !story.is_over() {
        let together = if dice.chance(80) { 1 } else { 2 + dice.below(5) };
        let mut moved = false;
        for _ in 0..together {
            moved |= happen(story, dice);
            story.react()?;
        }
        pulse.settle();
        in_vain = if moved { 0 } else { in_vain + 1 };
        if in_vain > IN_VAIN {
            wait::until("something moves that somebody waits for", || {
                let moved = story.ends().into_iter().any(|end| end.hear(ALL) || end.deliver(ALL));
                let reacted = story.react();
                (moved || reacted.is_err() || story.is_over()).then_some(reacted)
            })?;
        }
    }
    Ok(())
}

/// One portion goes one way at one end.
fn happen(story: &mut dyn Story, dice: &mut Dice) -> bool {
    let mut ends = story.ends();
    let which = dice.below(ends.len());
    let end = ends.swap_remove(which);
    if dice.chance(50) { end.deliver(dice.portion()) } else { end.hear(dice.portion()) }
}

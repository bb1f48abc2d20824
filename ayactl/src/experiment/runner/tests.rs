//! Runs in a world that is a table.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aya_api::condition::{Condition, Value};

use super::*;
use crate::experiment::check;
use crate::experiment::model::{Order, Practice};
use crate::experiment::verdict::{self, Verdict, Word};
use aya_api::axis::Admin;

const LOOK: Duration = Duration::from_millis(100);

/// A world: values by `scope: metric`, faults with their ends, and what was done to it.
#[derive(Default)]
struct World {
    values: BTreeMap<String, Value>,
    faults: BTreeMap<usize, Duration>,
    log: Vec<String>,
    refuses: Option<&'static str>,
}

impl Sight for World {
    fn value(&self, condition: &Condition) -> Option<Value> {
        let key = format!("{}: {}", condition.scope.as_deref().unwrap_or_default(), condition.metric);
        self.values.get(&key).cloned()
    }
}

impl World {
    fn calm() -> Self {
        let mut world = Self::default();
        world.set("shop: err", 0.0);
        world.set("shop: p99", 20.0);
        world.word("shop/web-1: breaker", "closed");
        world
    }

    fn set(&mut self, key: &str, value: f64) {
        self.values.insert(key.into(), Value::Number(value));
    }

    fn word(&mut self, key: &str, value: &str) {
        self.values.insert(key.into(), Value::Word(value.into()));
    }

    fn act(&mut self, runner: &mut Runner<'_>, task: Task, now: Duration) {
        let what = |index: usize| runner.experiment.steps[index].what.clone();
        match task {
            Task::Begin(index) if self.refuses.is_some_and(|word| what(index).contains(word)) => {
                runner.answer(now, Answer::Failed(index, "refused".into()));
            }
            Task::Begin(index) => {
                self.log.push(format!("begin {}", what(index)));
                let order = matches!(runner.experiment.steps[index].action, Action::Order { .. });
                let inverse = order.then(|| Inverse {
                    subject: "shop/web-2".into(),
                    order: Order::Admin(Admin::Ready),
                    told: "ready".into(),
                });
                runner.answer(now, Answer::Began(index, inverse));
                match &runner.experiment.steps[index].action {
                    Action::Practice(Practice { length, .. }) => {
                        _ = self.faults.insert(index, now + *length);
                    }
                    Action::Load(load) => _ = self.faults.insert(index, now + load.length),
                    _ => runner.answer(now, Answer::Ended(index, "done".into())),
                }
            }
            Task::End(index) => {
                self.log.push(format!("end {}", what(index)));
                self.faults.remove(&index);
                runner.answer(now, Answer::Ended(index, "stopped".into()));
            }
            Task::Undo(index, inverse) => {
                self.log.push(format!("undo {}", inverse.subject));
                runner.answer(now, Answer::Undone(index));
            }
        }
    }

    /// Plays until it is over or a minute has passed; `change` changes the world at each moment.
    fn play(
        &mut self,
        runner: &mut Runner<'_>,
        mut change: impl FnMut(&mut Self, &mut Runner<'_>, Duration),
    ) -> Verdict {
        for look in 0..600 {
            let now = LOOK * look;
            change(self, runner, now);
            let over: Vec<usize> =
                self.faults.iter().filter(|(_, end)| now >= **end).map(|(at, _)| *at).collect();
            for index in over {
                self.faults.remove(&index);
                runner.answer(now, Answer::Ended(index, "over".into()));
            }
            for task in runner.tick(now, self) {
                self.act(runner, task, now);
            }
            if runner.phase == Phase::Over {
                assert!(self.faults.is_empty(), "something lasts: {:?}", self.faults);
                return verdict::of(runner);
            }
        }
        panic!("it does not end: {:?}", runner.phase);
    }
}

const FILE: &str = r#"
aya = 1
title = "t"
[hypothesis]
probe = ["shop: err < 1%"]
during = ["shop: err < 5%"]
[[step]]
drain = "shop/web-2"
[[step]]
fault = "pause shop/web-1 --for 3s"
[stop]
if = ["shop: err > 20% for 500ms"]
[[expect]]
what = "shop/web-1: breaker = open"
within = "2s"
[[expect]]
what = "shop: p99 < 100ms"
within = "2s"
after = "end of fault 1"
"#;

fn read(text: &str) -> Experiment {
    check::read(Path::new("t.toml"), text, &BTreeMap::default()).expect("it is valid")
}

/// The breaker opens half a second after the fault and closes after it.
fn behaves(world: &mut World, now: Duration) {
    let fault = Duration::from_millis(2500)..Duration::from_secs(5);
    let is_open = fault.contains(&now);
    world.word("shop/web-1: breaker", if is_open { "open" } else { "closed" });
}

#[test]
fn what_holds_is_held_and_everything_is_put_back() {
    let experiment = read(FILE);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| behaves(world, now));
    assert_eq!((verdict.word, verdict.reasons), (Word::Held, vec![]));
    assert_eq!(
        world.log,
        ["begin drain shop/web-2", "begin fault pause shop/web-1 --for 3s", "undo shop/web-2"]
    );
    assert_eq!(runner.expects[0].took, Some(Duration::from_millis(400)));
    assert_eq!(runner.expects[1].took, Some(Duration::ZERO));
    assert_eq!(
        runner.steps[1].started.zip(runner.steps[1].ended).map(|(a, b)| b.saturating_sub(a)),
        Some(Duration::from_secs(3))
    );
}

#[test]
fn a_broken_hypothesis_starts_nothing() {
    let experiment = read(FILE);
    let mut world = World::calm();
    world.set("shop: err", 0.5);
    let stopless = Experiment { stop: Vec::new(), ..experiment };
    let mut runner = Runner::new(&stopless, false);
    let verdict = world.play(&mut runner, |_, _, _| {});
    assert_eq!(verdict.word, Word::NotStarted);
    assert_eq!(verdict.reasons, ["does not hold: shop: err < 1% (50.00 %)"]);
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[test]
fn a_probe_without_data_starts_nothing_and_says_so() {
    let experiment = read(FILE);
    let mut world = World::calm();
    world.values.remove("shop: err");
    let mut runner = Runner::new(&experiment, false);
    let verdict = world.play(&mut runner, |_, _, _| {});
    assert_eq!(verdict.word, Word::NotStarted);
    assert_eq!(verdict.reasons, ["nothing to judge by: shop: err < 1% (is there traffic?)"]);
}

#[test]
fn a_stop_condition_ends_the_fault_and_undoes_the_drain() {
    let experiment = read(FILE);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| {
        behaves(world, now);
        world.set("shop: err", if now > Duration::from_secs(3) { 0.3 } else { 0.0 });
    });
    assert_eq!(verdict.word, Word::Stopped);
    assert_eq!(verdict.reasons[0], "stop condition met: shop: err > 20% for 500ms");
    assert!(
        verdict.reasons[1].starts_with("did not hold all the time: shop: err < 5% (30.00 % after 1.1 s)"),
        "{verdict:?}"
    );
    assert_eq!(world.log[2..], ["end fault pause shop/web-1 --for 3s", "undo shop/web-2"]);
}

#[test]
fn a_stop_condition_that_sees_nothing_ends_the_run() {
    let text = FILE.replace("--for 3s", "--for 30s");
    let experiment = read(&text.replace("shop: err > 20% for 500ms", "img: err > 20%"));
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| behaves(world, now));
    assert_eq!(verdict.word, Word::Stopped);
    assert!(
        verdict.reasons[0].starts_with("nothing to judge the stop condition by for 5 s: img: err"),
        "{verdict:?}"
    );
    assert_eq!(world.log.last().map(String::as_str), Some("undo shop/web-2"));
}

#[test]
fn whatever_ends_it_everything_is_put_back() {
    for cause in [Cause::Signal(2), Cause::Deadline, Cause::Lost("gone".into())] {
        let experiment = read(FILE);
        let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
        let told = cause.clone();
        world.play(&mut runner, move |_, runner, now| {
            if now == Duration::from_secs(3) {
                runner.halt(now, told.clone());
            }
        });
        assert_eq!(runner.cause, Some(cause));
        assert_eq!(world.log[2..], ["end fault pause shop/web-1 --for 3s", "undo shop/web-2"]);
    }
}

#[test]
fn a_step_that_is_refused_ends_the_run_and_undoes_what_came_before() {
    let experiment = read(FILE);
    let mut world = World { refuses: Some("pause"), ..World::calm() };
    let mut runner = Runner::new(&experiment, false);
    let verdict = world.play(&mut runner, |_, _, _| {});
    assert_eq!((verdict.word, verdict.reasons[0].as_str()), (Word::Stopped, "fault 1: refused"));
    assert_eq!(world.log, ["begin drain shop/web-2", "undo shop/web-2"]);
}

#[test]
fn what_comes_too_late_fails_with_what_it_was() {
    let experiment = read(FILE);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |_, _, _| {});
    assert_eq!(verdict.word, Word::Failed);
    assert_eq!(
        verdict.reasons,
        ["expected shop/web-1: breaker = open within 2 s after fault 1: it was closed"]
    );
}

#[test]
fn fail_fast_ends_at_the_first_deviation() {
    let experiment = read(FILE);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, true));
    let verdict = world.play(&mut runner, |_, _, _| {});
    assert_eq!((verdict.word, world.log[2..].len()), (Word::Failed, 2));
    assert!(runner.steps[1].outcome.as_deref() == Some("stopped"), "{:?}", runner.steps[1]);
}

#[test]
fn the_time_until_a_probe_holds_again_counts_from_when_everything_was_put_back() {
    let experiment = read(FILE);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| {
        behaves(world, now);
        let bad = (Duration::from_secs(3)..Duration::from_secs(7)).contains(&now);
        world.set("shop: err", if bad { 0.02 } else { 0.0 });
    });
    assert_eq!(verdict.word, Word::Held, "{verdict:?}");
    let reverted = runner.reverted.expect("it was put back");
    assert_eq!(
        (reverted, runner.probes[0].recovered),
        (Duration::from_millis(5200), Some(Duration::from_secs(7)))
    );
}

#[test]
fn a_probe_that_never_holds_again_fails() {
    let experiment = read(&FILE.replace("during = [\"shop: err < 5%\"]", "within = \"3s\""));
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| {
        behaves(world, now);
        world.set("shop: err", if now > Duration::from_secs(3) { 0.02 } else { 0.0 });
    });
    assert_eq!(verdict.reasons, ["did not hold again within 3 s: shop: err < 1% (2.00 %)"]);
}

#[test]
fn a_load_in_the_background_runs_from_before_until_the_probes_were_looked_at_again() {
    let text = FILE.replacen("[[step]]", "[[step]]\nload = \"-r 10 -d 50s\"\nbackground = true\n[[step]]", 1);
    let experiment = read(&text);
    let (mut world, mut runner) = (World::calm(), Runner::new(&experiment, false));
    let verdict = world.play(&mut runner, |world, _, now| behaves(world, now));
    assert_eq!(verdict.word, Word::Held, "{verdict:?}");
    assert_eq!(world.log.first().map(String::as_str), Some("begin load -r 10 -d 50s"));
    assert_eq!(world.log.last().map(String::as_str), Some("end load -r 10 -d 50s"));
}

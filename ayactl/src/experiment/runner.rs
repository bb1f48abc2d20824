//! What happens when in an experiment, as a state machine without a clock, a socket or a file.
//!
//! [`Runner::tick`] is told the time and what can be seen, and says what is to be done; [`Runner::answer`] is told what
//! came of it. Whatever happens (a step that fails, a stop condition, Ctrl-C, a deadline), the run goes through
//! [`Phase::Reverting`]: every fault of it is ended and the inverse of every order is run, the last one first.

mod gates;
mod steps;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aya_api::condition::{Condition, Value};

pub use self::gates::{ExpectRun, Gate, Probe};
pub use self::steps::{StepRun, StepState};
use super::model::{Action, Experiment};

/// For how long the probes are looked at before the first step.
pub const BASELINE: Duration = Duration::from_secs(2);
/// How long a probe may have nothing to judge by before the first step.
pub const DATA: Duration = Duration::from_secs(10);
/// How long a stop condition may have nothing to judge by while a fault is injected.
pub const BLIND: Duration = Duration::from_secs(5);
/// For how long the probes hold again before the run is over.
pub const STABLE: Duration = Duration::from_secs(2);
/// How long inverses may take.
pub const REVERT: Duration = Duration::from_secs(10);

/// What can be seen at a moment.
pub trait Sight {
    /// The value that a condition is judged by; `None` when there is none.
    fn value(&self, condition: &Condition) -> Option<Value>;
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The probes are looked at; loads that stand at the beginning of the file run already.
    Before,
    /// Steps are done.
    Steps,
    /// Faults end and inverses run.
    Reverting,
    /// The probes are waited for.
    After,
    /// It is over.
    Over,
}

/// Something that undoes a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inverse {
    /// `pool/backend`.
    pub subject: String,
    /// What it was before, as an order.
    pub order: super::model::Order,
    /// In words: `shop/web-2 is ready again`.
    pub told: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Begin with a step.
    Begin(usize),
    /// End a step that lasts.
    End(usize),
    /// Undo something.
    Undo(usize, Inverse),
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The step has taken effect, and can be undone like this.
    Began(usize, Option<Inverse>),
    /// The step is over, with what came of it.
    Ended(usize, String),
    /// The step could not be done, or went wrong.
    Failed(usize, String),
    /// It was undone.
    Undone(usize),
    /// It could not be undone, and why.
    Stuck(usize, String),
}

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A probe did not hold before the start, or could not be judged.
    Broken,
    /// A stop condition was met.
    Condition(String),
    /// A stop condition had nothing to judge by while a fault was injected.
    Blind(String),
    /// The hypothesis was seen to be wrong, and nobody wanted to see more.
    FailFast(String),
    /// A step went wrong.
    Step(String),
    /// A signal came.
    Signal(i32),
    /// The daemon does not answer any more.
    Lost(String),
    /// It took too long.
    Deadline,
}

/// An experiment being run.
pub struct Runner<'e> {
    /// What is run.
    pub experiment: &'e Experiment,
    /// Where it is.
    pub phase: Phase,
    /// When that phase began.
    pub since: Duration,
    /// Its steps.
    pub steps: Vec<StepRun>,
    /// Its probes.
    pub probes: Vec<Probe>,
    /// What holds in between.
    pub during: Vec<Gate>,
    /// What ends it early.
    pub stop: Vec<Gate>,
    /// What has to come about.
    pub expects: Vec<ExpectRun>,
    /// Why it ended early.
    pub cause: Option<Cause>,
    /// When everything had been put back.
    pub reverted: Option<Duration>,
    /// When the first step after the baseline began.
    pub begun: Option<Duration>,
    /// Whether every metric is back to normal, as far as whoever plays it knows; looked at after everything was put back.
    pub is_normal: bool,
    /// What could not be put back.
    pub stuck: Vec<String>,
    /// Loads whose figures prove nothing, with the reason.
    pub doubts: Vec<String>,
    fail_fast: bool,
    next: usize,
    inverses: Vec<(usize, Inverse)>,
    undoing: usize,
    stable: Option<Duration>,
}

impl<'e> Runner<'e> {
    /// Prepares a run. With `fail_fast` it ends at the first deviation.
    pub fn new(experiment: &'e Experiment, fail_fast: bool) -> Self {
        let gates = |list: &[Condition]| list.iter().cloned().map(Gate::new).collect();
        Self {
            experiment,
            phase: Phase::Before,
            since: Duration::ZERO,
            steps: experiment.steps.iter().map(StepRun::new).collect(),
            probes: experiment.probes.iter().cloned().map(Probe::new).collect(),
            during: gates(&experiment.during),
            stop: gates(&experiment.stop),
            expects: experiment.expects.iter().cloned().map(ExpectRun::new).collect(),
            cause: None,
            reverted: None,
            begun: None,
            is_normal: true,
            stuck: Vec::new(),
            doubts: Vec::new(),
            fail_fast,
            next: 0,
            inverses: Vec::new(),
            undoing: 0,
            stable: None,
        }
    }

    /// Takes a look at `now`, counted from the start of the run, and says what is to be done.
    pub fn tick(&mut self, now: Duration, sight: &dyn Sight) -> Vec<Task> {
        self.look(now, sight);
        let mut tasks = Vec::new();
        // A phase that ends at once gives way in the same look.
        for _ in 0..5 {
            let before = (self.phase, self.next);
            match self.phase {
                Phase::Before => self.before(now, &mut tasks),
                Phase::Steps => self.go_on(now, sight, &mut tasks),
                Phase::Reverting => self.revert(now, &mut tasks),
                Phase::After => self.after(now, &mut tasks),
                Phase::Over => {}
            }
            if before == (self.phase, self.next) {
                break;
            }
        }
        tasks
    }

    /// Ends the run early. The first cause stands.
    pub fn halt(&mut self, now: Duration, cause: Cause) {
        if self.phase == Phase::Over {
            return;
        }
        self.cause.get_or_insert(cause);
        if matches!(self.phase, Phase::Before | Phase::Steps) {
            self.enter(Phase::Reverting, now);
        } else if self.phase == Phase::After {
            self.enter(Phase::Over, now);
        }
    }

    /// Whether a fault of this run is injected now.
    pub fn has_fault(&self) -> bool {
        self.steps.iter().any(|step| step.is_fault && step.is_active())
    }

    fn enter(&mut self, phase: Phase, now: Duration) {
        (self.phase, self.since) = (phase, now);
    }

    /// Looks at everything that is judged all the time.
    fn look(&mut self, now: Duration, sight: &dyn Sight) {
        for probe in &mut self.probes {
            probe.look(now, sight, self.phase);
        }
        let in_between = self.begun.is_some() && self.phase == Phase::Steps;
        let mut deviation = None;
        for gate in &mut self.during {
            gate.look(now, sight);
            if in_between && gate.holds == Some(false) && gate.note_failure(now) {
                deviation = Some(gate.condition.to_string());
            }
        }
        let has_fault = self.has_fault();
        for gate in &mut self.stop {
            gate.look(now, sight);
        }
        if matches!(self.phase, Phase::Before | Phase::Steps) {
            if let Some(gate) = self.stop.iter().find(|gate| gate.is_met) {
                self.halt(now, Cause::Condition(gate.condition.to_string()));
            } else if let Some(gate) = self.stop.iter().find(|gate| has_fault && gate.blind_for(now) >= BLIND)
            {
                self.halt(now, Cause::Blind(gate.condition.to_string()));
            }
        }
        let moments: Vec<_> =
            self.experiment.expects.iter().map(|expect| self.moment(expect.after)).collect();
        for (expect, moment) in self.expects.iter_mut().zip(moments) {
            if expect.look(now, moment, sight) {
                deviation.get_or_insert_with(|| expect.expect.what.to_string());
            }
        }
        if let Some(text) = deviation.filter(|_| self.fail_fast) {
            self.halt(now, Cause::FailFast(text));
        }
    }

    fn moment(&self, anchor: super::model::Anchor) -> Option<Duration> {
        match anchor {
            super::model::Anchor::Begin(step) => self.steps[step].started,
            super::model::Anchor::End(step) => self.steps[step].ended,
        }
    }

    /// The probes must hold before anything is broken.
    fn before(&mut self, now: Duration, tasks: &mut Vec<Task>) {
        while self.next < self.steps.len() && self.is_load_in_background(self.next) {
            self.begin(self.next, now, tasks);
            self.next += 1;
        }
        if self.steps.iter().take(self.next).any(|step| step.state == StepState::Beginning) {
            self.since = now;
            return;
        }
        let seen = now.saturating_sub(self.since);
        let has_data = self.probes.iter().all(|probe| probe.gate.value.is_some());
        if seen < BASELINE || !has_data && seen < DATA {
            return;
        }
        for probe in &mut self.probes {
            probe.before = Some(probe.gate.clone());
        }
        if self.probes.iter().all(|probe| probe.gate.holds == Some(true)) {
            self.begun = Some(now);
            self.enter(Phase::Steps, now);
        } else {
            self.halt(now, Cause::Broken);
        }
    }

    fn is_load_in_background(&self, index: usize) -> bool {
        let step = &self.experiment.steps[index];
        step.background && matches!(step.action, Action::Load(_))
    }

    /// Everything that was done is undone.
    fn revert(&mut self, now: Duration, tasks: &mut Vec<Task>) {
        let ends_loads = self.cause.is_some();
        for (index, step) in self.steps.iter_mut().enumerate() {
            if step.is_active() && !step.is_ending && (ends_loads || !step.is_load) {
                step.is_ending = true;
                if matches!(self.experiment.steps[index].action, Action::Wait(_) | Action::WaitFor(..)) {
                    step.cut(now);
                } else {
                    tasks.push(Task::End(index));
                }
            }
        }
        while let Some((step, inverse)) = self.inverses.pop() {
            self.undoing += 1;
            tasks.push(Task::Undo(step, inverse));
        }
        let lasts = self.steps.iter().any(|step| step.is_active() && (ends_loads || !step.is_load));
        let is_late = now.saturating_sub(self.since) >= REVERT;
        if !lasts && self.undoing == 0 || is_late {
            if is_late {
                let open = self.steps.iter().filter(|step| step.is_active() && !step.is_load);
                let open = open.map(|step| format!("{} did not end in time", step.what));
                self.stuck.extend(open);
            }
            self.reverted = Some(now);
            self.stable = None;
            self.enter(if self.cause.is_some() { Phase::Over } else { Phase::After }, now);
        }
    }

    /// The probes must hold again, and what is expected must have come about.
    fn after(&mut self, now: Duration, tasks: &mut Vec<Task>) {
        let seen = now.saturating_sub(self.since);
        let holds = self.probes.iter().all(|probe| probe.gate.holds == Some(true));
        self.stable = if holds { self.stable.or(Some(now)) } else { None };
        let is_stable = self.stable.is_some_and(|since| now.saturating_sub(since) >= STABLE);
        let is_decided = self.expects.iter().all(ExpectRun::is_decided);
        let is_late = seen >= self.experiment.within;
        if !(is_stable && self.is_normal || is_late) || !is_decided {
            return;
        }
        for probe in &mut self.probes {
            probe.after.get_or_insert_with(|| probe.gate.clone());
        }
        let mut lasts = false;
        for (index, step) in self.steps.iter_mut().enumerate().filter(|(_, step)| step.is_active()) {
            lasts = true;
            if !std::mem::replace(&mut step.is_ending, true) {
                tasks.push(Task::End(index));
            }
        }
        if !lasts || seen >= self.experiment.within + REVERT + DATA {
            self.enter(Phase::Over, now);
        }
    }
}

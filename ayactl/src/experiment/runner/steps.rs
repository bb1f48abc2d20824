//! Steps on their way.

use std::time::Duration;

use super::{Answer, Cause, Phase, Runner, Sight, Task};
use crate::experiment::model::{Action, Step};

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// It was asked for.
    Beginning,
    /// It lasts.
    Active,
    /// It is over.
    Ended,
    /// It could not be done, or went wrong.
    Failed,
}

/// A step of a run.
#[derive(Clone, Debug)]
pub struct StepRun {
    /// Its name.
    pub name: String,
    /// What it does, as in the file.
    pub what: String,
    /// Where it is.
    pub state: StepState,
    /// When it began to take effect.
    pub started: Option<Duration>,
    /// When it was over.
    pub ended: Option<Duration>,
    /// What came of it.
    pub outcome: Option<String>,
    pub(super) is_fault: bool,
    pub(super) is_load: bool,
    pub(super) is_ending: bool,
}

impl StepRun {
    pub(super) fn new(step: &Step) -> Self {
        Self {
            name: step.name.clone(),
            what: step.what.clone(),
            state: StepState::Waiting,
            started: None,
            ended: None,
            outcome: None,
            is_fault: step.action.is_fault(),
            is_load: matches!(step.action, Action::Load(_)),
            is_ending: false,
        }
    }

    /// Whether it lasts, or is about to.
    pub fn is_active(&self) -> bool {
        matches!(self.state, StepState::Beginning | StepState::Active)
    }

    /// Ends it before its time.
    pub(super) fn cut(&mut self, now: Duration) {
        self.end(now, StepState::Ended, "cut short".to_owned());
    }

    fn end(&mut self, now: Duration, state: StepState, outcome: String) {
        (self.state, self.ended, self.outcome) = (state, Some(now), Some(outcome));
    }
}

impl Runner<'_> {
    pub(super) fn begin(&mut self, index: usize, now: Duration, tasks: &mut Vec<Task>) {
        let step = &mut self.steps[index];
        if matches!(self.experiment.steps[index].action, Action::Wait(_) | Action::WaitFor(..)) {
            (step.state, step.started) = (StepState::Active, Some(now));
        } else {
            step.state = StepState::Beginning;
            tasks.push(Task::Begin(index));
        }
    }

    /// Does what can be done now: the next step begins when the one before is over, or is in the background and has
    /// taken effect.
    pub(super) fn go_on(&mut self, now: Duration, sight: &dyn Sight, tasks: &mut Vec<Task>) {
        for index in 0..self.next {
            self.wait(index, now, sight);
        }
        while self.phase == Phase::Steps {
            if self.next > 0 {
                let last = self.next - 1;
                let goes_on = match self.steps[last].state {
                    StepState::Waiting | StepState::Beginning => false,
                    StepState::Active => self.experiment.steps[last].background,
                    StepState::Ended | StepState::Failed => true,
                };
                if !goes_on {
                    return;
                }
            }
            if self.next == self.steps.len() {
                // What lasts in the background is waited for: faults end by themselves, loads go on until the end.
                if self.steps.iter().all(|step| !step.is_active() || step.is_load) {
                    self.enter(Phase::Reverting, now);
                }
                return;
            }
            self.begin(self.next, now, tasks);
            self.next += 1;
            self.wait(self.next - 1, now, sight);
        }
    }

    /// Looks whether a step that waits is over.
    fn wait(&mut self, index: usize, now: Duration, sight: &dyn Sight) {
        if self.steps[index].state != StepState::Active {
            return;
        }
        let waited = now.saturating_sub(self.steps[index].started.unwrap_or(now));
        match &self.experiment.steps[index].action {
            Action::Wait(length) if waited >= *length => {
                self.steps[index].end(now, StepState::Ended, format!("waited {:.1} s", waited.as_secs_f64()));
            }
            Action::WaitFor(condition, within) => {
                let holds = sight.value(condition).and_then(|value| condition.holds(&value)) == Some(true);
                if holds {
                    self.steps[index].end(
                        now,
                        StepState::Ended,
                        format!("after {:.1} s", waited.as_secs_f64()),
                    );
                } else if waited >= *within {
                    let text = format!("{condition} did not come about within {:.1} s", within.as_secs_f64());
                    self.steps[index].end(now, StepState::Failed, text.clone());
                    self.halt(now, Cause::Step(text));
                }
            }
            _ => {}
        }
    }

    /// Takes what came of a task.
    pub fn answer(&mut self, now: Duration, answer: Answer) {
        match answer {
            Answer::Began(index, inverse) => {
                let step = &mut self.steps[index];
                step.started.get_or_insert(now);
                if step.state == StepState::Beginning {
                    step.state = StepState::Active;
                }
                self.inverses.extend(inverse.map(|inverse| (index, inverse)));
            }
            Answer::Ended(index, outcome) => {
                if self.steps[index].is_active() {
                    self.steps[index].end(now, StepState::Ended, outcome);
                }
            }
            Answer::Failed(index, why) => {
                if self.steps[index].is_active() {
                    self.steps[index].end(now, StepState::Failed, why.clone());
                    if !self.steps[index].is_ending {
                        let name = &self.steps[index].name;
                        self.halt(now, Cause::Step(format!("{name}: {why}")));
                    }
                }
            }
            Answer::Undone(_) => self.undoing = self.undoing.saturating_sub(1),
            Answer::Stuck(index, why) => {
                self.undoing = self.undoing.saturating_sub(1);
                self.stuck.push(format!("{}: {why}", self.steps[index].name));
            }
        }
    }
}

//! Conditions over the time of a run.

use std::time::Duration;

use aya_api::condition::{Condition, Hold, Value};

use super::{Phase, Sight};
use crate::experiment::model::Expect;

/// A condition with how it stands.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The condition.
    pub condition: Condition,
    /// The value it is judged by; absent when there is none.
    pub value: Option<Value>,
    /// Whether it holds at this moment.
    pub holds: Option<bool>,
    /// Whether it has held for as long as it says.
    pub is_met: bool,
    /// When it first did not hold although it had to.
    pub failed: Option<Duration>,
    /// The value then.
    pub failed_value: Option<Value>,
    hold: Hold,
    seen: Duration,
    had_data: bool,
}

impl Gate {
    /// Has looked at nothing yet.
    pub fn new(condition: Condition) -> Self {
        Self {
            condition,
            value: None,
            holds: None,
            is_met: false,
            failed: None,
            failed_value: None,
            hold: Hold::default(),
            seen: Duration::ZERO,
            had_data: false,
        }
    }

    /// Whether there ever was something to judge by.
    pub fn had_data(&self) -> bool {
        self.had_data
    }

    pub(super) fn look(&mut self, now: Duration, sight: &dyn Sight) {
        self.value = sight.value(&self.condition);
        self.holds = self.value.as_ref().and_then(|value| self.condition.holds(value));
        if self.value.is_some() {
            (self.seen, self.had_data) = (now, true);
        }
        self.is_met = self.hold.look(&self.condition, self.holds == Some(true), now);
    }

    /// For how long there has been nothing to judge by.
    pub(super) fn blind_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.seen)
    }

    /// Notes that it does not hold although it must; true the first time.
    pub(super) fn note_failure(&mut self, now: Duration) -> bool {
        let is_first = self.failed.is_none();
        if is_first {
            self.failed = Some(now);
            self.failed_value.clone_from(&self.value);
        }
        is_first
    }
}

/// A condition that holds before and after.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Now.
    pub gate: Gate,
    /// How it stood before the first step.
    pub before: Option<Gate>,
    /// How it stood at the end.
    pub after: Option<Gate>,
    /// Since when it has held without a break, after everything was put back.
    pub recovered: Option<Duration>,
}

impl Probe {
    pub(super) fn new(condition: Condition) -> Self {
        Self { gate: Gate::new(condition), before: None, after: None, recovered: None }
    }

    pub(super) fn look(&mut self, now: Duration, sight: &dyn Sight, phase: Phase) {
        self.gate.look(now, sight);
        if phase == Phase::After && self.after.is_none() {
            self.recovered = if self.gate.holds == Some(true) { self.recovered.or(Some(now)) } else { None };
        }
    }
}

/// Something that has to come about.
#[derive(Clone, Debug)]
pub struct ExpectRun {
    /// What.
    pub expect: Expect,
    /// Now.
    pub gate: Gate,
    /// How long it took.
    pub took: Option<Duration>,
    /// Whether it came too late or not at all.
    pub missed: bool,
}

impl ExpectRun {
    pub(super) fn new(expect: Expect) -> Self {
        Self { gate: Gate::new(expect.what.clone()), expect, took: None, missed: false }
    }

    /// Looks; true when it has just been missed. `moment` is when its time began.
    pub(super) fn look(&mut self, now: Duration, moment: Option<Duration>, sight: &dyn Sight) -> bool {
        if self.is_decided() {
            return false;
        }
        let Some(moment) = moment else { return false };
        self.gate.look(now, sight);
        if self.gate.is_met {
            self.took = Some(now.saturating_sub(moment));
        } else if now >= moment + self.expect.within {
            self.missed = true;
        }
        self.missed
    }

    /// Whether it came about or was missed.
    pub fn is_decided(&self) -> bool {
        self.took.is_some() || self.missed
    }
}

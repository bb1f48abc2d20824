//! How a run is told to the daemon, so that everybody can see it.

use std::fmt::Write as _;

use aya_api::change::ChangeOptions;
use aya_api::command::runs::PutRun;
use aya_api::condition::Value;
use aya_api::fault::{Fault, FaultView, ProcessState};
use aya_api::run::{GateState, GateView, RunBody, RunKind, RunState, StepView};

use super::Driver;
use crate::experiment::runner::{ExpectRun, Gate, Phase};
use crate::failure::Failure;
use crate::time;

/// Most gates and steps that are told.
const MOST: usize = 200;

impl Driver<'_> {
    /// Tells of it for the first time; the daemon refuses it when somebody else runs one on the same pool.
    pub(super) async fn announce(&self) -> Result<(), Failure> {
        let run = PutRun::new(&self.options.id, self.body(RunState::Preparing, None));
        self.recorder.client.change(&run, &ChangeOptions::default()).await?;
        Ok(())
    }

    /// Tells how it goes. When that does not get through, the next one does.
    pub(super) async fn tell(&self) {
        let state = if self.runner.phase == Phase::Before { RunState::Preparing } else { RunState::Running };
        let _ = self.recorder.client.call(&PutRun::new(&self.options.id, self.body(state, None))).await;
        if let Some((id, body)) = &self.options.parent {
            let _ = self.recorder.client.call(&PutRun::new(id, body.clone())).await;
        }
    }

    pub(super) fn body(&self, state: RunState, verdict: Option<String>) -> RunBody {
        let runner = &self.runner;
        let gates = runner.probes.iter().map(|probe| gate(&probe.gate));
        let gates = gates.chain(runner.during.iter().map(gate)).chain(runner.expects.iter().map(expect));
        let at = |moment: Option<std::time::Duration>| moment.map(|moment| self.started_ms + millis(moment));
        let steps = runner.steps.iter().map(|step| StepView {
            what: step.what.clone(),
            started_ms: at(step.started),
            ended_ms: at(step.ended),
            outcome: step.outcome.clone(),
        });
        RunBody {
            kind: RunKind::Experiment,
            title: runner.experiment.title.clone(),
            state,
            started_ms: self.started_ms,
            ends_ms: Some(self.started_ms + millis(runner.experiment.length())),
            load: self.recorder.loads.values().next().map(|load| load.glance().view),
            gates: gates.take(MOST).collect(),
            steps: steps.take(MOST).collect(),
            pools: runner.experiment.pools(),
            verdict,
        }
    }
}

/// A length in whole milliseconds.
pub fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn gate(gate: &Gate) -> GateView {
    let state = match gate.holds {
        Some(true) => GateState::Holds,
        Some(false) => GateState::Fails,
        None => GateState::Unknown,
    };
    GateView { condition: gate.condition.to_string(), state, value: number(gate.value.as_ref()) }
}

fn expect(run: &ExpectRun) -> GateView {
    let state = match (run.took, run.missed) {
        (Some(_), _) => GateState::Holds,
        (None, true) => GateState::Fails,
        (None, false) => GateState::Unknown,
    };
    let condition = format!("expect {} within {}", run.expect.what, time::setting(millis(run.expect.within)));
    GateView { condition, state, value: number(run.gate.value.as_ref()) }
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value {
        Some(Value::Number(number)) => Some(*number),
        Some(Value::Word(_)) | None => None,
    }
}

/// What came of a fault, in words.
pub(super) fn outcome(fault: &FaultView) -> String {
    if let Fault::Process { state } = fault.fault {
        return match state {
            ProcessState::Paused => "it goes on".to_owned(),
            ProcessState::Killed => "it is started again".to_owned(),
        };
    }
    let seen = &fault.observed;
    let share = match seen.share {
        Some(share) => format!("{:.1} %, asked for {:.1} %", share * 100.0, fault.share * 100.0),
        None => "nothing matched".to_owned(),
    };
    let mut text = format!("hit {} of {} attempts: {share}", seen.hit, seen.matched);
    for skipped in &seen.skipped {
        let _ = write!(text, "; {} skipped by {}", skipped.count, skipped.cause);
    }
    text
}

//! The end of a run: its verdict, its record, and the daemon told of it.

use std::time::Duration;

use aya_api::change::{ChangeOptions, Operation};
use aya_api::command::operations::GetOperations;
use aya_api::command::runs::PutRun;
use aya_api::run::RunState;

use super::Driver;
use super::tell::millis;
use crate::experiment::record::{
    ExpectRecord, GateRecord, ProbeRecord, Record, Recovery, SCHEMA_VERSION, Sample, StepRecord,
};
use crate::experiment::recovery;
use crate::experiment::runner::{ExpectRun, Gate, Probe, StepState};
use crate::experiment::verdict::{self, Word, shown};
use crate::failure::Failure;

impl Driver<'_> {
    pub(super) async fn finish(&mut self) -> Result<Record, Failure> {
        self.recorder.read_events().await;
        let verdict = verdict::of(&self.runner);
        let state = match verdict.word {
            Word::Held | Word::Failed | Word::NoProof => RunState::Done,
            _ => RunState::Aborted,
        };
        let words = format!("{}: {}", verdict.word.shown(), verdict.text);
        let run = PutRun::new(&self.options.id, self.body(state, Some(words)));
        // A daemon that is gone has nobody to show it to.
        let told = self.recorder.client.change(&run, &ChangeOptions::default()).await.ok();
        let ended_ms = self.recorder.wall_ms();
        let experiment = self.runner.experiment;
        let samples = self.samples();
        let recoveries = self.recoveries(&samples);
        let started_ms = self.started_ms;
        let events = self.recorder.events.iter().filter(|event| event.at_ms >= started_ms).cloned().collect();
        Ok(Record {
            schema_version: SCHEMA_VERSION,
            id: self.options.id.clone(),
            experiment: experiment.name.clone(),
            title: experiment.title.clone(),
            promise: experiment.promise.clone(),
            file: experiment.source.name.clone(),
            vars: experiment.vars.clone(),
            by: told.map(|view| view.by),
            started_ms,
            ended_ms,
            reverted_ms: self.runner.begun.and(self.runner.reverted).map(|at| self.at(at)),
            verdict,
            probes: self.runner.probes.iter().map(|probe| self.probe(probe)).collect(),
            during: self.runner.during.iter().map(|gate| self.gate(gate)).collect(),
            stop: self.runner.stop.iter().map(|gate| self.gate(gate)).collect(),
            expects: self.runner.expects.iter().map(|run| self.expect(run)).collect(),
            steps: (0..self.runner.steps.len()).map(|index| self.step(index)).collect(),
            recoveries,
            samples,
            events,
            operations: self.operations().await,
            compared_with: self.options.last.as_ref().map(|last| last.id.clone()),
        })
    }

    fn at(&self, moment: Duration) -> u64 {
        self.started_ms + millis(moment)
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        let all = self.recorder.samples.iter();
        all.filter(|sample| sample.at_ms >= self.started_ms).cloned().collect()
    }

    pub(super) fn recoveries(&self, samples: &[Sample]) -> Vec<Recovery> {
        let (Some(begun), Some(reverted)) = (self.runner.begun, self.runner.reverted) else {
            return Vec::new();
        };
        let last = self.options.last.as_ref().map_or(&[][..], |last| &last.recoveries);
        let pools = self.runner.experiment.pools();
        recovery::of(samples, &pools, self.at(begun), self.at(reverted), last)
    }

    fn probe(&self, probe: &Probe) -> ProbeRecord {
        let told = |gate: &Gate| shown(&gate.condition, gate.value.as_ref());
        let reverted = self.runner.reverted.unwrap_or_default();
        ProbeRecord {
            condition: probe.gate.condition.to_string(),
            before: probe.before.as_ref().map_or_else(|| told(&probe.gate), told),
            held_before: probe.before.as_ref().map_or(probe.gate.holds, |gate| gate.holds),
            after: probe.after.as_ref().map(told),
            held_after: probe.after.as_ref().map(|gate| gate.holds == Some(true)),
            recovered_ms: probe.recovered.map(|at| millis(at.saturating_sub(reverted))),
        }
    }

    fn gate(&self, gate: &Gate) -> GateRecord {
        GateRecord {
            condition: gate.condition.to_string(),
            at_ms: gate.failed.map(|at| self.at(at)),
            value: gate.failed.map(|_| shown(&gate.condition, gate.failed_value.as_ref())),
            had_data: gate.had_data(),
        }
    }

    fn expect(&self, run: &ExpectRun) -> ExpectRecord {
        ExpectRecord {
            what: run.expect.what.to_string(),
            within_ms: millis(run.expect.within),
            after: self.runner.experiment.anchor(run.expect.after),
            took_ms: run.took.map(millis),
            value: shown(&run.expect.what, run.gate.value.as_ref()),
            decided: run.is_decided(),
        }
    }

    fn step(&self, index: usize) -> StepRecord {
        let (run, step) = (&self.runner.steps[index], &self.runner.experiment.steps[index]);
        // What no request can meet has met none.
        let fault = self.faults.get(&index).filter(|fault| fault.fault.has_share());
        StepRecord {
            name: run.name.clone(),
            what: run.what.clone(),
            kind: step.action.kind().to_owned(),
            started_ms: run.started.map(|at| self.at(at)),
            ended_ms: run.ended.map(|at| self.at(at)),
            outcome: run.outcome.clone(),
            ok: run.state != StepState::Failed,
            observed: fault.map(|fault| fault.observed.clone()),
            share: fault.map(|fault| fault.share),
            load: self.load_results.get(&index).cloned(),
        }
    }

    async fn operations(&self) -> Vec<Operation> {
        // Without an answer the report has the events, which say who ordered what as well.
        let all = self.recorder.client.call(&GetOperations).await.unwrap_or_default();
        let mut mine: Vec<_> =
            all.into_iter().filter(|operation| operation.at_ms >= self.started_ms).collect();
        mine.sort_by_key(|operation| operation.at_ms);
        mine
    }
}

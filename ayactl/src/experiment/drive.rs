//! Plays an experiment against a daemon: what the [`Runner`] wants is done, and what came of it is told to it.

mod act;
mod finish;
mod programs;
mod tell;

pub use self::tell::millis;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aya_api::fault::{FaultState, FaultView};
use tokio::time::interval;

use self::programs::Program;
use super::load::LoadResult;
use super::model::Experiment;
use super::record::Record;
use super::recorder::{LOOK, Recorder};
use super::runner::{Answer, Cause, Phase, Runner};
use crate::demo::signals::Signals;
use crate::failure::Failure;

/// How long the inverse of an order is sure to come if this process is killed, beyond the end of the experiment.
const MARGIN: Duration = Duration::from_secs(60);
/// A fault ends when nobody has renewed it for so long.
const LEASE_MS: u64 = aya_api::fault::DEFAULT_LEASE_MS;
/// How often the daemon is told, and leases are renewed.
const TELL: Duration = Duration::from_secs(1);

/// How it is played.
pub struct Options {
    /// Ends at the first deviation.
    pub fail_fast: bool,
    /// Ends after this long.
    pub deadline: Option<Duration>,
    /// The run before, that recovery times are compared with.
    pub last: Option<Record>,
    /// Id of the run.
    pub id: String,
    /// The run that it is part of, which is told together with it.
    pub parent: Option<(String, aya_api::run::RunBody)>,
}

/// An experiment being played.
pub struct Driver<'a> {
    /// What is played.
    pub runner: Runner<'a>,
    /// What is seen.
    pub recorder: &'a mut Recorder,
    options: Options,
    begun: Duration,
    started_ms: u64,
    faults: BTreeMap<usize, FaultView>,
    loads: BTreeSet<usize>,
    programs: BTreeMap<usize, Program>,
    load_results: BTreeMap<usize, LoadResult>,
    told: Option<Duration>,
}

impl<'a> Driver<'a> {
    /// Prepares.
    pub fn new(experiment: &'a Experiment, recorder: &'a mut Recorder, options: Options) -> Self {
        let (begun, started_ms) = (recorder.elapsed(), recorder.wall_ms());
        Self {
            runner: Runner::new(experiment, options.fail_fast),
            recorder,
            options,
            begun,
            started_ms,
            faults: BTreeMap::new(),
            loads: BTreeSet::new(),
            programs: BTreeMap::new(),
            load_results: BTreeMap::new(),
            told: None,
        }
    }

    /// How long it has been played.
    pub fn now(&self) -> Duration {
        self.recorder.elapsed().saturating_sub(self.begun)
    }

    /// Plays it to its end, and tells `progress` how it goes. Errors only when the daemon refuses it as a whole.
    pub(crate) async fn play(
        &mut self,
        signals: &Signals,
        progress: &mut dyn FnMut(&Runner<'_>, Duration),
    ) -> Result<Record, Failure> {
        self.announce().await?;
        let mut looks = interval(LOOK);
        while self.runner.phase != Phase::Over {
            looks.tick().await;
            let looked = self.recorder.look().await;
            let now = self.now();
            if let Err(silence) = looked {
                self.runner.halt(now, Cause::Lost(silence));
            }
            if let Some(signal) = signals.caught() {
                self.runner.halt(now, Cause::Signal(signal));
            }
            if self.options.deadline.is_some_and(|deadline| now >= deadline) {
                self.runner.halt(now, Cause::Deadline);
            }
            self.notice(now);
            if self.runner.phase == Phase::After {
                let recoveries = self.recoveries(&self.samples());
                self.runner.is_normal = recoveries.iter().all(|recovery| recovery.took_ms.is_some());
            }
            let tasks = self.runner.tick(now, &self.recorder.figures);
            for task in tasks {
                self.act(task).await;
            }
            if self.told.is_none_or(|last| now.saturating_sub(last) >= TELL) {
                self.told = Some(now);
                self.renew().await;
                self.tell().await;
            }
            progress(&self.runner, now);
        }
        self.finish().await
    }

    /// Tells the runner what is over by itself.
    fn notice(&mut self, now: Duration) {
        self.notice_faults(now);
        self.notice_loads(now);
        let mut ended = Vec::new();
        for (index, program) in &mut self.programs {
            if let Some(outcome) = program.look(now) {
                ended.push((*index, outcome));
            }
        }
        for (index, outcome) in ended {
            self.programs.remove(&index);
            let answer = match outcome {
                Ok(told) => Answer::Ended(index, told),
                Err(why) => Answer::Failed(index, why),
            };
            self.runner.answer(now, answer);
        }
    }

    fn notice_loads(&mut self, now: Duration) {
        let loads = &self.recorder.loads;
        let over = self.loads.iter().filter_map(|index| Some((*index, loads.get(index)?.result()?)));
        for (index, result) in over.collect::<Vec<_>>() {
            self.loads.remove(&index);
            self.recorder.loads.remove(&index);
            let name = &self.runner.steps[index].name;
            let doubt = result.doubt().map(|doubt| format!("{name}: {doubt}"));
            self.runner.doubts.extend(doubt);
            self.runner.answer(now, Answer::Ended(index, result.told()));
            self.load_results.insert(index, result);
        }
    }

    fn notice_faults(&mut self, now: Duration) {
        let Some(status) = &self.recorder.figures.status else { return };
        let chaos = &status.chaos;
        let mut ended = Vec::new();
        for (index, fault) in &mut self.faults {
            if fault.state == FaultState::Ended {
                continue;
            }
            let seen = chaos.faults.iter().chain(&chaos.ended).find(|seen| seen.id == fault.id);
            if let Some(seen) = seen {
                *fault = seen.clone();
            }
            if fault.state == FaultState::Ended {
                ended.push(*index);
            }
        }
        for index in ended {
            let fault = &self.faults[&index];
            let by = fault.ended_by.clone().unwrap_or_default();
            let told = tell::outcome(fault);
            let is_usual = ["over", "stopped"].iter().any(|word| by.starts_with(word));
            if is_usual || self.runner.phase == Phase::Reverting {
                self.runner.answer(now, Answer::Ended(index, told));
                continue;
            }
            self.runner.answer(now, Answer::Ended(index, told));
            let why = format!("{}: the daemon ended it: {by}", self.runner.steps[index].name);
            let cause = match by.split_once(' ') {
                _ if by.starts_with("no data") => {
                    Cause::Blind(by.trim_start_matches("no data").trim().into())
                }
                Some(("condition", condition)) => Cause::Condition(condition.to_owned()),
                _ => Cause::Step(why),
            };
            self.runner.halt(now, cause);
        }
    }
}

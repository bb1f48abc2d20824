//! Plays a game day.

use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::command::notes::AddNote;
use aya_api::command::operations::GetOperations;
use aya_api::command::runs::PutRun;
use aya_api::run::{RunBody, RunKind, RunState, StepView};
use tokio::time::interval;

use super::model::{GameDay, What};
use super::record::{Record, Run};
use crate::demo::signals::Signals;
use crate::experiment::drive::{Driver, Options, millis};
use crate::experiment::history::History;
use crate::experiment::load::{Load, LoadLine, LoadResult};
use crate::experiment::record::SCHEMA_VERSION;
use crate::experiment::recorder::{LOOK, Recorder};
use crate::experiment::runner::Runner;
use crate::experiment::verdict::{NO_PROOF, Verdict, Word};
use crate::failure::Failure;
use crate::loadtest::target::Surroundings;

/// Where the load of the whole day is among the loads of the recorder: no step has this number.
const DAY_LOAD: usize = usize::MAX;
/// How often the daemon is told.
const TELL: Duration = Duration::from_secs(1);

/// Hears how it goes.
pub type Progress<'p> = dyn FnMut(&str, Option<(&Runner<'_>, Duration)>) + 'p;

/// A game day being played.
pub struct Player<'a> {
    day: &'a GameDay,
    recorder: Recorder,
    /// Id of the run.
    id: String,
    history: History,
    started_ms: u64,
    steps: Vec<StepView>,
    load: Option<LoadResult>,
    told: Option<Duration>,
    runs: Vec<Run>,
    cut: Option<Verdict>,
    fail_fast: bool,
}

impl<'a> Player<'a> {
    /// Prepares. Earlier runs of its experiments are looked up in `history`.
    pub fn new(day: &'a GameDay, recorder: Recorder, id: String, history: History, fail_fast: bool) -> Self {
        let steps = day.moments.iter().map(|moment| StepView {
            what: match &moment.what {
                What::Experiment(experiment) => experiment.title.clone(),
                What::Note(note) => format!("note: {note}"),
            },
            started_ms: None,
            ended_ms: None,
            outcome: None,
        });
        let started_ms = recorder.wall_ms();
        Self {
            day,
            id,
            history,
            started_ms,
            steps: steps.collect(),
            load: None,
            told: None,
            runs: Vec::new(),
            cut: None,
            fail_fast,
            recorder,
        }
    }

    /// Plays it to its end.
    pub(crate) async fn play(
        mut self,
        signals: &Signals,
        progress: &mut Progress<'_>,
    ) -> Result<Record, Failure> {
        let run = PutRun::new(&self.id, self.body(RunState::Running, None));
        let by = self.recorder.client.change(&run, &ChangeOptions::default()).await?.by;
        if let Some(line) = &self.day.load {
            let around = Surroundings::ask(&self.recorder.client).await?;
            let load = Load::start(line, around).map_err(|failure| failure.context("load"))?;
            self.recorder.loads.insert(DAY_LOAD, load);
        }
        for index in 0..self.day.moments.len() {
            if !self.wait(index, signals, progress).await {
                break;
            }
            self.happen(index, signals, progress).await?;
            if self.cut.is_some() {
                break;
            }
        }
        self.finish(by).await
    }

    /// Waits for a moment; false when the day is cut short.
    async fn wait(&mut self, index: usize, signals: &Signals, progress: &mut Progress<'_>) -> bool {
        let day = self.day;
        let mut looks = interval(LOOK);
        while self.recorder.elapsed() < day.moments[index].at {
            looks.tick().await;
            if let Err(silence) = self.recorder.look().await {
                let text = "the daemon did not answer any more".to_owned();
                self.cut = Some(Verdict { word: Word::Lost, text, reasons: vec![silence] });
                return false;
            }
            if signals.caught().is_some() {
                let text = "it was ended by hand".to_owned();
                self.cut = Some(Verdict { word: Word::Interrupted, text, reasons: Vec::new() });
                return false;
            }
            self.notice_load();
            let now = self.recorder.elapsed();
            if self.told.is_none_or(|last| now.saturating_sub(last) >= TELL) {
                self.told = Some(now);
                let run = PutRun::new(&self.id, self.body(RunState::Running, None));
                // When that does not get through, the next one does.
                let _ = self.recorder.client.call(&run).await;
            }
            progress(&self.steps[index].what, None);
        }
        true
    }

    async fn happen(
        &mut self,
        index: usize,
        signals: &Signals,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        let day = self.day;
        let now_ms = self.recorder.wall_ms();
        self.steps[index].started_ms = Some(now_ms);
        match &day.moments[index].what {
            What::Note(text) => {
                self.recorder.client.call(&AddNote::new(text).about(&self.id)).await?;
                self.steps[index].outcome = Some("noted".to_owned());
            }
            What::Experiment(experiment) => {
                let late = self.recorder.elapsed().saturating_sub(day.moments[index].at);
                let options = Options {
                    fail_fast: self.fail_fast,
                    deadline: None,
                    last: self.history.last_of(&experiment.name),
                    id: format!("{}-{}-{}", self.id, index + 1, experiment.name).chars().take(64).collect(),
                    parent: Some((self.id.clone(), self.body(RunState::Running, None))),
                };
                let title = &self.steps[index].what.clone();
                let mut driver = Driver::new(experiment, &mut self.recorder, options);
                let mut record =
                    driver.play(signals, &mut |runner, now| progress(title, Some((runner, now)))).await?;
                self.history.keep(&record.id, &record)?;
                self.steps[index].outcome = Some(record.verdict.word.shown().to_lowercase());
                if matches!(record.verdict.word, Word::Interrupted | Word::Lost) {
                    self.cut = Some(record.verdict.clone());
                }
                // The day has them once for all of its experiments.
                (record.samples, record.events, record.operations) = Default::default();
                self.runs.push(Run { late_ms: millis(late), record });
            }
        }
        self.steps[index].ended_ms = Some(self.recorder.wall_ms());
        self.notice_load();
        Ok(())
    }

    /// Keeps what came of the load of the day when it is over.
    fn notice_load(&mut self) {
        if let Some(result) = self.recorder.loads.get(&DAY_LOAD).and_then(Load::result) {
            self.recorder.loads.remove(&DAY_LOAD);
            self.load = Some(result);
        }
    }

    fn body(&self, state: RunState, verdict: Option<String>) -> RunBody {
        RunBody {
            kind: RunKind::Gameday,
            title: self.day.title.clone(),
            state,
            started_ms: self.started_ms,
            ends_ms: Some(self.started_ms + millis(self.day.length())),
            load: self.recorder.loads.get(&DAY_LOAD).map(|load| load.glance().view),
            gates: Vec::new(),
            steps: self.steps.clone(),
            pools: Vec::new(),
            verdict,
        }
    }

    fn verdict(&self) -> Verdict {
        let mut reasons: Vec<String> = Vec::new();
        for run in &self.runs {
            let verdict = &run.record.verdict;
            if verdict.word != Word::Held {
                let why = verdict.reasons.first().unwrap_or(&verdict.text);
                reasons.push(format!(
                    "{} ({}): {why}",
                    run.record.title,
                    verdict.word.shown().to_lowercase()
                ));
            }
        }
        if let Some(cut) = &self.cut {
            reasons.extend(cut.reasons.iter().cloned());
            return Verdict { word: cut.word, text: cut.text.clone(), reasons };
        }
        let all = self.runs.len();
        let doubt = self.load.as_ref().and_then(LoadResult::doubt);
        reasons.extend(doubt.map(|doubt| format!("load of the day: {doubt}")));
        if reasons.is_empty() {
            let text = format!("all {all} hypotheses held");
            return Verdict { word: Word::Held, text, reasons };
        }
        let words = self.runs.iter().map(|run| run.record.verdict.word);
        let failed = words.filter(|word| !matches!(word, Word::Held | Word::NoProof)).count();
        if failed == 0 {
            return Verdict { word: Word::NoProof, text: NO_PROOF.to_owned(), reasons };
        }
        let text = format!("{failed} of {all} hypotheses did not hold");
        Verdict { word: Word::Failed, text, reasons }
    }

    async fn finish(mut self, by: String) -> Result<Record, Failure> {
        if let Some(load) = self.recorder.loads.remove(&DAY_LOAD) {
            self.load = load.end();
        }
        self.recorder.read_events().await;
        let verdict = self.verdict();
        let state = if self.cut.is_some() { RunState::Aborted } else { RunState::Done };
        let words = format!("{}: {}", verdict.word.shown(), verdict.text);
        let run = PutRun::new(&self.id, self.body(state, Some(words)));
        // A daemon that is gone has nobody to show it to; the same holds for its journal.
        let _ = self.recorder.client.call(&run).await;
        let mut operations = self.recorder.client.call(&GetOperations).await.unwrap_or_default();
        operations.retain(|operation| operation.at_ms >= self.started_ms);
        operations.sort_by_key(|operation| operation.at_ms);
        Ok(Record {
            schema_version: SCHEMA_VERSION,
            id: self.id,
            name: self.day.name.clone(),
            title: self.day.title.clone(),
            promise: self.day.promise.clone(),
            file: self.day.file.clone(),
            by: Some(by),
            load: self.day.load.as_ref().map(LoadLine::told),
            load_result: self.load,
            started_ms: self.started_ms,
            ended_ms: self.recorder.wall_ms(),
            verdict,
            runs: self.runs,
            samples: self.recorder.samples,
            events: self.recorder.events,
            operations,
        })
    }
}

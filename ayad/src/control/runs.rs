//! `GET /v1/runs`, `PUT` and `DELETE /v1/runs/{id}`: what those who run load tests, experiments and game days tell of
//! them.
//!
//! The daemon plays none of them. It keeps what it was told last, so that everybody sees it, marks a run of which it hears
//! nothing as lost, and forgets it some time after its end.

use std::time::Duration;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use aya_api::run::{LOST_AFTER_MS, RunBody, RunKind, RunState, RunView};
use aya_core::time::Tick;

use super::call::Call;
use super::server::Reply;
use super::{Control, suggest};
use crate::clock;
use crate::state::NewEvent;

/// Most runs that are kept; one that is over makes place for a new one.
const MOST: usize = 32;
/// How long a run is kept after its end.
const KEPT: Duration = Duration::from_secs(600);
/// Longest id, title, verdict or word of a run, in bytes.
const LONGEST_TEXT: usize = 1000;
/// Most gates, steps or points of a run.
const MOST_PARTS: usize = 256;

/// A run, and when it was told of last.
#[derive(Debug)]
struct Kept {
    view: RunView,
    told: Tick,
}

/// The runs that were told of.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Newest first.
    kept: Vec<Kept>,
}

impl Runs {
    /// The run of this id, or an error that names those that there are.
    pub(super) fn find(&self, id: &str) -> Result<&RunView, ApiError> {
        self.kept.iter().map(|kept| &kept.view).find(|view| view.id == id).ok_or_else(|| {
            let hint = suggest(id, self.kept.iter().map(|kept| kept.view.id.as_str()));
            ApiError::new(ErrorCode::NotFound, format!("no run \"{id}\""), hint)
        })
    }

    /// All of them, newest first.
    pub(super) fn views(&self) -> Vec<RunView> {
        self.kept.iter().map(|kept| kept.view.clone()).collect()
    }

    /// Takes what is told, and gives the state before. Errors when the id is somebody else's, or there is no room.
    fn put(&mut self, id: &str, by: &str, run: RunBody, now: Tick) -> Result<Option<RunState>, ApiError> {
        let told_ms = clock::wall_ms();
        self.check_alone(id, &run)?;
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.view.id == id) {
            if kept.view.by != by {
                let message = format!("the run \"{id}\" is {}'s", kept.view.by);
                return Err(ApiError::new(ErrorCode::Conflict, message, "take another id"));
            }
            let before = kept.view.run.state;
            kept.view.run = run;
            kept.view.told_ms = told_ms;
            kept.told = now;
            return Ok(Some(before));
        }
        if self.kept.len() >= MOST {
            let Some(oldest) = self.kept.iter().rposition(|kept| !is_live(kept.view.run.state)) else {
                let message = format!("{MOST} runs are under way already");
                return Err(ApiError::new(ErrorCode::Conflict, message, "end one, or wait until one ends"));
            };
            self.kept.remove(oldest);
        }
        let view = RunView { id: id.to_owned(), by: by.to_owned(), told_ms, run };
        self.kept.insert(0, Kept { view, told: now });
        Ok(None)
    }

    /// An experiment has its pools to itself: of two at once neither could say what came of what.
    fn check_alone(&self, id: &str, run: &RunBody) -> Result<(), ApiError> {
        if run.kind != RunKind::Experiment || !is_live(run.state) {
            return Ok(());
        }
        let others = self.kept.iter().map(|kept| &kept.view).filter(|other| {
            other.id != id && other.run.kind == RunKind::Experiment && is_live(other.run.state)
        });
        for other in others {
            if let Some(pool) = run.pools.iter().find(|pool| other.run.pools.contains(pool)) {
                let message =
                    format!("{} runs the experiment \"{}\" on {pool} already", other.by, other.run.title);
                let hint = format!("wait until it ends, or end it: its run is {}", other.id);
                return Err(ApiError::new(ErrorCode::Conflict, message, hint));
            }
        }
        Ok(())
    }

    /// Forgets what ended long ago, and gives those that are lost from now on.
    fn look(&mut self, now: Tick) -> Vec<RunView> {
        self.kept.retain(|kept| is_live(kept.view.run.state) || now.since(kept.told) < KEPT);
        let mut lost = Vec::new();
        for kept in &mut self.kept {
            if is_live(kept.view.run.state) && now.since(kept.told) >= Duration::from_millis(LOST_AFTER_MS) {
                lost.push(kept.view.clone());
                kept.view.run.state = RunState::Lost;
                kept.told = now;
            }
        }
        lost
    }

    /// When to look again, if there is any run.
    fn next_look(&self) -> Option<Tick> {
        let due = self.kept.iter().map(|kept| {
            let live = is_live(kept.view.run.state);
            kept.told.after(if live { Duration::from_millis(LOST_AFTER_MS) } else { KEPT })
        });
        due.min()
    }

    fn remove(&mut self, id: &str) -> Option<RunView> {
        let at = self.kept.iter().position(|kept| kept.view.id == id)?;
        Some(self.kept.remove(at).view)
    }
}

fn is_live(state: RunState) -> bool {
    matches!(state, RunState::Preparing | RunState::Running)
}

/// Answers with all runs.
pub(super) fn handle_all(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.run_views(), None)
}

/// Takes what a run tells.
pub(super) fn put(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let [id, _] = &call.values;
    let run: RunBody = call.parse()?;
    check(id, &run)?;
    control.check_in_charge()?;
    if call.options.dry_run {
        let view = RunView { id: id.clone(), by: call.by.name.clone(), told_ms: clock::wall_ms(), run };
        return Reply::json(&view, None);
    }
    let state = run.state;
    let before = control.runs.put(id, &call.by.name, run, clock::now())?;
    control.publish_runs();
    let view = control.runs.find(id)?.clone();
    if before != Some(state) {
        control.tell_run(&view, before);
        if !is_live(state) {
            control.end_faults_of_run(id, word(state));
        }
    }
    Reply::json(&view, None)
}

/// Forgets a run.
pub(super) fn end(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let [id, _] = &call.values;
    let view = control.runs.find(id)?.clone();
    if !call.options.dry_run {
        control.check_in_charge()?;
        control.end_faults_of_run(id, "forgotten");
        control.end_leases_of_run(id);
        control.runs.remove(id);
        control.publish_runs();
    }
    Reply::json(&view, None)
}

impl Control {
    /// Looks at runs of which nothing was heard. Says when to look again.
    pub(super) fn look_at_runs(&mut self, now: Tick) -> Option<Tick> {
        for run in self.runs.look(now) {
            let cause = format!("nothing was heard of it for {} s", LOST_AFTER_MS / 1000);
            let event = NewEvent::new(Severity::Warning, "run", &run.id, cause);
            let event = event.change(word(run.run.state), word(RunState::Lost));
            self.state.events.push(event.ordered(Some(run.by), None));
            self.end_faults_of_run(&run.id, word(RunState::Lost));
            self.end_leases_of_run(&run.id);
        }
        self.publish_runs();
        self.runs.next_look()
    }

    /// Lets workers know which runs are under way.
    fn publish_runs(&self) {
        let live = self.runs.kept.iter().filter(|kept| is_live(kept.view.run.state));
        self.state.runs.set(live.map(|kept| kept.view.id.clone()).collect());
    }

    fn tell_run(&self, view: &RunView, before: Option<RunState>) {
        let kind = match view.run.kind {
            RunKind::Load => "load test",
            RunKind::Experiment => "experiment",
            RunKind::Gameday => "game day",
        };
        let verdict = view.run.verdict.as_ref().map(|verdict| format!(": {verdict}")).unwrap_or_default();
        let cause = format!("{kind} \"{}\"{verdict}", view.run.title);
        let event = NewEvent::new(Severity::Info, "run", &view.id, cause);
        let event = event.change(before.map_or("none", word), word(view.run.state));
        self.state.events.push(event.ordered(Some(view.by.clone()), None));
    }
}

fn word(state: RunState) -> &'static str {
    match state {
        RunState::Preparing => "preparing",
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Aborted => "aborted",
        RunState::Lost => "lost",
    }
}

/// What is wrong with what is told.
fn check(id: &str, run: &RunBody) -> Result<(), ApiError> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(is_id) {
        let message = format!("\"{id}\" is no id of a run");
        return Err(ApiError::new(ErrorCode::BadValue, message, "take 1 to 64 letters, digits, -, _ and ."));
    }
    if run.state == RunState::Lost {
        let message = format!("the run \"{id}\" cannot tell that it is lost");
        return Err(ApiError::new(ErrorCode::BadValue, message, "say done or aborted"));
    }
    let texts = [Some(&run.title), run.verdict.as_ref(), run.load.as_ref().map(|load| &load.url)];
    if texts.into_iter().flatten().any(|text| text.len() > LONGEST_TEXT) {
        let message = format!("title, verdict or address of the run \"{id}\" has over {LONGEST_TEXT} bytes");
        return Err(ApiError::new(ErrorCode::BadValue, message, "say it in fewer words"));
    }
    let sparks = run
        .load
        .iter()
        .flat_map(|load| [load.offered_spark.len(), load.achieved_spark.len(), load.p99_spark.len()]);
    if sparks.chain([run.gates.len(), run.steps.len()]).any(|count| count > MOST_PARTS) {
        let message = format!("the run \"{id}\" has over {MOST_PARTS} gates, steps or points");
        return Err(ApiError::new(ErrorCode::BadValue, message, "tell of the last ones"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(state: RunState) -> RunBody {
        RunBody {
            kind: RunKind::Load,
            title: "a test".into(),
            state,
            started_ms: 1,
            ends_ms: None,
            load: None,
            gates: Vec::new(),
            steps: Vec::new(),
            pools: Vec::new(),
            verdict: None,
        }
    }

    #[test]
    fn an_experiment_has_its_pools_to_itself() {
        let mut runs = Runs::default();
        let on = |pools: &[&str], state| RunBody {
            kind: RunKind::Experiment,
            pools: pools.iter().map(|pool| (*pool).to_owned()).collect(),
            ..body(state)
        };
        runs.put("a", "kim", on(&["shop", "img"], RunState::Running), at(0)).unwrap();
        let refused = runs.put("b", "lee", on(&["img"], RunState::Preparing), at(0)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Conflict);
        assert!(refused.message.starts_with("kim runs the experiment"), "{}", refused.message);
        assert!(runs.put("b", "lee", on(&["api"], RunState::Preparing), at(0)).is_ok());
        runs.put("a", "kim", on(&["shop", "img"], RunState::Done), at(1)).unwrap();
        assert!(runs.put("c", "lee", on(&["img"], RunState::Running), at(1)).is_ok());
    }

    fn at(seconds: u64) -> Tick {
        Tick::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_run_of_which_nothing_is_heard_is_lost_and_forgotten_later() {
        let mut runs = Runs::default();
        assert_eq!(runs.put("a", "kim", body(RunState::Running), at(0)).unwrap(), None);
        assert!(runs.look(at(4)).is_empty());
        assert_eq!(runs.next_look(), Some(at(5)));
        assert_eq!(runs.look(at(5)).len(), 1);
        assert_eq!(runs.find("a").unwrap().run.state, RunState::Lost);
        // It is heard of again.
        assert_eq!(runs.put("a", "kim", body(RunState::Done), at(6)).unwrap(), Some(RunState::Lost));
        assert!(runs.look(at(605)).is_empty());
        assert!(runs.find("a").is_ok());
        runs.look(at(606));
        assert!(runs.find("a").is_err());
    }

    #[test]
    fn the_oldest_that_is_over_makes_place() {
        let mut runs = Runs::default();
        for number in 0..MOST {
            runs.put(&format!("r{number}"), "kim", body(RunState::Running), at(0)).unwrap();
        }
        assert_eq!(
            runs.put("new", "kim", body(RunState::Running), at(0)).unwrap_err().code,
            ErrorCode::Conflict
        );
        runs.put("r3", "kim", body(RunState::Done), at(1)).unwrap();
        assert_eq!(runs.put("r4", "lee", body(RunState::Done), at(1)).unwrap_err().code, ErrorCode::Conflict);
        runs.put("new", "kim", body(RunState::Running), at(1)).unwrap();
        assert!(runs.find("r3").is_err() && runs.find("new").is_ok());
        assert_eq!(runs.views()[0].id, "new");
    }

    #[test]
    fn what_is_told_has_limits() {
        let mut run = body(RunState::Running);
        assert!(check("ld-1.2_x", &run).is_ok());
        assert!(
            check("", &run).is_err() && check("a b", &run).is_err() && check(&"a".repeat(65), &run).is_err()
        );
        assert!(check("a", &body(RunState::Lost)).is_err());
        run.title = "x".repeat(LONGEST_TEXT + 1);
        assert!(check("a", &run).is_err());
    }
}

//! Faults that are injected, who may inject any, and runs that go on.

use std::fmt::Write as _;

use aya_api::run::{RunState, RunView};
use aya_api::view::Status;

use crate::cmd::chaos::lock_line;
use crate::failure::Failure;
use crate::render::cell::visible;
use crate::render::{self, View};
use crate::time;

/// Nothing while nothing is out of the ordinary.
pub(super) fn lines(status: &Status, view: &View) -> Result<String, Failure> {
    let mut text = String::new();
    if status.chaos.lock.is_some() {
        let _ = write!(text, "\nCHAOS\n{}\n", lock_line(&status.chaos, view.now_ms));
    }
    if !status.chaos.faults.is_empty() {
        // Columns and order that are asked for are those of pools.
        let view = View { columns: None, sort_by: None, ..view.clone() };
        let _ = write!(text, "\nFAULTS\n{}", render::list(status.chaos.faults.clone(), &view)?);
    }
    let is_live = |run: &&RunView| matches!(run.run.state, RunState::Preparing | RunState::Running);
    let runs: Vec<String> = status.runs.iter().filter(is_live).map(|run| line(run, view.now_ms)).collect();
    if !runs.is_empty() {
        let _ = write!(text, "\nRUNS\n{}", render::lines(runs));
    }
    Ok(text)
}

fn line(run: &RunView, now_ms: u64) -> String {
    let since = time::age(now_ms, run.run.started_ms);
    visible(format!("{} {} for {since}, by {}", run.id, run.run.title, run.by))
}

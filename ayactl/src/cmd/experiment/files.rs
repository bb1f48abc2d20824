//! Verbs about files: `validate`, `init`, `history`.

use std::path::Path;

use aya_api::exit::Exit;
use serde::Serialize;
use serde_json::json;

use super::history as runs;
use crate::args::{Global, HistoryArgs, InitArgs, ValidateArgs};
use crate::console::Console;
use crate::experiment::reading::{Vars, schema_of};
use crate::experiment::record::Record;
use crate::experiment::source::{Problem, draw};
use crate::experiment::{check, raw, shipped};
use crate::failure::Failure;
use crate::gameday;
use crate::render::cell::Cell;
use crate::render::{self, Column, Row};
use crate::text;
use crate::time;

/// What `init` prints when nothing is said.
const TEMPLATE: &str = include_str!("template.toml");

/// Checks files.
pub(super) fn validate(
    args: &ValidateArgs,
    global: &Global,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    if args.schema {
        let schema = schema_of::<raw::File>("experiment");
        let text = serde_json::to_string_pretty(&schema).map_err(std::io::Error::from)?;
        writeln!(console.out, "{text}")?;
        return Ok(Exit::Done as u8);
    }
    let vars: Vars = args.vars.iter().cloned().collect();
    let mut problems = Vec::new();
    let mut good = Vec::new();
    for path in &args.files {
        let text = text::read(path).map_err(|error| {
            Failure::new(Exit::Error, "io", format!("cannot read {}: {error}", path.display()), "name a file")
        })?;
        match told(path, &text, &vars) {
            Ok(line) => good.push(line),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if global.output.is_json() {
        let text = json!({ "valid": problems.is_empty(), "problems": problems });
        writeln!(console.out, "{text}")?;
    } else {
        for line in good {
            writeln!(console.out, "{line}")?;
        }
    }
    if problems.is_empty() {
        return Ok(Exit::Done as u8);
    }
    Err(refused(&mut problems))
}

/// The failure of a file with problems.
pub(in crate::cmd) fn refused(problems: &mut [Problem]) -> Failure {
    let text = draw(problems);
    let count = time::count(problems.len() as u64, "problem");
    Failure::new(Exit::Error, "experiment", format!("{count}\n\n{}", text.trim_end()), "")
}

/// What a file holds, in a line.
fn told(path: &Path, text: &str, vars: &Vars) -> Result<String, Vec<Problem>> {
    let is_gameday = text.lines().any(|line| line.trim() == "[[moment]]");
    if is_gameday {
        let day = gameday::check::read(path, text, vars)?;
        let (count, length) = (day.moments.len(), time::span(day.length().as_millis() as u64));
        return Ok(format!(
            "{}: good: game day \"{}\", {count} moments, at most {length}",
            path.display(),
            day.title
        ));
    }
    let experiment = check::read(path, text, vars)?;
    let (count, length) = (experiment.steps.len(), time::span(experiment.length().as_millis() as u64));
    let steps = time::count(count as u64, "step");
    Ok(format!("{}: good: \"{}\", {steps}, at most {length}", path.display(), experiment.title))
}

#[derive(Clone, Serialize)]
struct Shipped {
    name: String,
    title: String,
}

impl Row for Shipped {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |row, _| Cell::text(row.name.clone())),
        Column::left("title", "TITLE", |row, _| Cell::text(row.title.clone())),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

/// Prints a file to begin with, or lists those that ship.
pub(super) fn init(args: &InitArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    if args.list {
        let rows = shipped::EXPERIMENTS
            .iter()
            .map(|(name, text)| Shipped { name: (*name).to_owned(), title: shipped::title(text) });
        let view = crate::session::view(global, console);
        let text = render::list(rows.collect(), &view)?;
        console.out.write_all(text.as_bytes())?;
        return Ok(Exit::Done as u8);
    }
    let text = match &args.from {
        Some(name) => shipped::find(name, None)?.1,
        None => TEMPLATE.to_owned(),
    };
    console.out.write_all(text.as_bytes())?;
    Ok(Exit::Done as u8)
}

#[derive(Clone, Serialize)]
struct Line {
    id: String,
    experiment: String,
    title: String,
    verdict: String,
    started_ms: u64,
    took_ms: u64,
    reason: Option<String>,
}

impl Row for Line {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("run", "RUN", |row, _| Cell::text(row.id.clone())),
        Column::left("verdict", "VERDICT", |row, _| Cell::text(row.verdict.clone())),
        Column::right("age", "AGE", |row, now| Cell::text(time::age(now, row.started_ms))),
        Column::right("took", "TOOK", |row, _| Cell::text(time::span(row.took_ms))),
        Column::left("why", "WHY", |row, _| Cell::text(row.reason.clone().unwrap_or_default())),
    ];

    fn label(&self) -> &str {
        &self.id
    }
}

/// Lists the runs that were made, newest first.
pub(super) fn history(args: &HistoryArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let (all, warnings) = runs("experiments", console)?.all::<Record>()?;
    let mine =
        all.into_iter().filter(|run| args.experiment.as_ref().is_none_or(|name| *name == run.experiment));
    let lines: Vec<Line> = mine
        .map(|run| Line {
            took_ms: run.ended_ms.saturating_sub(run.started_ms),
            id: run.id,
            experiment: run.experiment,
            title: run.title,
            verdict: run.verdict.word.shown().to_lowercase(),
            started_ms: run.started_ms,
            reason: run.verdict.reasons.into_iter().next(),
        })
        .collect();
    let view = crate::session::view(global, console);
    let text = render::list(lines, &view)?;
    console.out.write_all(text.as_bytes())?;
    for warning in warnings {
        console.say(&format!("warning: {warning}"));
    }
    Ok(Exit::Done as u8)
}

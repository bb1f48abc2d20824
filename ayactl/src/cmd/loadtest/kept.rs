//! Verbs about recordings: `list`, `report`, `compare`, `merge`.

use aya_api::exit::Exit;
use aya_load::compare::{Comparison, Figure, concerns};
use aya_load::report::{Look, Report, merge as merged};

use super::agent::with_out;
use super::results::{Results, SEED, limits, refuse, shelf};
use super::{outputs, state_of};
use crate::args::{CompareArgs, Format, Global, MergeArgs, RecordingArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::cell::Cell;
use crate::render::{self, Column, Row};
use crate::session;

/// Lists the recordings, newest first.
pub(super) fn list(global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let (lines, warnings) = shelf(console)?.lines()?;
    let text = render::list(lines, &session::view(global, console))?;
    console.out.write_all(text.as_bytes())?;
    for warning in warnings {
        console.say(&format!("warning: {warning}"));
    }
    Ok(Exit::Done as u8)
}

/// Tells a recording again. Its own verdict and objectives were told when it was made; the exit status is about the
/// comparison.
pub(super) fn report(
    args: &RecordingArgs,
    global: &Global,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    let results = Results::new(outputs(&args.report)?).compared(&args.against, console)?;
    let (name, report) = shelf(console)?.find(&args.recording)?;
    results.suits(&report)?;
    Ok(results.tell(report, &name, global, console)? as u8)
}

impl Row for Figure {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("figure", "FIGURE", |row, _| Cell::text(row.metric.as_str())),
        Column::right("before", "BEFORE", |row, _| Cell::maybe_number(row.before, 4)),
        Column::right("after", "AFTER", |row, _| Cell::maybe_number(row.after, 4)),
        Column::right("difference", "DIFFERENCE", |row, _| Cell::maybe_number(row.difference, 4)),
        Column::right("low", "LOW", |row, _| Cell::maybe_number(row.interval.map(|[low, _]| low), 4)),
        Column::right("high", "HIGH", |row, _| Cell::maybe_number(row.interval.map(|[_, high]| high), 4)),
        Column::right("change", "CHANGE", |row, _| Cell::maybe_number(row.change, 4)),
        Column::left("finding", "FINDING", |row, _| Cell::text(row.finding.in_words())),
    ];

    fn label(&self) -> &str {
        self.metric.as_str()
    }
}

/// Compares two recordings.
pub(super) fn compare(args: &CompareArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let limits = limits(&args.regress)?;
    let shelf = shelf(console)?;
    let ((before_name, before), (after_name, after)) = (shelf.find(&args.before)?, shelf.find(&args.after)?);
    if !args.anyway {
        refuse(&concerns(&before, &after), "these cannot be compared: ")?;
    }
    let comparison = Comparison::of(&before, &after, [&before_name, &after_name], &limits, SEED);
    let view = session::view(global, console);
    let text = match global.output {
        _ if args.md => comparison.markdown(),
        Format::Table | Format::Wide => {
            comparison.terminal(Look { color: view.color, width: view.width.unwrap_or(80) })
        }
        Format::Name | Format::Csv => render::list(comparison.figures.clone(), &view)?,
        Format::Json | Format::Jsonl | Format::Yaml => {
            render::document(&comparison, &view)?.unwrap_or_default()
        }
    };
    console.out.write_all(text.as_bytes())?;
    Ok(if comparison.fails() { Exit::Gate } else { Exit::Done } as u8)
}

/// Makes one report of several.
pub(super) fn merge(args: &MergeArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let results =
        Results::new(with_out(outputs(&args.report)?, args.out.as_deref())?).kept(&args.keep, console)?;
    let shelf = shelf(console)?;
    let mut reports: Vec<Report> = Vec::new();
    for typed in &args.recordings {
        reports.push(shelf.find(typed)?.1);
    }
    let report = merged(&reports).map_err(|error| {
        let told = error.to_string();
        let (what, remedy) = told.split_once("; ").unwrap_or((&told, "name other recordings"));
        Failure::new(Exit::Invalid, "not-mergeable", what, remedy)
    })?;
    let own = state_of(&report);
    results.tell(report, "the merger", global, console)?;
    Ok(own as u8)
}

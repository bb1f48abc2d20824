//! `ayactl chaos run`, `validate`, `init`, `history` and `report`.

mod files;
pub(super) mod play;
pub(super) mod progress;

pub(super) use self::files::refused;

use std::path::Path;

use aya_api::exit::Exit;

use super::{practice, with_daemon};
use crate::args::{ExperimentVerb, Global, ReportArgs, ReportFormat};
use crate::console::Console;
use crate::experiment::history::History;
use crate::experiment::practice::Verb;
use crate::experiment::record::Record;
use crate::failure::Failure;
use crate::report::{self, Document};

/// Runs the verb.
pub fn run(verb: ExperimentVerb, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    match verb {
        ExperimentVerb::Pause(args) => {
            with_daemon(global, console, async |s| practice::hold(s, Verb::Pause, &args).await)
        }
        ExperimentVerb::Kill(args) => {
            with_daemon(global, console, async |s| practice::hold(s, Verb::Kill, &args).await)
        }
        ExperimentVerb::Restart(args) => {
            with_daemon(global, console, async |s| practice::restart(s, &args).await)
        }
        ExperimentVerb::Run(args) => play::run(&args, global, console),
        ExperimentVerb::Validate(args) => files::validate(&args, global, console),
        ExperimentVerb::Init(args) => files::init(&args, global, console),
        ExperimentVerb::History(args) => files::history(&args, global, console),
        ExperimentVerb::Report(args) => tell(&args, console),
    }
}

/// Where runs of `kind` are kept.
pub(super) fn history(kind: &str, console: &Console<'_>) -> Result<History, Failure> {
    Ok(History::new(state_dir(console)?, kind))
}

/// The folder for everything that is kept.
pub(super) fn state_dir<'c>(console: &'c Console<'_>) -> Result<&'c Path, Failure> {
    console.facts.state_dir.as_deref().ok_or_else(|| {
        let hint = "set XDG_STATE_HOME to a folder, or HOME";
        Failure::new(Exit::Error, "no-home", "nobody says where runs are to be kept", hint)
    })
}

fn tell(args: &ReportArgs, console: &mut Console<'_>) -> Result<u8, Failure> {
    let record: Record = history("experiments", console)?.read(&args.run)?;
    let json = serde_json::to_string_pretty(&record).map_err(std::io::Error::from)?;
    write(&report::of_experiment(&record), &record.id, &json, args.format, console)
}

/// Writes a report to stdout.
pub(super) fn write(
    document: &Document,
    id: &str,
    json: &str,
    format: ReportFormat,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    let text = written(document, id, json, format);
    console.out.write_all(text.as_bytes())?;
    console.out.flush()?;
    Ok(Exit::Done as u8)
}

/// A report in a format.
pub(super) fn written(document: &Document, id: &str, json: &str, format: ReportFormat) -> String {
    match format {
        ReportFormat::Md => document.markdown(),
        ReportFormat::Html => document.html(&format!("{id}.json"), json),
        ReportFormat::Json => format!("{json}\n"),
    }
}

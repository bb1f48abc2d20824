//! `ayactl gameday`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aya_api::command::notes::AddNote;
use aya_api::command::runs::GetRuns;
use aya_api::exit::Exit;
use aya_api::run::{RunKind, RunState};

use super::experiment::progress::Progress;
use super::experiment::{self, play};
use super::with_daemon;
use crate::args::{GamedayRunArgs, GamedayVerb, Global, ReportArgs, ReportFormat};
use crate::console::Console;
use crate::demo::signals::Signals;
use crate::experiment::recorder::Recorder;
use crate::experiment::runner::Runner;
use crate::experiment::shipped;
use crate::experiment::verdict::Word;
use crate::failure::Failure;
use crate::gameday::check;
use crate::gameday::model::{GameDay, What};
use crate::gameday::play::Player;
use crate::gameday::record::Record;
use crate::render;
use crate::report;
use crate::session::Session;
use crate::time;

/// Sections that a terminal shows.
const SHOWN: [&str; 2] = ["Verdicts", "Follow-ups"];

/// Runs the verb.
pub fn run(verb: GamedayVerb, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    match verb {
        GamedayVerb::Run(args) => hold(&args, global, console),
        GamedayVerb::Note { words } => {
            with_daemon(global, console, async |session| note(session, &words.join(" ")).await)
        }
        GamedayVerb::Report(args) => tell(&args, console),
    }
}

fn tell(args: &ReportArgs, console: &mut Console<'_>) -> Result<u8, Failure> {
    let record: Record = experiment::history("gamedays", console)?.read(&args.run)?;
    let json = serde_json::to_string_pretty(&record).map_err(std::io::Error::from)?;
    experiment::write(&report::of_gameday(&record), &record.id, &json, args.format, console)
}

/// Notes something, for the game day that runs if one does.
async fn note(session: &mut Session<'_, '_>, text: &str) -> Result<u8, Failure> {
    let runs = session.client.call(&GetRuns).await?;
    let day = runs.iter().find(|run| run.run.kind == RunKind::Gameday && run.run.state == RunState::Running);
    let mut call = AddNote::new(text);
    if let Some(day) = day {
        call = call.about(&day.id);
    }
    let event = session.client.call(&call).await?;
    if let Some(document) = render::document(&event, &session.view)? {
        session.print(&document)?;
    } else {
        let about = day.map_or("no game day runs; it is among the events", |day| day.run.title.as_str());
        session.print(&format!("noted at {} ({about})\n", time::clock(event.at_ms)))?;
    }
    Ok(Exit::Done as u8)
}

fn hold(args: &GamedayRunArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let (path, text) = shipped::find_gameday(&args.file)?;
    let vars = args.vars.iter().cloned().collect();
    let day = check::read(&path, &text, &vars).map_err(|mut problems| experiment::refused(&mut problems))?;
    let reports = args.report.iter().map(|path| Ok((path.clone(), format_of(path)?)));
    let reports: Vec<(PathBuf, ReportFormat)> = reports.collect::<Result<_, Failure>>()?;
    for (path, _) in &reports {
        writable(path)?;
    }
    let days = experiment::history("gamedays", console)?;
    let experiments = experiment::history("experiments", console)?;
    days.prepare()?;
    experiments.prepare()?;
    let signals = Signals::catch()?;
    with_daemon(global, console, async |session| {
        let recorder = Recorder::start(&session.client, session.console.facts.now_ms).await?;
        if let Some(status) = &recorder.figures.status {
            for moment in &day.moments {
                if let What::Experiment(experiment) = &moment.what {
                    play::known(experiment, status)?;
                }
            }
        }
        confirm(session, &day, args.yes)?;
        let id = play::id_of(&day.name, recorder.wall_ms());
        let mut progress = Progress::new(session);
        let is_quiet = session.is_quiet();
        let err = &mut session.console.err;
        let player = Player::new(&day, recorder, id, experiments, args.fail_fast);
        let mut last = String::new();
        let mut hear = |what: &str, running: Option<(&Runner<'_>, Duration)>| {
            let Some((runner, now)) = running else { return };
            if last != what {
                what.clone_into(&mut last);
                if !is_quiet {
                    // Talk: a stderr that is gone is nobody's loss.
                    let _ = writeln!(err, "{what}");
                }
            }
            progress.about(what);
            progress.tell(runner, now, &mut **err);
        };
        let record = player.play(&signals, &mut hear).await?;
        days.keep(&record.id, &record)?;
        show(session, &record, &reports)?;
        if let (Word::Interrupted, Some(signal)) = (record.verdict.word, signals.caught()) {
            return Err(Failure::signal(signal));
        }
        Ok(record.verdict.word.exit() as u8)
    })
}

fn show(
    session: &mut Session<'_, '_>,
    record: &Record,
    reports: &[(PathBuf, ReportFormat)],
) -> Result<(), Failure> {
    let document = report::of_gameday(record);
    let json = serde_json::to_string_pretty(record).map_err(std::io::Error::from)?;
    let shown = render::document(record, &session.view)?;
    session.print(&shown.unwrap_or_else(|| document.text(&session.view, &SHOWN)))?;
    for (path, format) in reports {
        let text = experiment::written(&document, &record.id, &json, *format);
        std::fs::write(path, text).map_err(|error| Failure::from(error).context(path.display()))?;
        session.note(&format!("wrote {}", path.display()));
    }
    if reports.is_empty() {
        session
            .note(&format!("report: ayactl gameday report {} --format html > {}.html", record.id, record.id));
    }
    Ok(())
}

/// The format of a report by the ending of its file.
fn format_of(path: &Path) -> Result<ReportFormat, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => Ok(ReportFormat::Html),
        Some("md") => Ok(ReportFormat::Md),
        Some("json") => Ok(ReportFormat::Json),
        _ => Err(Failure::usage(
            format!("--report {}: it is not known how to write that", path.display()),
            "let it end with .html, .md or .json",
        )),
    }
}

/// A report that cannot be written is told before the day, not after it.
fn writable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(folder).map(drop).map_err(|error| {
        let message = format!("the report {} cannot be written: {error}", path.display());
        Failure::new(Exit::Error, "io", message, "choose a folder that is there and can be written to")
    })
}

fn confirm(session: &mut Session<'_, '_>, day: &GameDay, yes: bool) -> Result<(), Failure> {
    if yes || !session.can_ask() {
        return Ok(());
    }
    let experiments = day.moments.iter().filter(|moment| matches!(moment.what, What::Experiment(_))).count();
    let length = time::span(day.length().as_millis() as u64);
    if session
        .console
        .ask(&format!("{}: {experiments} experiments, at most {length}. Hold it?", day.title))?
    {
        return Ok(());
    }
    Err(Failure::new(Exit::Error, "declined", "nothing was done", "--yes does not ask"))
}

//! `ayactl chaos run`.

use std::fmt::Write as _;
use std::path::Path;

use aya_api::change::ChangeOptions;
use aya_api::command::faults::StartFault;
use aya_api::exit::Exit;
use aya_api::view::Status;

use super::files::refused;
use super::history;
use super::progress::Progress;
use crate::args::{Global, RunArgs};
use crate::cmd::with_daemon;
use crate::console::Console;
use crate::demo::signals::Signals;
use crate::experiment::drive::{Driver, Options};
use crate::experiment::history::History;
use crate::experiment::model::{Action, Experiment, Step};
use crate::experiment::recorder::Recorder;
use crate::experiment::source::Problem;
use crate::experiment::verdict::Word;
use crate::experiment::{check, load, shipped};
use crate::failure::{Failure, closest};
use crate::render;
use crate::report;
use crate::session::Session;
use crate::time;

/// Sections that a terminal shows.
const SHOWN: [&str; 5] = ["Hypothesis", "Expectations", "Steps", "Back to normal", "Follow-ups"];

/// Runs the verb.
pub(super) fn run(args: &RunArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let experiment = read(args)?;
    let history = history("experiments", console)?;
    if !args.dry_run {
        history.prepare()?;
    }
    let signals = Signals::catch()?;
    with_daemon(global, console, async |session| {
        let recorder = Recorder::start(&session.client, session.console.facts.now_ms).await?;
        if let Some(status) = &recorder.figures.status {
            known(&experiment, status)?;
        }
        if args.dry_run {
            return plan(session, &experiment).await;
        }
        confirm(session, &experiment, args.yes)?;
        play(session, &experiment, recorder, &history, args, &signals).await
    })
}

/// The experiment, with what the command line adds to it.
fn read(args: &RunArgs) -> Result<Experiment, Failure> {
    let (path, text) = shipped::find(&args.experiment, None)?;
    let vars = args.vars.iter().cloned().collect();
    let mut experiment = check::read(&path, &text, &vars).map_err(|mut problems| refused(&mut problems))?;
    if let Some(text) = &args.load {
        let line = load::parse(text, Path::new(""))
            .map_err(|(what, help)| Failure::usage(format!("--load: {what}"), help))?;
        let (name, what) = ("load of the command line".to_owned(), format!("load {text}"));
        experiment.steps.insert(0, Step { name, what, background: true, action: Action::Load(line) });
        for expect in &mut experiment.expects {
            expect.after = expect.after.later();
        }
    }
    Ok(experiment)
}

/// Whether the daemon has what the experiment names; told with its place in the file.
pub(in crate::cmd) fn known(experiment: &Experiment, status: &Status) -> Result<(), Failure> {
    let pools = || status.pools.iter().map(|pool| pool.name.as_str());
    let backends = || status.pools.iter().flat_map(|pool| &pool.backends).map(|backend| backend.id.as_str());
    let mut problems: Vec<Problem> = Vec::new();
    for (name, span) in &experiment.names {
        let is_backend = name.contains('/');
        let is_known =
            if is_backend { backends().any(|id| id == name) } else { pools().any(|pool| pool == name) };
        if is_known {
            continue;
        }
        let kind = if is_backend { "backend" } else { "pool" };
        let near = if is_backend { closest(name, backends()) } else { closest(name, pools()) };
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the daemon has {}", pools().collect::<Vec<_>>().join(", ")),
        };
        let problem = experiment.source.problem(span, format!("the daemon has no {kind} \"{name}\""), help);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let mut failure = refused(&mut problems);
    failure.status = Exit::NotFound as u8;
    Err(failure)
}

/// Says what would be done, and whom each fault would hit.
async fn plan(session: &mut Session<'_, '_>, experiment: &Experiment) -> Result<u8, Failure> {
    let mut text = format!(
        "would run \"{}\", at most {}\n",
        experiment.title,
        time::span(experiment.length().as_millis() as u64)
    );
    let gates = [
        ("before and after", &experiment.probes),
        ("all the time", &experiment.during),
        ("stops if", &experiment.stop),
    ];
    for (when, list) in gates {
        for condition in list {
            let _ = writeln!(text, "  {when}: {condition}");
        }
    }
    let mut refused = false;
    for step in &experiment.steps {
        let _ = writeln!(text, "  {}: {}", step.name, step.what);
        if let Some(mut body) = step.action.fault() {
            experiment.limit(&mut body);
            let options = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
            match session.client.change(&StartFault::new(body), &options).await {
                Ok(fault) => {
                    let whom = fault.backends.join(", ");
                    let _ = if fault.fault.has_share() {
                        writeln!(text, "    would hit {} % of requests to {whom}", fault.share * 100.0)
                    } else {
                        writeln!(text, "    would hit {whom}")
                    };
                }
                Err(error) => {
                    refused = true;
                    let _ = writeln!(text, "    would be refused: {error}");
                }
            }
        }
    }
    for expect in &experiment.expects {
        let (within, after) = (expect.within.as_secs_f64(), experiment.anchor(expect.after));
        let _ = writeln!(text, "  expects {} within {within} s after {after}", expect.what);
    }
    session.print(&text)?;
    // It would end at that step, and its exit status would be the same.
    Ok(if refused { Exit::Gate } else { Exit::Done } as u8)
}

/// At a terminal it is asked before something is broken.
fn confirm(session: &mut Session<'_, '_>, experiment: &Experiment, yes: bool) -> Result<(), Failure> {
    if yes || !session.can_ask() {
        return Ok(());
    }
    let faults: Vec<&str> = experiment
        .steps
        .iter()
        .filter(|step| step.action.is_fault())
        .map(|step| step.what.as_str())
        .collect();
    let question = format!("{}: {}. Run it?", experiment.title, faults.join(", "));
    if session.console.ask(&question)? {
        return Ok(());
    }
    Err(Failure::new(Exit::Error, "declined", "nothing was done", "--yes does not ask"))
}

async fn play(
    session: &mut Session<'_, '_>,
    experiment: &Experiment,
    mut recorder: Recorder,
    history: &History,
    args: &RunArgs,
    signals: &Signals,
) -> Result<u8, Failure> {
    let options = Options {
        fail_fast: args.fail_fast,
        deadline: args.deadline,
        last: history.last_of(&experiment.name),
        id: id_of(&experiment.name, recorder.wall_ms()),
        parent: None,
    };
    let mut progress = Progress::new(session);
    let err = &mut session.console.err;
    let mut driver = Driver::new(experiment, &mut recorder, options);
    let record = driver.play(signals, &mut |runner, now| progress.tell(runner, now, &mut **err)).await?;
    history.keep(&record.id, &record)?;
    if let Some(document) = render::document(&record, &session.view)? {
        session.print(&document)?;
    } else {
        let text = report::of_experiment(&record).text(&session.view, &SHOWN);
        session.print(&text)?;
        let id = &record.id;
        session.note(&format!("report: ayactl chaos report {id} --format html > {id}.html"));
    }
    if let (Word::Interrupted, Some(signal)) = (record.verdict.word, signals.caught()) {
        return Err(Failure::signal(signal));
    }
    Ok(record.verdict.word.exit() as u8)
}

/// An id that says what and when: `backend-dies-20261129T061200`.
pub(in crate::cmd) fn id_of(name: &str, now_ms: u64) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).take(40).collect();
    let stamp = time::stamp(now_ms);
    let stamp: String = stamp.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
    format!("{name}-{stamp}")
}

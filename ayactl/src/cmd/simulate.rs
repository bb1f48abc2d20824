//! `ayactl simulate`: a scenario played under several algorithms, as a table, a plot and a page.

mod chart;
mod page;
mod plot;
mod rows;

use std::ops::ControlFlow;
use std::path::Path;

use aya_api::exit::Exit;
use aya_sim::{Arm, Comparison, Scenario, ScenarioError, Verdict, check};
use serde::Serialize;

use crate::args::{Format, Global, SimulateArgs};
use crate::console::Console;
use crate::demo::signals::Signals;
use crate::failure::Failure;
use crate::render::cell::Tone;
use crate::render::table::paint;
use crate::render::{self, View};
use crate::session;
use crate::text;

#[derive(Serialize)]
struct Document<'c> {
    #[serde(flatten)]
    comparison: &'c Comparison,
    expectations: &'c Verdict,
}

/// Runs the verb.
pub(super) fn run(args: &SimulateArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let scenario = read(args)?;
    let arms = match &args.arms {
        None => scenario.arms(),
        Some(named) => named.iter().map(|name| arm(name)).collect::<Result<_, _>>()?,
    };
    let comparison = play(&scenario, &arms, global, console)?;
    let verdict = check(&scenario, &comparison);
    let view = session::view(global, console);
    let text = match view.format {
        Format::Json | Format::Yaml => {
            let document = Document { comparison: &comparison, expectations: &verdict };
            render::document(&document, &view)?.unwrap_or_default()
        }
        Format::Table | Format::Wide => {
            let ascii = args.ascii || console.facts.dumb;
            let table = render::list(comparison.arms.clone(), &view)?;
            let plot = plot::draw(&comparison, view.width.unwrap_or(plot::WIDTH), ascii);
            let about = &comparison.about;
            format!("{about}\n\n{table}{}\n{plot}\n{}", legend(&comparison), told(&verdict, &view))
        }
        Format::Jsonl | Format::Csv | Format::Name => render::list(comparison.arms.clone(), &view)?,
    };
    console.out.write_all(text.as_bytes())?;
    console.out.flush()?;
    if let Some(path) = &args.html {
        write(path, &page::draw(&comparison, &verdict))?;
        if !global.quiet && !global.output.is_json() {
            console.say(&format!("wrote {}", path.display()));
        }
    }
    Ok(if verdict.violations.is_empty() { Exit::Done as u8 } else { Exit::Gate as u8 })
}

fn read(args: &SimulateArgs) -> Result<Scenario, Failure> {
    let path = &args.file;
    let text = text::read(path).map_err(|error| {
        let hint = "scenario files of the project are in tests/scenarios";
        Failure::new(Exit::Error, "io", format!("cannot read {}: {error}", path.display()), hint)
    })?;
    let mut scenario =
        Scenario::from_toml_with(&text, &args.sets).map_err(|error| refused(path, &text, &error, args))?;
    if let Some(load) = args.load {
        scenario = scenario
            .with_load(load)
            .map_err(|error| Failure::usage(format!("--load {load}: {error}"), "try --load 0.9"))?;
    }
    Ok(args.seeds.map_or_else(|| scenario.clone(), |seeds| scenario.with_seeds(seeds)))
}

fn refused(path: &Path, text: &str, error: &ScenarioError, args: &SimulateArgs) -> Failure {
    let is_set = Scenario::from_toml(text).is_ok();
    if is_set {
        let sets: Vec<_> = args.sets.iter().map(|(key, value)| format!("{key}={value}")).collect();
        return Failure::usage(format!("--set {}: {error}", sets.join(" --set ")), "the file alone is good");
    }
    let line = error.line(text).map(|line| format!(":{line}")).unwrap_or_default();
    let message = format!("{}{line}: {}", path.display(), error.to_string().trim_end());
    Failure::new(Exit::Error, "scenario", message, "the files in tests/scenarios show what can be said")
}

fn arm(name: &str) -> Result<Arm, Failure> {
    name.trim().parse().map_err(|error: aya_sim::ArmError| {
        Failure::usage(
            format!("--arms: {error}"),
            "\"oracle\" is an arm as well; arms are separated by commas",
        )
    })
}

/// Plays everything, telling how far it is where that can be redrawn.
fn play(
    scenario: &Scenario,
    arms: &[Arm],
    global: &Global,
    console: &mut Console<'_>,
) -> Result<Comparison, Failure> {
    let signals = Signals::catch()?;
    let tells = console.facts.stderr_tty && !console.facts.dumb && !global.quiet && !global.output.is_json();
    let mut told = None;
    let played = Comparison::play(scenario, arms, &mut |done, total| {
        if tells && told != Some(done) {
            told = Some(done);
            // Without a terminal that takes it nobody misses it.
            let _ = write!(console.err, "\rrun {} of {total} ", done + 1).and_then(|()| console.err.flush());
        }
        if signals.caught().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if tells {
        let _ = write!(console.err, "\r\x1b[K").and_then(|()| console.err.flush());
    }
    played.ok_or_else(|| Failure::signal(signals.caught().unwrap_or_default()))
}

/// What two headings of the table mean here.
fn legend(comparison: &Comparison) -> String {
    let base = match &comparison.base {
        Some(base) => format!("BASE is {base}"),
        None => "BASE would be peak-ewma, which was not played".to_owned(),
    };
    let seeds = match comparison.seeds.len() {
        1 => "± of P99 takes several seeds (--seeds)".to_owned(),
        some => format!("± is the standard deviation of P99 between {some} seeds"),
    };
    format!("{base}; {seeds}\n")
}

fn told(verdict: &Verdict, view: &View) -> String {
    let mut lines = Vec::new();
    for violation in &verdict.violations {
        lines.push(format!("{} {violation}", paint("not as expected:", Tone::Bad, view)));
    }
    let skipped = match verdict.skipped {
        0 => String::new(),
        some => format!(", {some} not looked at because their arms were not played"),
    };
    let held = verdict.checked - verdict.violations.len();
    lines.push(format!("{held} of {} expectations hold{skipped}", verdict.checked));
    render::lines(lines)
}

fn write(path: &Path, page: &str) -> Result<(), Failure> {
    std::fs::write(path, page).map_err(|error| {
        Failure::new(
            Exit::Error,
            "io",
            format!("cannot write {}: {error}", path.display()),
            "choose another file",
        )
    })
}

//! `ayactl demo`: a daemon, six practice backends and steady traffic, all on loopback, until somebody has seen
//! enough.
//!
//! The daemon is the real `ayad` next to this binary, as a child process with a configuration, a socket and
//! a state folder of its own. Each backend is a child process too, so that it can be stopped and killed (`ayactl chaos
//! pause`); clients are a thread of this process. Everything is owned by one `Stage`, which takes it down in the right
//! order whichever way the demo ends: clients, daemon, backends, folder. It is not a benchmark: clients,
//! proxy and backends share the machine.

mod backend;
mod config;
pub(crate) mod crew;
mod daemon;
pub(crate) mod practice;
mod report;
mod rng;
pub(crate) mod signals;
mod stage;
pub(crate) mod traffic;
mod troupe;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, interval};

use self::report::Summary;
use self::signals::Signals;
use self::stage::Stage;
use crate::args::{DemoArgs, Format, Global};
use crate::cmd::top;
use crate::console::Console;
use crate::failure::Failure;
use crate::session;

/// Length of a demo without a terminal, when none is given.
const LENGTH: Duration = Duration::from_secs(20);
/// How often a demo without a dashboard looks whether it should end.
const LOOK: Duration = Duration::from_millis(100);
/// How often it reports progress where it cannot redraw.
const REPORT: Duration = Duration::from_secs(5);

/// Runs the verb.
pub fn run(args: &DemoArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let signals = Signals::catch()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let people = matches!(global.output, Format::Table | Format::Wide);
    let facts = &console.facts;
    let screen = facts.stdin_tty && facts.stdout_tty && !facts.dumb;
    let dashboard = args.length.is_none() && people && screen;
    let mut stage = Stage::set(&runtime, args, &signals)?;
    let started = Instant::now();
    let shown = if dashboard {
        show(&stage, global, console)
    } else {
        if people || !global.quiet {
            introduce(&stage, args, people, console)?;
        }
        let length = args.length.unwrap_or(LENGTH);
        attend(&runtime, &mut stage, length, &signals, global, console)
    };
    let died = stage.check_daemon();
    let tally = stage.strike(&runtime, args.keep)?;
    if let Some(kept) = tally.kept {
        console.say(&format!("kept {}", kept.display()));
    }
    died.and(shown)?;
    let summary = Summary::of(&tally.tally, started.elapsed());
    let text = summary.render(&session::view(global, console))?;
    console.out.write_all(text.as_bytes())?;
    match signals.caught() {
        // In the dashboard a signal has been answered already; here it only cut the demo short.
        Some(signal) => Err(Failure::signal(signal)),
        None => Ok(0),
    }
}

/// The dashboard, until `q`.
fn show(stage: &Stage, global: &Global, console: &Console<'_>) -> Result<(), Failure> {
    let options = aya_tui::Options {
        color: top::color(global, console),
        context: Some("demo".into()),
        ..aya_tui::Options::new(stage.socket())
    };
    aya_tui::run(options).map_err(top::ended)
}

/// Says where everything is and what to try. For machines it is talk, for people it is what they came for.
fn introduce(stage: &Stage, args: &DemoArgs, people: bool, console: &mut Console<'_>) -> Result<(), Failure> {
    let socket = stage.socket().display().to_string();
    let url = stage.url();
    let text = format!(
        "proxy   {url}\nsocket  {socket}\nseed    {}\n\nTry, in another terminal:\n  \
         curl -i {url}/img/1.png\n  \
         ayactl --socket {socket} status\n  \
         ayactl --socket {socket} drain shop/web-4 --wait\n",
        args.seed
    );
    let sink: &mut dyn std::io::Write = if people { console.out } else { console.err };
    writeln!(sink, "{text}")?;
    Ok(sink.flush()?)
}

/// Stays until the time is up, a signal comes, or the daemon dies; reports progress on stderr.
fn attend(
    runtime: &Runtime,
    stage: &mut Stage,
    length: Duration,
    signals: &Signals,
    global: &Global,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let redraw = console.facts.stderr_tty;
    let started = Instant::now();
    let mut reported = Duration::ZERO;
    runtime.block_on(async {
        let mut looks = interval(LOOK);
        while signals.caught().is_none() && started.elapsed() < length {
            looks.tick().await;
            stage.check_daemon()?;
            let due = if redraw { Duration::from_secs(1) } else { REPORT };
            if global.quiet || started.elapsed().saturating_sub(reported) < due {
                continue;
            }
            reported = started.elapsed();
            let (requests, failures) = stage.progress();
            let (now, end) = (reported.as_secs(), length.as_secs());
            let line = format!("{now}s of {end}s: {requests} requests, {failures} failed");
            if redraw {
                // Talk: a stderr that is gone is nobody's loss.
                let _ = write!(console.err, "\r{line}\u{1b}[K");
                let _ = console.err.flush();
            } else {
                console.say(&line);
            }
        }
        if redraw && reported > Duration::ZERO {
            console.say("");
        }
        Ok(())
    })
}

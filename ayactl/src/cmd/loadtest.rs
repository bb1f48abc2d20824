//! `ayactl loadtest`: requests at planned moments, and a report that begins with whether it can be trusted.

use aya_api::client::Client;
use aya_api::exit::Exit;
use aya_load::plan::Target;
use aya_load::record::{Ended, Recording};
use aya_load::report::{Output, Peak, Report, Word};
use tokio::runtime::Builder;

mod agent;
mod kept;
mod results;

use agent::Turn;
use results::Results;

use crate::args::{Global, LoadtestArgs, LoadtestCommand, LoadtestVerb};
use crate::console::Console;
use crate::demo::signals::Signals;
use crate::failure::Failure;
use crate::loadtest::find_max::{self, Next, Said, Search};
use crate::loadtest::input::Given;
use crate::loadtest::job::{self, GENTLE, Order};
use crate::loadtest::link::Link;
use crate::loadtest::live::Live;
use crate::loadtest::play::{Around, play};
use crate::loadtest::preflight;
use crate::loadtest::target::{self, Found, Surroundings};
use crate::session;

/// Runs the verb.
pub(super) fn run(
    command: &LoadtestCommand,
    global: &Global,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    match &command.verb {
        None => {
            no_verb(command.test.target.as_deref())?;
            let results = Results::new(outputs(&command.test.report)?)
                .kept(&command.keep, console)?
                .compared(&command.against, console)?;
            test(&command.test, &results, None, global, console)
        }
        Some(LoadtestVerb::List) => kept::list(global, console),
        Some(LoadtestVerb::Report(args)) => kept::report(args, global, console),
        Some(LoadtestVerb::Compare(args)) => kept::compare(args, global, console),
        Some(LoadtestVerb::Merge(args)) => kept::merge(args, global, console),
        Some(LoadtestVerb::Agent(args)) => agent::run(args, global, console),
    }
}

/// A verb behind options is read as a target.
fn no_verb(target: Option<&str>) -> Result<(), Failure> {
    let verbs = ["list", "report", "compare", "merge", "agent"];
    let Some(verb) = target.filter(|target| verbs.contains(target)) else { return Ok(()) };
    Err(Failure::usage(
        format!("\"{verb}\" stands behind options, where a target is expected"),
        format!(
            "for the verb, put options behind it: ayactl loadtest {verb} …; for a host of that name, http://{verb}/"
        ),
    ))
}

/// Makes a test, or its part when it has a turn.
fn test(
    args: &LoadtestArgs,
    results: &Results,
    turn: Option<Turn>,
    global: &Global,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    let given = Given::read(args)?;
    let typed = args.target.as_deref().or(given.target.as_deref());
    let (found, around) = find(typed, args, global, console)?;
    let overhead = args.overhead.as_deref();
    let direct =
        overhead.map(|address| target::direct(address, &found.target, &args.allow_target)).transpose()?;
    let id = run_id(console);
    let load_id = found.is_own.then(|| id.clone());
    let notes = given.notes.clone();
    let mut order = Order::read(args, given, found.target, direct, load_id)?;
    if let Ok(around) = &around {
        order.ceiling(&around.limits)?;
    }
    results.fits(&order)?;
    if let Some(turn) = turn {
        turn.divide(&mut order)?;
    }
    let quiet = global.quiet || global.output.is_json();
    for note in notes.into_iter().chain(preflight::check(&order.plan)?) {
        if !quiet {
            console.say(&format!("note: {note}"));
        }
    }
    let stage = Stage { args, global, id, tells: around.is_ok() };
    let signals = Signals::catch()?;
    if let Some(turn) = turn {
        turn.wait(&signals, quiet, console)?;
    }
    let (seen, found) = match &args.find_max {
        None => (stage.play(&order, title(&order.plan.target), &signals, console)?, None),
        Some(conditions) => stage.search(conditions, order, &signals, console)?,
    };
    let report = Report { peak: found, ..Report::of(&seen) };
    let own = match state_of(&report) {
        Exit::Done if matches!(seen.ended, Ended::Aborted(_)) => Exit::Gate,
        Exit::Done if matches!(seen.ended, Ended::Cut(_)) => Exit::Error,
        own => own,
    };
    let failed = failed(&report);
    let compared = results.tell(report, "this run", global, console)?;
    // The verdict has scrolled away; what nobody may miss is said last.
    for last in found.map(|peak| peak.to_string()).into_iter().chain(failed) {
        stage.note(console, &last);
    }
    Ok(if own == Exit::Done { compared } else { own } as u8)
}

/// Reads where reports go, and makes sure that they can be written before anything is sent.
fn outputs(typed: &[String]) -> Result<Vec<Output>, Failure> {
    let read = |text: &String| {
        let output: Output =
            text.parse().map_err(|error| Failure::usage(format!("--report {text}: {error}"), ""))?;
        writable(&output)?;
        Ok(output)
    };
    typed.iter().map(read).collect()
}

fn writable(output: &Output) -> Result<(), Failure> {
    output.check().map_err(|error| {
        let remedy = "name a file in a folder that exists and can be written";
        Failure::new(Exit::Error, "io", format!("nothing was done: {}", error.what()), remedy)
    })
}

type Asked = Result<Surroundings, Failure>;

fn find(
    typed: Option<&str>,
    args: &LoadtestArgs,
    global: &Global,
    console: &Console<'_>,
) -> Result<(Found, Asked), Failure> {
    let client = Client::new(session::socket(global, console), global.timeout)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let around = runtime.block_on(Surroundings::ask(&client));
    Ok((target::find(typed, &around, &args.allow_target)?, around))
}

/// Tells tests of the same daemon apart.
fn run_id(console: &Console<'_>) -> String {
    format!("load-{:x}-{:x}", (console.facts.now_ms)() & 0xffff_ffff, std::process::id())
}

fn title(target: &Target) -> String {
    target.url.clone()
}

/// What is the same for every test of one command.
struct Stage<'a> {
    args: &'a LoadtestArgs,
    global: &'a Global,
    id: String,
    tells: bool,
}

impl Stage<'_> {
    fn play(
        &self,
        order: &Order,
        title: String,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<Recording, Failure> {
        let facts = &console.facts;
        let quiet = self.global.quiet || self.global.output.is_json();
        let screen = facts.stderr_tty && facts.stdin_tty && !facts.dumb && !self.args.no_live;
        let mut live = Live::new(screen, quiet);
        let socket = session::socket(self.global, console);
        // A daemon that is not there is not told.
        let link = if self.tells { Link::start(&socket, &self.id).ok() } else { None };
        play(order, Around { link, live: &mut live, signals, title })
    }

    /// Looks for the greatest rate at which the conditions hold, and returns the test that confirmed it, with what was
    /// found in words.
    fn search(
        &self,
        conditions: &str,
        mut order: Order,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<(Recording, Option<Peak>), Failure> {
        let texts: Vec<&str> = conditions.split(',').collect();
        order.slo = job::conditions(&texts, "--find-max")?;
        order.plan.slo = order.slo.iter().map(ToString::to_string).collect();
        let first = order.profile.as_ref().map_or(GENTLE, aya_load::profile::Profile::peak);
        let probe = self.args.duration.unwrap_or(find_max::PROBE);
        let mut search = Search::new(first, order.most);
        loop {
            let (rate, length, is_last) = match search.next() {
                Next::Probe(rate) => (rate, probe, false),
                Next::Confirm(rate) => (rate, probe * 2, true),
                Next::Nothing if search.is_blind() => return Err(blind()),
                Next::Nothing => return Err(nothing_holds(conditions)),
            };
            let what = if is_last { "confirming" } else { "trying" };
            self.note(console, &format!("{what} {rate:.0}/s for {}s", length.as_secs()));
            let seen =
                self.play(&order.at(rate, length), format!("find-max: {rate:.0}/s"), signals, console)?;
            let said = find_max::judge(&order, &seen);
            self.note(console, &told(rate, said, &seen));
            search.told(rate, said);
            if said == Said::Ended || (is_last && said == Said::Holds) {
                let found = if said == Said::Holds { search.found() } else { None };
                return Ok((seen, found));
            }
        }
    }

    fn note(&self, console: &mut Console<'_>, text: &str) {
        if !self.global.quiet && !self.global.output.is_json() {
            console.say(text);
        }
    }
}

fn told(rate: f64, said: Said, seen: &Recording) -> String {
    let p99 = seen
        .total
        .response
        .percentile_ms(99.0)
        .map_or_else(|| "no answer".into(), |ms| format!("p99 {ms:.1} ms"));
    let failed = seen.total.error_share().unwrap_or(0.0) * 100.0;
    let word = match said {
        Said::Holds => "holds",
        Said::Fails => "does not hold",
        Said::OwnLimit => "says nothing: the generator was full",
        Said::Ended => "was ended",
    };
    format!("  {rate:.0}/s {word}: {p99}, {failed:.2} % failed")
}

fn nothing_holds(conditions: &str) -> Failure {
    let message = format!("\"{conditions}\" holds at no rate, not even at one request a second");
    Failure::new(Exit::Gate, "gate", message, "look at one request first: ayactl loadtest -n 10 -r 1")
}

/// The objectives that do not hold, with the verdict, in a line.
fn failed(report: &Report) -> Option<String> {
    let gates = report.gates.iter().filter(|gate| gate.holds != Some(true));
    let gates: Vec<String> =
        gates.map(|gate| format!("{} does not hold (is {})", gate.condition, gate.value)).collect();
    let word = report.verdict.word.shout();
    (!gates.is_empty()).then(|| format!("{word}; {}", gates.join(", ")))
}

fn blind() -> Failure {
    let message = "the generator was full in every test, so that nothing is known of the target";
    let hint = "give it a core of its own and a longer -d, and see what one test says: ayactl loadtest -r 10";
    Failure::new(Exit::Invalid, "generator-bound", message, hint)
}

/// What a report means for the exit status, by itself.
fn state_of(report: &Report) -> Exit {
    let fails = report.gates.iter().any(|gate| gate.holds != Some(true));
    if report.verdict.word == Word::GeneratorBound {
        Exit::Invalid
    } else if fails {
        Exit::Gate
    } else {
        Exit::Done
    }
}

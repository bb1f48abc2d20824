//! Load of an experiment: what follows `ayactl loadtest`, made by the same engine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aya_api::run::LoadView;
use aya_load::engine::{Control, Running, Step, Window, start};
use aya_load::hist::Hist;
use aya_load::plan::Target;
use aya_load::record::{Ended, Recording, Second};
use aya_load::report::{Verdict, Word};
use clap::{Args as _, Command, FromArgMatches as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::LoadtestArgs;
use crate::cmd::chaos::words;
use crate::failure::Failure;
use crate::loadtest::input::Given;
use crate::loadtest::job::Order;
use crate::loadtest::target::{self, Surroundings};
use crate::loadtest::{play, preflight};

/// Into how many parts a second is cut: figures are those of the last second, renewed as often.
const PARTS: u32 = 4;
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// What to do about a load that cannot be read.
const HINT: &str = "write it as after `ayactl loadtest`, e.g. -r 200 -d 20s /path";

/// Load as it is typed: `-r 100..500/10s,500/1m /path`.
#[derive(Clone, Debug)]
pub struct LoadLine {
    /// As typed.
    pub text: String,
    /// For how long.
    pub length: Duration,
    args: Arc<LoadtestArgs>,
}

impl LoadLine {
    /// In words.
    pub fn told(&self) -> String {
        let length = crate::time::setting(u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX));
        format!("loadtest {}, for at most {length}", self.text)
    }
}

/// Reads it. Files that it names are looked for in `folder`. A mistake comes with its remedy.
pub fn parse(text: &str, folder: &Path) -> Result<LoadLine, (String, String)> {
    let wrong = |what: String| (what, HINT.to_owned());
    let typed = words(text).map_err(wrong)?;
    let command = Command::new("load").no_binary_name(true).disable_help_flag(true);
    let matches = LoadtestArgs::augment_args(command).try_get_matches_from(typed);
    let args = matches.and_then(|matches| LoadtestArgs::from_arg_matches(&matches)).map_err(|error| {
        let text = error.to_string();
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        wrong(lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned())
    })?;
    if let Some((option, instead)) = strange(&args) {
        return Err((format!("a load of an experiment does not take {option}"), instead.to_owned()));
    }
    let args = inside(args, folder);
    // All of it is read once now, so that mistakes are told with their place; where it goes is known later.
    let told = |failure: Failure| (failure.message, failure.hint);
    let given = Given::read(&args).map_err(told)?;
    let order = Order::read(&args, given, Target::plain("127.0.0.1:80", "/"), None, None).map_err(told)?;
    let length = Duration::from_millis(order.plan.length_ms);
    Ok(LoadLine { text: text.to_owned(), length, args: Arc::new(args) })
}

/// An option that has no sense here, with what to write instead.
fn strange(args: &LoadtestArgs) -> Option<(&'static str, &'static str)> {
    let conditions =
        "write conditions of the load as \"load: p99 < 50ms\", in probe, during, [stop] or [[expect]]";
    let alone = "run `ayactl loadtest` for that";
    let is_stdin = args.body.as_deref() == Some("@-");
    [
        ("--slo", !args.slo.is_empty(), conditions),
        ("--abort", !args.abort.is_empty(), conditions),
        ("--find-max", args.find_max.is_some(), alone),
        ("--overhead", args.overhead.is_some(), alone),
        ("--report", !args.report.is_empty(), "the report of the experiment tells of its load"),
        ("--no-live", args.no_live, "leave it out: there is no live view"),
        ("--body @-", is_stdin, "put the body into a file, and name it: --body @FILE"),
    ]
    .into_iter()
    .find_map(|(option, given, instead)| given.then_some((option, instead)))
}

/// Files stand beside the experiment, wherever it is run from.
fn inside(mut args: LoadtestArgs, folder: &Path) -> LoadtestArgs {
    let files: [&mut Option<PathBuf>; 9] = [
        &mut args.profile,
        &mut args.urls,
        &mut args.har,
        &mut args.replay,
        &mut args.header_file,
        &mut args.auth_file,
        &mut args.cacert,
        &mut args.cert,
        &mut args.key,
    ];
    for file in files.into_iter().flatten() {
        *file = folder.join(&*file);
    }
    if let Some(file) = args.body.as_deref().and_then(|body| body.strip_prefix('@')) {
        args.body = Some(format!("@{}", folder.join(file).display()));
    }
    args
}

/// What came of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    /// The command that does the same again.
    pub command: String,
    /// Whether its figures can be trusted.
    pub verdict: Verdict,
    /// Requests that were planned.
    pub offered: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Whole answers, whatever their status.
    pub answered: u64,
    /// Answers of 5xx, and requests without a whole answer.
    pub failed: u64,
    /// Response time, from the planned moment.
    pub response: Percentiles,
    /// Service time, from the actual send.
    pub service: Percentiles,
    /// Send lag, from the planned moment to the actual send.
    pub lag: Percentiles,
}

/// Percentiles of a time in milliseconds; absent when nothing was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// The median.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The 99.9th percentile.
    pub p999_ms: Option<f64>,
}

impl Percentiles {
    fn of(hist: &Hist) -> Self {
        let [p50_ms, p99_ms, p999_ms] = [50.0, 99.0, 99.9].map(|p| hist.percentile_ms(p));
        Self { p50_ms, p99_ms, p999_ms }
    }
}

impl LoadResult {
    fn of(seen: &Recording) -> Self {
        let total = &seen.total;
        Self {
            command: seen.plan.command.clone(),
            verdict: aya_load::verdict::judge(seen),
            offered: total.offered,
            sent: total.sent,
            answered: total.answered,
            failed: total.failed,
            response: Percentiles::of(&total.response),
            service: Percentiles::of(&total.service),
            lag: Percentiles::of(&total.lag),
        }
    }

    /// In words.
    pub fn told(&self) -> String {
        let p99 = |of: &Percentiles| of.p99_ms.map_or("none".to_owned(), |ms| format!("{ms:.1} ms"));
        format!(
            "{}: {} requests, {} failed, response p99 {}, service p99 {}, send lag p99 {}",
            self.verdict.word.shout(),
            self.offered,
            self.failed,
            p99(&self.response),
            p99(&self.service),
            p99(&self.lag),
        )
    }

    /// Why its figures are no proof of anything; `None` when they are.
    pub fn doubt(&self) -> Option<String> {
        (self.verdict.word == Word::GeneratorBound).then(|| {
            let why = self.verdict.reasons.join("; ");
            format!("{}, so that its figures prove nothing: {why}", self.verdict.word.shout())
        })
    }
}

/// What is seen of a load at one moment.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// For the daemon.
    pub view: LoadView,
    /// For conditions.
    pub window: Window,
}

/// What the thread of a load tells.
#[derive(Debug, Default)]
struct Told {
    glance: Glance,
    result: Option<LoadResult>,
}

/// A load that runs, on threads of its own. Dropping it ends it.
pub struct Load {
    control: Arc<Control>,
    told: Arc<Mutex<Told>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins.
    pub fn start(line: &LoadLine, around: Surroundings) -> Result<Self, Failure> {
        let limits = around.limits.clone();
        let given = Given::read(&line.args)?;
        let typed = line.args.target.as_deref().or(given.target.as_deref());
        let found = target::find(typed, &Ok(around), &line.args.allow_target)?;
        let mut order = Order::read(&line.args, given, found.target, None, None)?;
        order.plan.command = format!("ayactl loadtest {}", line.text);
        order.ceiling(&limits)?;
        preflight::check(&order.plan)?;
        let mut job = order.job()?;
        job.parts = PARTS;
        let told = Told {
            glance: Glance { view: play::view(&order.plan, &Window::default(), &[], 0), ..Glance::default() },
            result: None,
        };
        let running = start(job).map_err(|error| {
            Failure::new(aya_api::exit::Exit::Error, "engine", error.to_string(), "see `ulimit -a`")
        })?;
        let (control, told) = (running.control(), Arc::new(Mutex::new(told)));
        let shared = Arc::clone(&told);
        let thread =
            std::thread::Builder::new().name("load".into()).spawn(move || watch(running, &shared))?;
        Ok(Self { control, told, thread: Some(thread) })
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is seen now.
    pub fn glance(&self) -> Glance {
        self.told().glance.clone()
    }

    /// No further request is sent; those under way have a second.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// What came of it, once it is over.
    pub fn result(&self) -> Option<LoadResult> {
        self.told().result.clone()
    }

    /// Ends it, and waits for that: a good second at most.
    pub fn end(mut self) -> Option<LoadResult> {
        self.join();
        self.result()
    }

    fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed when it happened; then there is no result.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

/// Follows a load to its end.
fn watch(mut running: Running, told: &Mutex<Told>) {
    let tell = || told.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match running.next(LOOK) {
            Step::Part(part) => {
                let window = running.window();
                let whole = running.seconds().rev().filter(|second| second.at < (part + 1) / PARTS);
                let mut whole: Vec<Second> = whole.take(play::SHOWN).cloned().collect();
                whole.reverse();
                let total = running.seconds().map(|second| second.seen.sent).sum();
                let view = play::view(running.plan(), &window, &whole, total);
                tell().glance = Glance { view, window };
            }
            Step::Waiting => {}
            Step::Over => break,
        }
    }
    let ended = if running.control().is_stopped() { Ended::Interrupted } else { Ended::Done };
    let seen = running.finish(ended);
    tell().result = Some(LoadResult::of(&seen));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_read_as_after_loadtest() {
        let read = |text| parse(text, Path::new("."));
        assert_eq!(read("-r 200 -d 20s /item/1").unwrap().length, Duration::from_secs(20));
        assert_eq!(read("-r '100..500/10s,500/5s,spike 1k/2s' pool:shop").unwrap().length.as_secs(), 17);
        assert_eq!(read("--closed -c 4 -d 3s").unwrap().length.as_secs(), 3);
        for (text, part) in [
            ("-r 0 -d 5s", "-r"),
            ("-r 5 -d", "value"),
            ("-r 5 -d 5s --warmup 9s", "nothing would count"),
            ("-r 5 --slo p99<5ms", "does not take --slo"),
            ("-r 5 --body @-", "does not take --body @-"),
            ("--profile absent.toml", "absent.toml"),
            ("-r 5 '/item", "quote"),
            ("-r 5 --nonsense", "--nonsense"),
        ] {
            let error = read(text).map(|_| ()).expect_err(text).0;
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

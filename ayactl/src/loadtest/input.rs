//! What the requests of a load test are taken from: what was typed, a list of URLs, a recording of a browser, an access log.
//!
//! Everything is read, and what is wrong is told, before anything is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aya_api::exit::Exit;
use aya_load::engine::has_body;
use aya_load::input::{
    Body, Har, InputError, Listed, Replay, Source, Survey, WINDOW, har, origin_of, survey, urls,
};
use aya_load::plan::Input;

use crate::args::LoadtestArgs;
use crate::failure::Failure;
use crate::loadtest::parts::typed_body;

/// What to do with braces that are none of ours.
pub const BRACES: &str = "write {{'{{'}} for the braces themselves, or add --no-templates";

/// Longest replay for which nobody said how long it may take.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What requests are taken from.
#[derive(Clone, Debug)]
pub enum Feed {
    /// What was typed.
    Typed,
    /// A list or a recording.
    Source(Source),
    /// An access log.
    Log(Log),
}

/// An access log that is to be replayed.
#[derive(Clone, Debug)]
pub struct Log {
    file: PathBuf,
    speed: f64,
    /// How often; `None` without an end of its own.
    rounds: Option<u64>,
    /// How long it takes.
    pub length: Duration,
    /// Most requests of one second.
    pub peak: f64,
}

/// A file of requests that was read.
#[derive(Clone, Debug)]
pub struct Given {
    /// What requests are taken from.
    pub feed: Feed,
    /// The file, for reports.
    pub input: Option<Input>,
    /// Body of the requests that may have one; those of a source have theirs.
    pub body: Body,
    /// Requests are for the host that the file names: the target names none.
    pub keeps_host: bool,
    /// Where the list says that its requests go, when nothing else does.
    pub target: Option<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

impl Given {
    /// Reads what was named. `TARGET` decides which hosts of a file are meant.
    pub fn read(args: &LoadtestArgs) -> Result<Self, Failure> {
        if let Some(file) = &args.urls {
            let listed = urls(file, &args.method.to_uppercase(), args.no_templates)?;
            return Self::listed(file, listed, args);
        }
        if let Some(file) = &args.har {
            let wanted = args.target.as_deref().and_then(whole_origin);
            let wanted = wanted.as_deref().and_then(|origin| origin.split_once("://"));
            return Self::recorded(file, har(file, wanted.map(|(_, host)| host))?, args);
        }
        if let Some(file) = &args.replay {
            return Self::replayed(file, args);
        }
        let body = typed_body(args)?;
        let (feed, notes) = (Feed::Typed, Vec::new());
        Ok(Self { feed, input: None, body, keeps_host: false, target: None, notes })
    }

    fn listed(file: &Path, mut listed: Listed, args: &LoadtestArgs) -> Result<Self, Failure> {
        one_host(file, &listed, args.target.as_deref())?;
        let target = listed.origins.first().map(|(origin, _)| format!("{origin}/"));
        let requests = listed.requests.len() as u64;
        let body = typed_body(args)?;
        for (recipe, _) in listed.requests.iter_mut().filter(|(recipe, _)| has_body(&recipe.method)) {
            recipe.body = body.clone();
        }
        let Some(source) = listed.source(args.seed) else {
            return Err(Failure::usage(format!("{}: there is no URL in it", file.display()), ""));
        };
        let input =
            Input { kind: "urls".to_owned(), file: file.display().to_string(), requests, ..Input::default() };
        // Without a target all are for the same host.
        let keeps_host = keeps_host(args.target.as_deref()) && args.target.is_some();
        let (feed, notes) = (Feed::Source(source), Vec::new());
        Ok(Self { feed, input: Some(input), body, keeps_host, target, notes })
    }

    fn recorded(file: &Path, har: Har, args: &LoadtestArgs) -> Result<Self, Failure> {
        let Har { requests, host, other_hosts, not_http } = har;
        let mut why = Vec::new();
        if other_hosts > 0 {
            why.push(format!("{other_hosts} to other hosts than {host}"));
        }
        if not_http > 0 {
            why.push(format!("{not_http} not over HTTP (data:, WebSockets)"));
        }
        let input = Input {
            kind: "har".to_owned(),
            file: file.display().to_string(),
            requests: requests.len() as u64,
            skipped: other_hosts + not_http,
            why: why.join(", "),
        };
        let Some(source) = Source::in_order(requests, args.seed) else {
            return Err(Failure::usage(format!("{}: there is no request in it", file.display()), ""));
        };
        let note = format!("{}, recorded of {host}", input.in_words());
        let keeps_host = keeps_host(args.target.as_deref());
        let (feed, body) = (Feed::Source(source), Body::Fixed(Arc::from([])));
        Ok(Self { feed, input: Some(input), body, keeps_host, target: None, notes: vec![note] })
    }

    fn replayed(file: &Path, args: &LoadtestArgs) -> Result<Self, Failure> {
        let rounds = args.rounds.unwrap_or(Some(1));
        can_be_replayed(file, rounds, args)?;
        let speed = args.speed.unwrap_or(1.0);
        let seen = survey(file, speed, args.duration, args.requests)?;
        let needed = args.requests.map(|requests| requests.div_ceil(seen.requests));
        let whole = match rounds.into_iter().chain(needed).min() {
            Some(rounds) if !seen.is_cut => seen.length(rounds),
            _ => Duration::MAX,
        };
        let length = args.duration.unwrap_or(whole).min(whole);
        if args.duration.is_none() && args.requests.is_none() && length > LONGEST {
            let days = length.as_secs() / 86_400;
            return Err(Failure::usage(
                format!(
                    "{}: its requests are spread over {days} days: is a clock in it wrong?",
                    file.display()
                ),
                "say how long it may take with -d, or take another --speed",
            ));
        }
        let input = Input {
            kind: "log".to_owned(),
            file: file.display().to_string(),
            requests: seen.requests,
            skipped: seen.unreadable,
            why: seen
                .first_unreadable
                .as_ref()
                .map_or_else(String::new, |(line, what)| format!("the first is line {line}: {what}")),
        };
        let notes = notes(&input, &seen, length);
        let log = Log { file: file.to_owned(), speed, rounds, length, peak: seen.peak as f64 };
        let keeps_host = keeps_host(args.target.as_deref());
        let body = typed_body(args)?;
        Ok(Self { feed: Feed::Log(log), input: Some(input), body, keeps_host, target: None, notes })
    }
}

impl Log {
    /// Opens it.
    pub fn open(&self) -> Result<Replay, Failure> {
        Ok(Replay::open(&self.file, self.speed, self.rounds)?)
    }

    /// How it is played, in the place of a profile.
    pub fn in_words(&self) -> String {
        let speed = if (self.speed - 1.0).abs() < 1e-9 {
            "at its moments".to_owned()
        } else {
            format!("{} times as fast", self.speed)
        };
        let rounds = match self.rounds {
            Some(1) => String::new(),
            Some(rounds) => format!(", {rounds} times"),
            None => ", again and again".to_owned(),
        };
        format!("a log {speed}{rounds}")
    }
}

/// What of a replay makes no sense.
fn can_be_replayed(file: &Path, rounds: Option<u64>, args: &LoadtestArgs) -> Result<(), Failure> {
    if rounds.is_none() && args.duration.is_none() && args.requests.is_none() {
        return Err(Failure::usage(
            "--loop without a number has no end",
            "say how often (--loop 3), how long (-d 10m) or how many requests (-n 10000)",
        ));
    }
    // What is read twice must still be there the second time.
    if std::fs::metadata(file).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        return Err(Failure::usage(
            format!("--replay {}: it is no regular file, and a log is read twice", file.display()),
            "write it to a file first",
        ));
    }
    Ok(())
}

fn notes(input: &Input, seen: &Survey, length: Duration) -> Vec<String> {
    let mut notes = vec![format!("{}; takes {:.1} s", input.in_words(), length.as_secs_f64())];
    if seen.late > 0 {
        notes.push(format!(
            "{}: {} of its requests stand over {WINDOW} lines after others that began later: they are sent late",
            input.file, seen.late
        ));
    }
    notes
}

/// Whether the target names no host, so that of the file is kept.
fn keeps_host(target: Option<&str>) -> bool {
    target.is_none_or(|target| target.starts_with('/'))
}

/// The origin of a target that was typed; the scheme may be missing.
fn whole_origin(typed: &str) -> Option<String> {
    if typed.starts_with('/') || typed.starts_with("pool:") {
        return None;
    }
    origin_of(typed).or_else(|| origin_of(&format!("http://{typed}")))
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let hint = match &error {
            InputError::File { .. } => "is that the file, and may you read it?",
            InputError::Line { .. } | InputError::Content { .. } => {
                "nothing was sent; see `ayactl loadtest --help`"
            }
            InputError::Template { .. } => BRACES,
        };
        Self::new(Exit::Error, "input", error.to_string(), hint)
    }
}

/// A test has one target: makes sure that a list has no other.
fn one_host(file: &Path, listed: &Listed, target: Option<&str>) -> Result<(), Failure> {
    let Some((first, _)) = listed.origins.first() else { return Ok(()) };
    let (named, whose) = match target {
        None => (Some(first.clone()), "the lines before it go to"),
        Some(path) if path.starts_with('/') => return Ok(()),
        Some(target) => (whole_origin(target), "TARGET is"),
    };
    let Some((origin, line)) = listed.origins.iter().find(|(origin, _)| named.as_ref() != Some(origin))
    else {
        return Ok(());
    };
    let named = named.as_deref().or(target).unwrap_or_default();
    Err(Failure::new(
        Exit::NotPermitted,
        "not-permitted",
        format!("{}:{line}: it goes to {origin}, and {whose} {named}: a test has one target", file.display()),
        "write its path alone to send it there as well; with / as TARGET all go to the daemon's listener",
    ))
}

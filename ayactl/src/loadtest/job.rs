//! From what was typed to what the engine does.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use aya_api::condition::Condition;
use aya_api::exit::Exit;
use aya_api::run::LoadLimits;
use aya_load::engine::{Job, Made, Replayed, Requests};
use aya_load::gate;
use aya_load::input::{Body, Recipe, Rng, Source, Template};
use aya_load::plan::{Arrivals, Model, Plan, Protocol, Target, Tls};
use aya_load::profile::{Profile, ProfileFile};

use super::input::{Feed, Given, Log};
use super::parts::{self, Header};
use crate::args::LoadtestArgs;
use crate::failure::Failure;

/// Rate when none is said: enough to see something, too little to hurt anybody.
pub const GENTLE: f64 = 100.0;
/// Length when none is said.
const LENGTH: Duration = Duration::from_secs(10);
/// Most connections of an open loop, when nothing is said.
const OPEN: u32 = 256;
/// Connections of a closed loop, when nothing is said.
const CLOSED: u32 = 50;

/// What the engine is to do, as far as it is the same in each of several tests.
pub struct Order {
    /// What is to be done.
    pub plan: Plan,
    /// When.
    pub profile: Option<Profile>,
    way: Way,
    /// What must hold.
    pub slo: Vec<Condition>,
    /// What ends it.
    pub abort: Vec<Condition>,
    /// Most requests a second that the configuration of the daemon allows.
    pub most: Option<f64>,
}

/// How requests are made.
#[derive(Clone)]
enum Way {
    /// In the same way whatever the number of the test.
    Made(Arc<dyn Requests>),
    /// From a log, which is read anew for each test.
    Log { log: Log, headers: Vec<(String, Template)>, body: Body, keeps_host: bool },
}

impl Way {
    /// Makes sure that all can be sent.
    fn new(
        plan: &Plan,
        given: Given,
        headers: Vec<(String, Template)>,
        is_literal: bool,
    ) -> Result<Self, Failure> {
        let Given { feed, body, keeps_host, .. } = given;
        let path = &plan.target.path;
        let (source, log) = match feed {
            Feed::Source(source) => (source, None),
            Feed::Typed => {
                let path = if is_literal { Ok(Template::literal(path)) } else { path.parse() };
                (typed(plan, path?, body.clone()), None)
            }
            Feed::Log(log) => (typed(plan, Template::literal(path), body.clone()), Some(log)),
        };
        let made = Made::new(plan, source, &headers, keeps_host).map_err(|what| {
            let file = plan.input.as_ref().map_or_else(String::new, |input| format!("{}: ", input.file));
            Failure::usage(format!("{file}{what}"), "see `ayactl loadtest --help`")
        })?;
        Ok(match log {
            Some(log) => Self::Log { log, headers, body, keeps_host },
            None => Self::Made(made.requests()),
        })
    }

    fn requests(&self, plan: &Plan) -> Result<Arc<dyn Requests>, Failure> {
        match self {
            Self::Made(requests) => Ok(Arc::clone(requests)),
            Self::Log { log, headers, body, keeps_host } => {
                let played = Replayed::start(plan, log.open()?, headers, body.clone(), *keeps_host);
                let hint = "see `ayactl loadtest --help`";
                Ok(Arc::new(played.map_err(|error| Failure::usage(error, hint))?))
            }
        }
    }
}

/// A source of what was typed.
fn typed(plan: &Plan, path: Template, body: Body) -> Source {
    Source::one(
        Recipe { method: plan.method.clone(), path, headers: Vec::new(), host: None, body },
        plan.seed,
    )
}

impl Order {
    /// Reads everything that was typed, files included.
    pub fn read(
        args: &LoadtestArgs,
        given: Given,
        target: Target,
        overhead: Option<Target>,
        load_id: Option<String>,
    ) -> Result<Self, Failure> {
        let (slo, abort) = (conditions(&args.slo, "--slo")?, conditions(&args.abort, "--abort")?);
        let (profile, text, arrivals) = profile(args, &given.feed)?;
        let headers = parts::headers(args)?;
        let body = given.body.clone();
        if args.insecure && !target.address.parse().is_ok_and(|a: std::net::SocketAddr| a.ip().is_loopback())
        {
            let hint = "name the authority with --cacert FILE";
            return Err(Failure::usage("--insecure is for this machine alone", hint));
        }
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u32;
        let length = match (&given.feed, &profile) {
            (Feed::Log(log), _) => log.length,
            (_, Some(profile)) => profile.length(),
            (_, None) => args.duration.unwrap_or(LENGTH),
        };
        let connections = args.connections.unwrap_or(if args.closed { CLOSED } else { OPEN });
        let plan = Plan {
            overhead,
            method: args.method.to_uppercase(),
            headers: headers.iter().map(Header::shown).collect(),
            body_bytes: body.make(0, &mut Rng::new(args.seed, 0)).len() as u64,
            input: given.input.clone(),
            model: if args.closed { Model::Closed } else { Model::Open },
            profile: text,
            arrivals,
            connections,
            streams: args.streams,
            protocol: if args.http2 { Protocol::Http2 } else { Protocol::Http1 },
            tls: Tls {
                ca: path(&args.cacert),
                certificate: path(&args.cert),
                key: path(&args.key),
                insecure: args.insecure,
            },
            length_ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
            requests: args.requests,
            warmup_ms: args.warmup.as_millis() as u64,
            timeout_ms: args.request_timeout.as_millis() as u64,
            slack_us: args.slack.as_micros() as u64,
            threads: args.threads.unwrap_or(cores).min(connections),
            seed: args.seed,
            slo: args.slo.clone(),
            abort: args.abort.clone(),
            load_id,
            command: command(std::env::args()),
            ..Plan::to(target)
        };
        if plan.warmup_ms >= plan.length_ms {
            let hint = "take a longer -d, or a shorter --warmup";
            return Err(Failure::usage("the warm-up is as long as the test: nothing would count", hint));
        }
        let headers: Vec<(String, Template)> =
            headers.into_iter().map(|header| (header.name, header.template)).collect();
        let way = Way::new(&plan, given, headers, args.no_templates)?;
        Ok(Self { plan, profile, way, slo, abort, most: None })
    }

    /// What the engine begins with.
    pub fn job(&self) -> Result<Job, Failure> {
        let requests = self.way.requests(&self.plan)?;
        Ok(Job { plan: self.plan.clone(), profile: self.profile.clone(), requests, parts: 1 })
    }

    /// Most requests a second that are asked for; nothing in a closed loop.
    fn peak(&self) -> f64 {
        match &self.way {
            Way::Log { log, .. } => log.peak,
            Way::Made(_) => self.profile.as_ref().map_or(0.0, Profile::peak),
        }
    }

    /// Whether the configuration of the daemon says that it is too much. From then on nothing raises it further.
    pub fn ceiling(&mut self, limits: &LoadLimits) -> Result<(), Failure> {
        let Some(most) = limits.max_rate else { return Ok(()) };
        if self.plan.model == Model::Closed {
            return Err(Failure::new(
                Exit::NotPermitted,
                "not-permitted",
                format!(
                    "the rate of a closed loop is the target's, and the configuration allows {most:.0} requests a second"
                ),
                "leave --closed out and say a rate with -r, or take [loadtest] max_rate out of the configuration of ayad",
            ));
        }
        self.most = Some(most);
        let peak = self.peak();
        if peak <= most {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotPermitted,
            "not-permitted",
            format!(
                "the load goes up to {peak:.0} requests a second, and the configuration allows {most:.0}"
            ),
            "take a lower rate or --speed, or raise [loadtest] max_rate in the configuration of ayad",
        ))
    }

    /// The same at another rate, for some time.
    #[must_use]
    pub fn at(&self, rate: f64, length: Duration) -> Self {
        let mut plan = self.plan.clone();
        plan.profile = format!("{rate:.0}/{}s", length.as_secs());
        plan.length_ms = length.as_millis() as u64;
        Self {
            plan,
            profile: Some(Profile::constant(rate, length)),
            way: self.way.clone(),
            slo: self.slo.clone(),
            abort: self.abort.clone(),
            most: self.most,
        }
    }

    /// By how much the rate may be multiplied while it runs.
    pub fn greatest_factor(&self) -> f64 {
        match (self.most, self.peak()) {
            (Some(most), peak) if peak > 0.0 => most / peak,
            _ => f64::INFINITY,
        }
    }
}

/// Reads conditions, and names the option that has a wrong one.
pub fn conditions<S: AsRef<str>>(texts: &[S], option: &str) -> Result<Vec<Condition>, Failure> {
    let read = |text: &S| {
        gate::parse(text.as_ref().trim()).map_err(|error| {
            Failure::usage(format!("{option} {error}"), "write it like p99<50ms, err<0.1% or 'err>5% for 3s'")
        })
    };
    texts.iter().map(read).collect()
}

fn profile(args: &LoadtestArgs, feed: &Feed) -> Result<(Option<Profile>, String, Arrivals), Failure> {
    let word = |word: &str| {
        word.parse::<Arrivals>().map_err(|error| Failure::usage(format!("--arrivals: {error}"), ""))
    };
    let typed = args.arrivals.as_deref().map(word).transpose()?;
    if let Feed::Log(log) = feed {
        return Ok((None, log.in_words(), Arrivals::Constant));
    }
    if args.closed {
        return Ok((None, String::new(), Arrivals::Constant));
    }
    if let Some(path) = &args.profile {
        let file = ProfileFile::read(path).map_err(|error| {
            let hint = "profiles/loadtest has some; a file has aya = 1, title, rate and perhaps arrivals";
            Failure::new(Exit::Error, "profile", error.to_string(), hint)
        })?;
        return Ok((Some(file.profile), file.rate, typed.or(file.arrivals).unwrap_or_default()));
    }
    let text = args.rate.clone().unwrap_or_else(|| format!("{GENTLE:.0}"));
    let length = args.duration.unwrap_or(LENGTH);
    let profile =
        Profile::parse(&text, Some(length)).map_err(|error| Failure::usage(format!("-r: {error}"), ""))?;
    Ok((Some(profile), text, typed.unwrap_or_default()))
}

/// The command as it can be typed again: without the name under which it was kept, which is taken now.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut is_name = false;
    let kept = words.filter(move |word| {
        let drop = std::mem::replace(&mut is_name, word == "--save");
        !drop && !is_name && !word.starts_with("--save=")
    });
    let quoted = kept.enumerate().map(|(at, word)| {
        let word = if at == 0 { word.rsplit('/').next().unwrap_or_default().to_owned() } else { word };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,%+".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_typed_again() {
        let words = ["/usr/bin/ayactl", "loadtest", "--slo", "p99<50ms", "--save", "monday", "-H", "a: it's"];
        let text = command(words.into_iter().map(str::to_owned));
        assert_eq!(text, r"ayactl loadtest --slo 'p99<50ms' -H 'a: it'\''s'");
    }
}

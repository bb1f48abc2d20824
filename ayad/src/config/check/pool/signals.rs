//! `signals`: where numbers about backends come from.

mod scrape;

use std::path::Path;
use std::time::Duration;

use aya_core::follow::FollowRules;
use aya_core::signal::Signal;

use super::super::At;
use crate::config::raw::format::{Period, SecretRef, Target};
use crate::config::raw::{OneOrMany, signals as raw};
use crate::config::report::Problem;
use crate::config::secret;
use crate::config::shape::suggest::remedy;
use crate::config::signals::{Agent, Headers, LoadProbe, Query, Signals};
use crate::config::unit::show_duration;
use crate::config::{Backend, Env};
use crate::stream::Endpoint;

const AGENT_INTERVAL: Duration = Duration::from_secs(2);
const AGENT_TIMEOUT: Duration = Duration::from_secs(1);
const QUERY_INTERVAL: Duration = Duration::from_secs(15);
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
const PROBE_RATE: f64 = 50.0;
const LEAST_FACTOR: f64 = 0.2;

pub(super) fn check(
    signals: &raw::Signals,
    backends: &[Backend],
    env: &Env,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Signals {
    let raw::Signals { headers, names, expire, agent, scrape, query, probe, weight_by } = signals;
    let mut checker = Checker { backends, env, problems };
    let names =
        names.iter().flatten().filter_map(|(name, signal)| Some((name.clone(), Signal::find(&signal.0)?)));
    let entries = query.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
    let at_query = at.key("query");
    let is_list = matches!(query, Some(OneOrMany::Many(_)));
    let queries = entries.iter().enumerate().filter_map(|(index, query)| {
        checker.query(query, &if is_list { at_query.index(index) } else { at_query })
    });
    let queries = queries.collect();
    let checked = Signals {
        headers: match headers {
            None | Some(raw::HeadersMode::Strip) => Headers::Strip,
            Some(raw::HeadersMode::Pass) => Headers::Pass,
            Some(raw::HeadersMode::Ignore) => Headers::Ignore,
        },
        names: names.collect(),
        expire: expire.as_ref().map(|period| period.0),
        agent: agent.as_ref().map(|agent| checker.agent(agent, &at.key("agent"))),
        scrape: scrape.as_ref().map(|scrape| checker.scrape(scrape, &at.key("scrape"))),
        queries,
        probe: probe.as_ref().map(|probe| checker.probe(probe, &at.key("probe"))),
        follow: weight_by.as_ref().and_then(|rules| checker.follow(rules, &at.key("weight_by"))),
    };
    checker.told_twice(&checked, at);
    checked
}

struct Checker<'c> {
    backends: &'c [Backend],
    env: &'c Env,
    problems: &'c mut Vec<Problem>,
}

impl Checker<'_> {
    /// Interval and timeout, of which the second must fit into the first.
    fn times(
        &mut self,
        (interval, timeout): (Option<&Period>, Option<&Period>),
        (every, within): (Duration, Duration),
        at: &At<'_>,
    ) -> (Duration, Duration) {
        let interval = interval.map_or(every, |period| period.0);
        let timeout = timeout.map_or(within.min(interval), |period| period.0);
        if timeout > interval && at.is_sound() {
            let [timeout, interval] = [timeout, interval].map(show_duration);
            let message = format!("the timeout of {timeout} is longer than the interval of {interval}");
            let help = format!("one question must end before the next: a timeout of at most \"{interval}\"");
            self.problems.push(at.key("timeout").problem(message).help(help));
        }
        (interval, timeout)
    }

    /// Another port of a backend is one of its IP address.
    fn port(&mut self, at: &At<'_>) {
        let on_unix = self.backends.iter().find(|backend| matches!(backend.resolved, Endpoint::Unix(_)));
        if let Some(backend) = on_unix {
            let message = format!("backend \"{}\" is a Unix socket, which has no other ports", backend.name);
            let help = "leave the port out, or give the backend an IP address";
            self.problems.push(at.key("port").problem(message).help(help));
        }
    }

    fn agent(&mut self, agent: &raw::Agent, at: &At<'_>) -> Agent {
        let raw::Agent { port, interval, timeout, send } = agent;
        self.port(at);
        let defaults = (AGENT_INTERVAL, AGENT_TIMEOUT);
        let (interval, timeout) = self.times((interval.as_ref(), timeout.as_ref()), defaults, at);
        Agent { port: *port, interval, timeout, send: send.clone().unwrap_or_default() }
    }

    fn probe(&mut self, probe: &raw::LoadProbe, at: &At<'_>) -> LoadProbe {
        let raw::LoadProbe { path, port, interval, timeout, rate } = probe;
        if port.is_some() {
            self.port(at);
        }
        let defaults = (PROBE_INTERVAL, PROBE_TIMEOUT);
        let (interval, timeout) = self.times((interval.as_ref(), timeout.as_ref()), defaults, at);
        let least = self.backends.len() as f64 / rate.unwrap_or(PROBE_RATE).max(0.1);
        LoadProbe {
            path: path.as_ref().map_or_else(|| "/load".to_owned(), |Target(path)| path.clone()),
            port: *port,
            interval: interval.max(Duration::from_secs_f64(least)),
            timeout,
        }
    }

    fn query(&mut self, query: &raw::Query, at: &At<'_>) -> Option<Query> {
        let raw::Query { server, query, label, signal, interval, timeout, token } = query;
        let defaults = (QUERY_INTERVAL, QUERY_TIMEOUT);
        let (interval, timeout) = self.times((interval.as_ref(), timeout.as_ref()), defaults, at);
        let uri = server.parse::<http::Uri>().ok();
        let is_fine = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
                && uri.query().is_none()
        });
        if !is_fine && at.is_sound() {
            let message = format!("{server:?} is no address of a Prometheus server");
            self.problems
                .push(at.key("server").problem(message).help("write e.g. \"http://prometheus:9090\""));
        }
        if query.trim().is_empty() && at.is_sound() {
            let help = "write e.g. \"sum by (instance) (rate(process_cpu_seconds_total[1m]))\"";
            self.problems.push(at.key("query").problem("the query is empty").help(help));
        }
        let token = token.as_ref().and_then(|SecretRef(reference)| {
            let folder = Path::new(&at.source().name).parent().map(Path::to_owned).unwrap_or_default();
            let read = secret::read(reference, &folder, self.env);
            read.map_err(|why| {
                let problem = at.key("token").problem(format!("the token cannot be had: {why}"));
                self.problems.push(problem.help("relative files are relative to the folder of this file"));
            })
            .ok()
        });
        Some(Query {
            url: format!("{}/api/v1/query", server.trim_end_matches('/')),
            query: query.clone(),
            label: label.clone().unwrap_or_else(|| "instance".to_owned()),
            signal: Signal::find(&signal.0)?,
            interval,
            timeout,
            token,
        })
    }

    fn follow(&mut self, rules: &raw::WeightBy, at: &At<'_>) -> Option<FollowRules> {
        let raw::WeightBy { signal, min, max, target } = rules;
        let (min, max) = (min.unwrap_or(LEAST_FACTOR), max.unwrap_or(1.0));
        if min > max && at.is_sound() {
            let problem = at.key("min").problem(format!("min = {min} is more than max = {max}"));
            self.problems.push(problem.help("write a min of at most max"));
        }
        Some(FollowRules { signal: Signal::find(&signal.0)?, min, max, target: *target })
    }

    /// Two sources that are asked for one signal would overwrite each other in turns.
    fn told_twice(&mut self, signals: &Signals, at: &At<'_>) {
        let scraped = signals.scrape.iter().flat_map(|scrape| &scrape.metrics).map(|metric| metric.signal);
        let scraped: Vec<Signal> = scraped.collect();
        let mut asked = Vec::new();
        for query in &signals.queries {
            let by = if scraped.contains(&query.signal) { "scrape" } else { "another query" };
            if (scraped.contains(&query.signal) || asked.contains(&query.signal)) && at.is_sound() {
                let message =
                    format!("the signal \"{}\" comes from a query and from {by}", query.signal.as_str());
                let help = "each signal needs one source: leave one out, or make it \"custom\"";
                self.problems.push(at.key("query").problem(message).help(help));
            }
            asked.push(query.signal);
        }
    }

    /// The signal of a key.
    fn signal(&mut self, word: &str, at: &At<'_>) -> Option<Signal> {
        let found = Signal::find(word);
        if found.is_none() {
            let known: Vec<_> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
            let problem = Problem::new(at.name(), format!("there is no signal \"{word}\""));
            self.problems.push(problem.help(remedy("signals", word, &known)));
        }
        found
    }
}

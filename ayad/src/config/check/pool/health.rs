//! `health`: which probe, how often, and how often it must agree.

mod command;
mod keys;

use std::time::Duration;

use aya_core::health::{HealthRules, Start};

use super::super::At;
use super::super::tls::{self, Findings, resolved};
use crate::config::raw::format::{SecretRef, Status};
use crate::config::raw::health::{Health, HealthKind, HealthStart, StatusEntry};
use crate::config::raw::{self, OneOrMany};
use crate::config::report::Problem;
use crate::config::unit::show_duration;
use crate::config::{
    Backend, Check, Env, GrpcProbe, HttpProbe, PoolTls, Probe, ProxyVersion, RedisProbe, secret,
};
use crate::stream::Endpoint;

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);
const RISE: u32 = 2;
const FALL: u32 = 3;
const JITTER: f64 = 0.1;
const PATH: &str = "/";
const STATUS: (u16, u16) = (200, 399);
const USER: &str = "ayad";

/// Longest name of a user, in bytes; PostgreSQL cuts longer ones off, MySQL takes fewer.
const LONGEST_USER: usize = 63;

/// What else of its pool a check depends on.
pub(super) struct Around<'a> {
    pub(super) backends: &'a [Backend],
    /// Where they are listed.
    pub(super) list: At<'a>,
    pub(super) pool_tls: Option<&'a PoolTls>,
    pub(super) proxy_protocol: Option<ProxyVersion>,
    pub(super) env: &'a Env,
}

pub(super) fn check(
    health: &Health,
    around: &Around<'_>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<Check> {
    let kind = keys::check(health, at, found.problems);
    let (interval, timeout) = times(health, at, found.problems);
    check_text(health, at, found.problems);
    let probe = probe(kind, health, around, at, found)?;
    let own_tls = match &health.tls {
        _ if matches!(kind, HealthKind::Icmp | HealthKind::Command) => None,
        Some(tls) => Some((tls.clone(), at.key("tls"))),
        None if kind == HealthKind::Tls && around.pool_tls.is_none() => {
            Some((raw::tls::PoolTls::default(), *at))
        }
        None => None,
    };
    Some(Check {
        probe,
        tls: own_tls.map(|(tls, at)| tls::pool(&tls, around.backends, &at, &around.list, found)),
        proxy_protocol: around.proxy_protocol,
        interval,
        timeout,
        jitter: health.jitter.unwrap_or(JITTER),
        rules: HealthRules { rise: health.rise.unwrap_or(RISE), fall: health.fall.unwrap_or(FALL) },
        start: match health.start {
            None | Some(HealthStart::Unknown) => Start::Unknown,
            Some(HealthStart::Up) => Start::Up,
            Some(HealthStart::Down) => Start::Down,
        },
    })
}

fn times(health: &Health, at: &At<'_>, problems: &mut Vec<Problem>) -> (Duration, Duration) {
    let interval = health.interval.as_ref().map_or(INTERVAL, |period| period.0);
    let timeout = health.timeout.as_ref().map_or(TIMEOUT.min(interval), |period| period.0);
    if timeout > interval && at.is_sound() {
        let [timeout, interval] = [timeout, interval].map(show_duration);
        let message = format!("the timeout of {timeout} is longer than the interval of {interval}");
        let help = format!("a check must end before the next begins: a timeout of at most \"{interval}\"");
        problems.push(at.key("timeout").problem(message).help(help));
    }
    (interval, timeout)
}

fn probe(
    kind: HealthKind,
    health: &Health,
    around: &Around<'_>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<Probe> {
    let user = || health.user.clone().unwrap_or_else(|| USER.to_owned());
    Some(match kind {
        HealthKind::None => return None,
        HealthKind::Tcp => Probe::Tcp,
        HealthKind::Tls => Probe::Tls(health.min_valid.as_ref().map(|period| period.0)),
        HealthKind::Http => Probe::Http(HttpProbe {
            method: health.method.as_ref().map_or(http::Method::GET, |method| method.0.clone()),
            path: health.path.as_ref().map_or_else(|| PATH.to_owned(), |path| path.0.clone()),
            host: health.host.clone(),
            status: health.status.as_ref().map_or_else(|| vec![STATUS], codes),
            body: health.body.clone(),
        }),
        HealthKind::Grpc => Probe::Grpc(GrpcProbe {
            service: health.service.clone().unwrap_or_default(),
            host: health.host.clone(),
        }),
        HealthKind::Postgres => Probe::Postgres(user()),
        HealthKind::Mysql => Probe::Mysql(user()),
        HealthKind::Redis => Probe::Redis(redis(health, around.env, at, found)),
        HealthKind::Icmp => {
            reachable_by_icmp(around, found);
            Probe::Icmp
        }
        HealthKind::Command => Probe::Command(command::check(health, around.env, at, found)?),
    })
}

fn redis(health: &Health, env: &Env, at: &At<'_>, found: &mut Findings<'_>) -> RedisProbe {
    if health.user.is_some() && health.password.is_none() && at.is_sound() {
        let help = "add password = \"file:PATH\" or \"env:NAME\", or leave it out";
        found.wrong(&at.key("user"), "nobody logs in to Redis without a password", help);
    }
    let secret = health.password.as_ref().and_then(|SecretRef(reference)| {
        let at = at.key("password");
        let folder = resolved(&at, "".as_ref());
        let secret = secret::read(reference, &folder, env);
        let help =
            "a file is relative to the folder of this file; a variable must be set where ayad is started";
        secret.map_err(|why| found.wrong(&at, format!("no password: {why}"), help)).ok()
    });
    RedisProbe { login: secret.map(|secret| (health.user.clone(), secret)), role: health.role }
}

fn reachable_by_icmp(around: &Around<'_>, found: &mut Findings<'_>) {
    for (index, backend) in around.backends.iter().enumerate() {
        if matches!(backend.resolved, Endpoint::Unix(_)) {
            let message = format!("\"{}\" has no address that an icmp check could reach", backend.address);
            found.wrong(&around.list.index(index), message, "check this pool with kind = \"tcp\"");
        }
    }
}

fn check_text(health: &Health, at: &At<'_>, problems: &mut Vec<Problem>) {
    if let Some(host) = &health.host
        && (host.is_empty() || host.parse::<http::uri::Authority>().is_err())
    {
        let problem = at.key("host").problem(format!("{host:?} cannot be sent as Host"));
        problems.push(problem.help("write e.g. \"shop.example.com\""));
    }
    if health.body.as_deref() == Some("") {
        let problem = at.key("body").problem("every answer contains the empty text");
        problems.push(problem.help("write a text that only a good answer has, or leave it out"));
    }
    if let Some(user) = &health.user
        && (user.is_empty() || user.len() > LONGEST_USER || user.contains('\0'))
    {
        let problem = at.key("user").problem(format!("{user:?} cannot be the name of a user"));
        problems
            .push(problem.help(format!("names of users have 1 to {LONGEST_USER} bytes, none of them zero")));
    }
}

fn codes(status: &OneOrMany<StatusEntry>) -> Vec<(u16, u16)> {
    let ranges = status.as_slice().iter().map(|entry| match entry {
        StatusEntry::Code(code) => (*code, *code),
        StatusEntry::Text(Status(range)) => *range,
    });
    ranges.collect()
}

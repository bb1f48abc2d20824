//! `health`: which probe, how often, and how often it must agree.

use std::time::Duration;

use aya_core::health::{HealthRules, Start};

use super::super::At;
use crate::config::raw::OneOrMany;
use crate::config::raw::format::Status;
use crate::config::raw::pool::{Health, HealthKind, HealthStart, StatusEntry};
use crate::config::report::Problem;
use crate::config::unit::show_duration;
use crate::config::{Check, HttpProbe, Probe, ProxyVersion};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);
const RISE: u32 = 2;
const FALL: u32 = 3;
const JITTER: f64 = 0.1;
const PATH: &str = "/";
const STATUS: (u16, u16) = (200, 399);

pub(super) fn check(
    health: &Health,
    proxy_protocol: Option<ProxyVersion>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Check> {
    let Health { kind, path, method, host, status, body, interval, timeout, rise, fall, jitter, start } =
        health;
    let http = [
        ("path", path.is_some()),
        ("method", method.is_some()),
        ("host", host.is_some()),
        ("status", status.is_some()),
        ("body", body.is_some()),
    ];
    let is_http = http.iter().any(|(_, is_set)| *is_set);
    let kind = kind.unwrap_or(if is_http { HealthKind::Http } else { HealthKind::Tcp });
    if kind == HealthKind::Tcp {
        for (key, _) in http.iter().filter(|(_, is_set)| *is_set) {
            let problem = Problem::new(at.key(key).name(), format!("\"{key}\" means nothing to a tcp check"));
            problems.push(problem.help("write kind = \"http\", or leave it out"));
        }
    }
    check_text(host.as_deref(), body.as_deref(), at, problems);
    let interval = interval.as_ref().map_or(INTERVAL, |period| period.0);
    let timeout = timeout.as_ref().map_or(TIMEOUT.min(interval), |period| period.0);
    if timeout > interval && at.is_sound() {
        let [timeout, interval] = [timeout, interval].map(show_duration);
        let message = format!("the timeout of {timeout} is longer than the interval of {interval}");
        let help = format!("a check must end before the next begins: a timeout of at most \"{interval}\"");
        problems.push(at.key("timeout").problem(message).help(help));
    }
    let probe = match kind {
        HealthKind::None => return None,
        HealthKind::Tcp => Probe::Tcp,
        HealthKind::Http => Probe::Http(HttpProbe {
            method: method.as_ref().map_or(http::Method::GET, |method| method.0.clone()),
            path: path.as_ref().map_or_else(|| PATH.to_owned(), |path| path.0.clone()),
            host: host.clone(),
            status: status.as_ref().map_or_else(|| vec![STATUS], codes),
            body: body.clone(),
        }),
    };
    Some(Check {
        probe,
        proxy_protocol,
        interval,
        timeout,
        jitter: jitter.unwrap_or(JITTER),
        rules: HealthRules { rise: rise.unwrap_or(RISE), fall: fall.unwrap_or(FALL) },
        start: match start {
            None | Some(HealthStart::Unknown) => Start::Unknown,
            Some(HealthStart::Up) => Start::Up,
            Some(HealthStart::Down) => Start::Down,
        },
    })
}

fn check_text(host: Option<&str>, body: Option<&str>, at: &At<'_>, problems: &mut Vec<Problem>) {
    if let Some(host) = host
        && (host.is_empty() || http::HeaderValue::from_str(host).is_err())
    {
        let problem = at.key("host").problem(format!("{host:?} cannot be sent as Host"));
        problems.push(problem.help("write e.g. \"shop.example.com\""));
    }
    if body == Some("") {
        let problem = at.key("body").problem("every answer contains the empty text");
        problems.push(problem.help("write a text that only a good answer has, or leave it out"));
    }
}

fn codes(status: &OneOrMany<StatusEntry>) -> Vec<(u16, u16)> {
    let ranges = status.as_slice().iter().map(|entry| match entry {
        StatusEntry::Code(code) => (*code, *code),
        StatusEntry::Text(Status(range)) => *range,
    });
    ranges.collect()
}

//! A valid configuration in words: what `ayad check` prints.
//!
//! It shows what was *meant*: defaults filled in, shorthand written out, names resolved, and routes in the
//! order in which they are tried rather than the order in which they were written.

mod certificates;
mod context;
mod guard;

pub use context::context_words;

use std::fmt::Write as _;

use aya_core::hedge::HedgeRules;
use aya_core::retry::RetryRules;
use serde_json::{Value, json};

use super::unit::{show_duration, show_percent};
use super::{
    Backend, Check, Config, Discover, Listener, ListenerTls, Pool, Probe, Problem, ProxyVersion, Route,
    Source, Sticky, UpstreamProtocol,
};

/// The configuration as text for people. Ends with a line feed.
pub fn describe(config: &Config) -> String {
    let backends: usize = config.pools.iter().map(|pool| pool.backends.len()).sum();
    let file = config.file.as_ref().map_or_else(|| "command line".into(), |file| file.display().to_string());
    let mut text = format!(
        "ok: {file} is valid ({}, {}, {}, {})\n",
        count(config.listeners.len(), "listener"),
        count(config.pools.len(), "pool"),
        count(backends, "backend"),
        count(config.routes.len(), "route"),
    );
    let daemon = &config.daemon;
    let _ = write!(text, "\ndaemon: {}", count(daemon.workers, "worker"));
    let _ = writeln!(text, ", control {}, state {}", daemon.control.display(), daemon.state_dir.display());
    text.push_str("\nlisteners\n");
    text.push_str(&columns(&config.listeners.iter().map(listener).collect::<Vec<_>>()));
    let certificates = certificates::rows(config);
    if !certificates.is_empty() {
        text.push_str("\ncertificates, by the names that clients ask for\n");
        text.push_str(&columns(&certificates));
    }
    for pool in &config.pools {
        let _ = writeln!(text, "\npool {}: {}", pool.name, summary(pool));
        text.push_str(&columns(&pool.backends.iter().map(backend).collect::<Vec<_>>()));
        text.push_str(&columns(&pool.discover.iter().map(discovered).collect::<Vec<_>>()));
    }
    text.push_str("\nroutes, most specific first: the first that matches gets the request\n");
    let rows = ordered(config).map(|(rank, route)| row(config, rank, route));
    text.push_str(&columns(&rows.collect::<Vec<_>>()));
    if !config.warnings.is_empty() {
        text.push_str("\nwarnings\n");
        for warning in &config.warnings {
            let _ = writeln!(text, "  {}", warning.one_line());
        }
    }
    text
}

/// The configuration as JSON: what `ayad check --format json` prints.
pub fn describe_json(config: &Config) -> Value {
    let listeners = config.listeners.iter().map(|listener| {
        json!({
            "name": listener.name, "protocol": listener.protocol.as_str(), "bind": listener.bind,
            "proxy_protocol": listener.proxy_protocol, "tls": listener.tls.is_some(),
            "defined": listener.origin.0,
        })
    });
    let certificates = certificates::json(config);
    let pools = config.pools.iter().map(|pool| {
        let backends = pool.backends.iter().map(|backend| {
            json!({
                "name": backend.name, "address": backend.address, "resolved": backend.resolved.to_string(),
                "weight": backend.weight, "zone": backend.zone, "tags": backend.tags,
                "defined": backend.origin.0,
            })
        });
        json!({
            "name": pool.name, "algorithm": algorithm(pool), "check": check_words(pool.check.as_ref()),
            "protocol": pool.protocol.as_str(),
            "sticky": pool.sticky.as_ref().map(sticky_words), "tls": pool.tls.is_some(),
            "retry": retry_words(&pool.retry.rules), "hedge": pool.hedge.as_ref().map(hedge_words),
            "backends": backends.collect::<Vec<_>>(),
            "discover": pool.discover.iter().map(|discover| discover.source.to_string()).collect::<Vec<_>>(),
            "proxy_protocol": pool.proxy_protocol.map(ProxyVersion::as_str), "defined": pool.origin.0,
        })
    });
    let routes = ordered(config).map(|(rank, route)| {
        let matches = &route.matches;
        json!({
            "rank": rank, "name": route.name, "listeners": route.listeners, "host": route.host,
            "path": matches.path, "methods": matches.methods, "headers": conditions(route),
            "pool": pool_name(config, route), "defined": route.origin.0,
        })
    });
    json!({
        "valid": true, "file": config.file.as_ref().map(|file| file.display().to_string()), "listeners": listeners.collect::<Vec<_>>(),
        "certificates": certificates, "pools": pools.collect::<Vec<_>>(), "routes": routes.collect::<Vec<_>>(),
        "warnings": config.warnings.iter().map(Problem::one_line).collect::<Vec<_>>(),
    })
}

/// A health check in words: `http GET /healthz every 2s`, or `none`.
pub fn check_words(check: Option<&Check>) -> String {
    let Some(check) = check else { return "none".into() };
    let every = show_duration(check.interval);
    let kind = check.probe.kind().as_str();
    let asked = match &check.probe {
        Probe::Http(probe) => format!(" {} {}", probe.method, probe.path),
        Probe::Grpc(probe) if !probe.service.is_empty() => format!(" {}", probe.service),
        Probe::Command(probe) => format!(" {}", probe.program),
        Probe::Tls(Some(min_valid)) => format!(" good for {}", show_duration(*min_valid)),
        Probe::Tcp
        | Probe::Tls(None)
        | Probe::Grpc(_)
        | Probe::Postgres(_)
        | Probe::Mysql(_)
        | Probe::Redis(_)
        | Probe::Icmp => String::new(),
    };
    format!("{kind}{asked} every {every}")
}

/// Stickiness in words: `cookie NAME` or `source`.
pub fn sticky_words(sticky: &Sticky) -> String {
    match sticky {
        Sticky::Cookie(name) => format!("cookie {name}"),
        Sticky::Source => "source".into(),
    }
}

/// What is a cause to send a request once more; empty for nothing.
pub fn retry_causes(rules: &RetryRules) -> Vec<String> {
    let causes = [
        ("connect-failure", rules.on_connect_failure),
        ("reset", rules.on_reset),
        ("timeout", rules.on_timeout),
    ];
    let mut words: Vec<_> = causes.iter().filter(|(_, on)| *on).map(|(word, _)| (*word).to_owned()).collect();
    if !rules.on_status.is_empty() {
        words.push(rules.on_status.to_string());
    }
    if rules.attempts < 2 { Vec::new() } else { words }
}

/// What is retried, in words: `connect-failure, reset, 502-503 (3 attempts, 20% + 3 at once)`, or `never`.
pub fn retry_words(rules: &RetryRules) -> String {
    let words = retry_causes(rules);
    if words.is_empty() {
        return "never".into();
    }
    let share = show_percent(rules.budget.share);
    format!("{} ({} attempts, {share} + {} at once)", words.join(", "), rules.attempts, rules.budget.least)
}

/// When a second copy is sent, in words: `p95, at least 10ms`.
pub fn hedge_words(rules: &HedgeRules) -> String {
    let percentile = show_percent(rules.quantile);
    format!("p{}, at least {}", percentile.trim_end_matches('%'), show_duration(rules.min))
}

/// Conditions in words: `name=value` for headers, then those of [`context_words`].
pub fn conditions(route: &Route) -> Vec<String> {
    let headers = route.matches.headers.iter().map(|(name, value)| format!("{name}={value}"));
    headers.chain(context_words(&route.matches.context)).collect()
}

fn ordered(config: &Config) -> impl Iterator<Item = (usize, &Route)> {
    let routes = config.router.order().into_iter().filter_map(|index| config.routes.get(index));
    routes.enumerate().map(|(index, route)| (index + 1, route))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn listener(listener: &Listener) -> Vec<String> {
    let bind: Vec<_> = listener.bind.iter().map(ToString::to_string).collect();
    let limit = format!("up to {} connections", listener.max_connections);
    let protocol = match &listener.tls {
        None => listener.protocol.as_str(),
        Some(_) => "https",
    };
    let tls = listener.tls.as_ref().map(tls_words).unwrap_or_default();
    let protocol = if listener.proxy_protocol { format!("{protocol} after PROXY") } else { protocol.into() };
    vec![listener.name.clone(), protocol, bind.join(", "), limit, tls, listener.origin.0.clone()]
}

/// TLS of a listener in words: `2 certificates, acme for a.example.com, client certificates required`.
fn tls_words(tls: &ListenerTls) -> String {
    let mut words = Vec::new();
    if !tls.certificates.is_empty() {
        words.push(count(tls.certificates.len(), "certificate"));
    }
    words.extend(tls.acme.iter().map(|acme| format!("acme for {}", acme.names.join(" "))));
    words.extend(tls.clients.iter().map(|clients| {
        format!("client certificates {}", if clients.is_required { "required" } else { "optional" })
    }));
    words.join(", ")
}

/// How a pool picks: an algorithm, or among which it chooses.
fn algorithm(pool: &Pool) -> String {
    let Some(auto) = &pool.auto else { return pool.algorithm.to_string() };
    let arms: Vec<String> = auto.arms[..auto.learned].iter().map(ToString::to_string).collect();
    let rules = auto.rules.iter().map(|rule| format!("; {rule}: {}", auto.arms[rule.arm]));
    format!("auto ({}; {} first{})", arms.join(", "), pool.algorithm, rules.collect::<String>())
}

fn summary(pool: &Pool) -> String {
    let mut text = format!("{}, check {}", algorithm(pool), check_words(pool.check.as_ref()));
    if let Some(check) = &pool.check {
        let timeout = show_duration(check.timeout);
        let _ = write!(text, " (timeout {timeout}, rise {}, fall {})", check.rules.rise, check.rules.fall);
    }
    if pool.protocol != UpstreamProtocol::Http1 {
        let _ = write!(text, ", speaks {}", pool.protocol.as_str());
    }
    text.push_str(&guard::summary(pool));
    if let Some(sticky) = &pool.sticky {
        let _ = write!(text, ", sticky {}", sticky_words(sticky));
    }
    if pool.retry.rules != RetryRules::default() {
        let _ = write!(text, ", retry {}", retry_words(&pool.retry.rules));
    }
    if let Some(rules) = &pool.hedge {
        let _ = write!(text, ", hedge after {}", hedge_words(rules));
    }
    if let Some(tls) = &pool.tls {
        text.push_str(if tls.verify { ", tls" } else { ", tls without verification" });
    }
    if let Some(version) = pool.proxy_protocol {
        let _ = write!(text, ", PROXY protocol {}", version.as_str());
    }
    text
}

fn backend(backend: &Backend) -> Vec<String> {
    let resolved = backend.resolved.to_string();
    let address =
        if resolved == backend.address { resolved } else { format!("{} = {resolved}", backend.address) };
    let zone = backend.zone.as_ref().map(|zone| format!("zone {zone}"));
    vec![
        backend.name.clone(),
        address,
        format!("weight {}", backend.weight),
        zone.unwrap_or_default(),
        backend.tags.join(" "),
        backend.origin.0.clone(),
    ]
}

/// A source in words; nobody is asked yet.
fn discovered(discover: &Discover) -> Vec<String> {
    let Discover { source, pace, timeout, linger, max_backends, origin } = discover;
    let mut words = Vec::new();
    match source {
        Source::Dns { .. } | Source::Srv { .. } => {
            let (least, most) = (show_duration(pace.least), show_duration(pace.most));
            words.push(format!("every {least} to {most} by its TTL"));
        }
        Source::File(_) | Source::Command { .. } => words.push(format!("every {}", show_duration(pace.most))),
        Source::Api => words.push("when operators say so".to_owned()),
    }
    if *source != Source::Api {
        words.push(format!(
            "timeout {}, gone after {}",
            show_duration(*timeout),
            count(*linger as usize, "look")
        ));
    }
    words.push(format!("up to {max_backends}"));
    vec![format!("discover {source}"), words.join(", "), origin.0.clone()]
}

fn row(config: &Config, rank: usize, route: &Route) -> Vec<String> {
    let methods = &route.matches.methods;
    vec![
        rank.to_string(),
        route.name.clone(),
        route.host.clone(),
        route.matches.path.clone(),
        if methods.is_empty() { "any method".into() } else { methods.join(",") },
        conditions(route).join(" "),
        format!("-> {}", pool_name(config, route)),
        format!("on {}", route.listeners.join(",")),
        route.origin.0.clone(),
    ]
}

fn pool_name<'a>(config: &'a Config, route: &Route) -> &'a str {
    config.pools.get(route.pool).map_or("", |pool| pool.name.as_str())
}

/// Lines with cells under one another; columns that are empty throughout are left out.
fn columns(rows: &[Vec<String>]) -> String {
    let cells = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..cells).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let _ = write!(line, "  {cell:width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

//! `[pool.NAME]`: backends that are told apart and resolve, and how they are treated.

mod algorithm;
mod auto;
mod discover;
mod division;
mod guard;
mod health;
mod retry;
mod signals;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::tls::{self, Findings};
use super::{At, Entry, Sections};
use crate::config::raw;
use crate::config::raw::format::{self, Address, Name, Period};
use crate::config::raw::pool::{BackendEntry, BackendProtocol};
use crate::config::report::Problem;
use crate::config::{
    Backend, Check, Daemon, Discover, Env, Keepalive, Pool, PoolTls, ProxyVersion, Signals, Sticky,
    UpstreamProtocol,
};
use crate::stream::Endpoint;
use auto::Home;
use health::Around;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(3600);
const KEEPALIVE: Keepalive =
    Keepalive { max_idle: 128, idle: Duration::from_secs(30), age: Duration::from_secs(600) };

/// What a pool's settings depend on besides the pool.
pub(super) struct Given<'g> {
    /// The process.
    pub(super) daemon: &'g Daemon,
    /// Its surroundings.
    pub(super) env: &'g Env,
    /// What else the files define.
    pub(super) sections: &'g Sections<'g>,
}

pub(super) fn check(
    entries: &[Entry<'_, raw::pool::Pool>],
    given: &Given<'_>,
    found: &mut Findings<'_>,
) -> Vec<Pool> {
    entries.iter().map(|entry| pool(entry, given, found)).collect()
}

fn pool(entry: &Entry<'_, raw::pool::Pool>, given: &Given<'_>, found: &mut Findings<'_>) -> Pool {
    let raw::pool::Pool {
        algorithm,
        protocol,
        breaker,
        outliers,
        slow_start,
        sticky,
        retry,
        hedge,
        attempts,
        timeouts,
        keepalive,
        proxy_protocol,
        // By `servers`.
        backends: _,
        discover: _,
        health: _,
        tls: _,
        signals: _,
        // By `division`.
        hash: _,
        bounded_load: _,
        panic: _,
        subset: _,
        zones: _,
    } = entry.value;
    let proxy_protocol = introduced(*proxy_protocol, *protocol, &entry.at, found.problems);
    let at = &entry.at;
    let Servers { backends, discover, tls, check, signals } = servers(entry, given, proxy_protocol, found);
    let division = division::check(entry.value, entry.name, given.daemon, at, found.problems);
    let home = Home { pool: entry.name, sections: given.sections };
    let (algorithm, auto) = algorithm::of(algorithm.as_ref(), home, &at.key("algorithm"), found);
    let problems = &mut *found.problems;
    let raw::pool::PoolTimeouts { connect, first_byte, idle, tunnel, request } =
        timeouts.clone().unwrap_or_default();
    let request = request.and_then(|limit| limit.0);
    Pool {
        name: entry.name.to_owned(),
        algorithm,
        auto,
        sticky: sticky.as_ref().and_then(|sticky| stickiness(sticky, &at.key("sticky"), problems)),
        check,
        breaker: breaker.as_ref().and_then(|rules| guard::breaker(rules, &at.key("breaker"), problems)),
        outliers: guard::outliers(outliers.as_ref(), &at.key("outliers"), problems),
        slow_start: slow_start.as_ref().map(guard::slow_start),
        retry: retry::check(retry.as_ref(), *attempts, request, at, found),
        hedge: retry::hedge(hedge.as_ref()),
        connect_timeout: or(connect.as_ref(), CONNECT_TIMEOUT),
        first_byte_timeout: or(first_byte.as_ref(), FIRST_BYTE_TIMEOUT),
        idle_timeout: or(idle.as_ref(), IDLE_TIMEOUT),
        tunnel_timeout: or(tunnel.as_ref(), TUNNEL_TIMEOUT),
        request_timeout: request,
        keepalive: kept(&keepalive.clone().unwrap_or_default()),
        proxy_protocol,
        tls,
        backends,
        discover,
        protocol: protocol.map_or_else(UpstreamProtocol::default, spoken),
        division,
        signals,
        origin: at.origin(),
    }
}

/// Who the backends are, and how the daemon speaks with them beside traffic.
struct Servers {
    backends: Vec<Backend>,
    discover: Vec<Discover>,
    tls: Option<PoolTls>,
    check: Option<Check>,
    signals: Signals,
}

fn servers(
    entry: &Entry<'_, raw::pool::Pool>,
    given: &Given<'_>,
    proxy_protocol: Option<ProxyVersion>,
    found: &mut Findings<'_>,
) -> Servers {
    let raw::pool::Pool { backends, discover, health, tls, signals, .. } = entry.value;
    let (at, list, env) = (&entry.at, entry.at.key("backends"), given.env);
    let discover = discover::check(discover.as_ref(), env, &at.key("discover"), found.problems);
    let backends = members(entry, backends.as_deref(), &list, found.problems);
    let tls = tls.as_ref().map(|tls| tls::pool(tls, &backends, &at.key("tls"), &list, found));
    let around = Around { backends: &backends, list, pool_tls: tls.as_ref(), proxy_protocol, env };
    let check = health::check(&health.clone().unwrap_or_default(), &around, &at.key("health"), found);
    if tls.as_ref().is_some_and(|tls| tls.server_name.is_none()) {
        discover::nameless(&discover, &at.key("discover"), found.problems);
    }
    let signals = signals.clone().unwrap_or_default();
    let signals = signals::check(&signals, &backends, env, &at.key("signals"), found.problems);
    Servers { backends, discover, tls, check, signals }
}

/// How connections to backends are introduced.
fn introduced(
    version: Option<raw::pool::ProxyVersion>,
    protocol: Option<BackendProtocol>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ProxyVersion> {
    let version = match version? {
        raw::pool::ProxyVersion::V1 => ProxyVersion::V1,
        raw::pool::ProxyVersion::V2 => ProxyVersion::V2,
    };
    if matches!(protocol, Some(BackendProtocol::Http2)) {
        let message = "one HTTP/2 connection carries many clients, and the PROXY protocol can name one";
        let problem = at.key("proxy_protocol").problem(message.to_owned());
        problems.push(problem.help("leave out protocol = \"h2\", or proxy_protocol"));
    }
    Some(version)
}

fn spoken(protocol: BackendProtocol) -> UpstreamProtocol {
    match protocol {
        BackendProtocol::Http1 => UpstreamProtocol::Http1,
        BackendProtocol::Http2 => UpstreamProtocol::Http2,
    }
}

fn or(period: Option<&Period>, default: Duration) -> Duration {
    period.map_or(default, |period| period.0)
}

fn kept(keepalive: &raw::pool::Keepalive) -> Keepalive {
    let raw::pool::Keepalive { max_idle, idle, age } = keepalive;
    Keepalive {
        max_idle: max_idle.map_or(KEEPALIVE.max_idle, |most| most as usize),
        idle: or(idle.as_ref(), KEEPALIVE.idle),
        age: or(age.as_ref(), KEEPALIVE.age),
    }
}

fn stickiness(sticky: &raw::pool::Sticky, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Sticky> {
    let raw::pool::Sticky { cookie, source } = sticky;
    match (cookie, source) {
        (Some(name), None) => Some(Sticky::Cookie(name.0.clone())),
        (None, Some(true)) => Some(Sticky::Source),
        _ if !at.is_sound() => None,
        _ => {
            let help = "write sticky = { cookie = \"aya\" } or sticky = { source = true }, or leave it out";
            problems.push(at.problem("sticky needs exactly one of \"cookie\" and \"source\"").help(help));
            None
        }
    }
}

fn members(
    entry: &Entry<'_, raw::pool::Pool>,
    entries: Option<&[BackendEntry]>,
    list: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Backend> {
    let pool = entry.name;
    let help = "write at least one, e.g. backends = [\"127.0.0.1:9001\"], or where they come from, e.g. \
                discover = { dns = \"shop.internal:8080\" }";
    if entries.is_none() && !list.is_written() && !entry.at.key("discover").is_written() {
        problems.push(Problem::new(entry.at.name(), format!("pool \"{pool}\" has no backends")).help(help));
    }
    let entries = entries.unwrap_or_default();
    if entries.is_empty() && list.is_written() && list.is_sound() && entry.value.discover.is_none() {
        problems.push(list.problem(format!("pool \"{pool}\" has no backends")).help(help));
    }
    let mut names = BTreeMap::new();
    let mut backends = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = list.index(index);
        let backend = member(pool, entry, &at, problems);
        if let Some(first) = names.insert(backend.name.clone(), at) {
            let message = format!("pool \"{pool}\" has two backends named \"{}\"", backend.name);
            let problem = at.problem(message).other(first.value(), "first used");
            problems.push(problem.help("give each a name of its own; without one, its address is its name"));
        }
        backends.push(backend);
    }
    backends
}

fn member(pool: &str, entry: &BackendEntry, at: &At<'_>, problems: &mut Vec<Problem>) -> Backend {
    let (name, Address(address), weight, zone, priority, tags, place) = match entry {
        BackendEntry::Address(address) => (None, address, None, None, None, None, *at),
        BackendEntry::Full(raw::pool::Backend { name, address, weight, zone, priority, tags }) => {
            (name.as_ref(), address, *weight, zone.clone(), *priority, tags.clone(), at.key("address"))
        }
    };
    let name = name.map_or_else(|| name_of(address, &place, problems), |Name(name)| name.clone());
    let resolved = resolve(address).unwrap_or_else(|why| {
        let message = format!("backend \"{name}\" of pool \"{pool}\": \"{address}\" does not resolve: {why}");
        problems.push(
            place
                .problem(message)
                .help("correct the host name, make it known to DNS, or write an IP address"),
        );
        Endpoint::Tcp(SocketAddr::from(([0, 0, 0, 0], 0)))
    });
    Backend {
        name,
        address: address.clone(),
        resolved,
        weight: weight.unwrap_or(1),
        zone,
        priority: priority.unwrap_or(0),
        tags: tags.unwrap_or_default(),
        origin: at.origin(),
    }
}

/// The name of a backend without one.
fn name_of(address: &str, at: &At<'_>, problems: &mut Vec<Problem>) -> String {
    if let Err(wrong) = format::name(address) {
        let problem = at.problem(format!("\"{address}\" cannot also be the name of the backend"));
        let help = if address.starts_with(format::UNIX) {
            format!("give it a name: {{ name = \"app\", address = \"{address}\" }}")
        } else {
            format!("give it a \"name\": {}", wrong.help)
        };
        problems.push(problem.help(help));
    }
    address.to_owned()
}

/// Turns an address into one that can be connected to. Asks the system's resolver about host names, and
/// takes its first answer.
fn resolve(address: &str) -> Result<Endpoint, String> {
    if let Some(path) = address.strip_prefix(format::UNIX) {
        return Ok(Endpoint::Unix(path.into()));
    }
    if let Ok(literal) = address.parse() {
        return Ok(Endpoint::Tcp(literal));
    }
    let mut found = address.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().map(Endpoint::Tcp).ok_or_else(|| "the name has no address".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_resolve_says_why() {
        assert!(!resolve("no-such-host.invalid:80").unwrap_err().is_empty());
        assert_eq!(resolve("[::1]:80"), Ok(Endpoint::Tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80)))));
    }
}

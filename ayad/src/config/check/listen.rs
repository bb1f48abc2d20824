//! `[listen.NAME]`: addresses that do not collide, and defaults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use aya_core::pace::Least;

use super::tls::{self, Findings};
use super::{At, Entry};
use crate::config::raw::format::{Bind, Period};
use crate::config::raw::listen::{self as written, Limits, Listen, ListenTimeouts, ProxyProtocol};
use crate::config::raw::{OneOrMany, listen};
use crate::config::report::Problem;
use crate::config::{Alpn, Covered, Listener, Protocol};

const MAX_CONNECTIONS: u32 = 10_000;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Of TCP, where nobody knows what silence means; twice what systems wait before they probe a peer is too long.
const TCP_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What Apache asks for, too.
const BODY_RATE: u64 = 500;
const HEADER_BYTES: u64 = 16 << 10;
const HEADER_BYTES_LEAST: u64 = 8 << 10;
const HEADER_BYTES_MOST: u64 = 1 << 20;
const HEADERS: u32 = 100;
const STREAMS: u32 = 128;

/// Most listeners; routes know them by 16-bit indices.
const MAX_LISTENERS: usize = 1024;

pub(super) fn check(
    entries: &[Entry<'_, Listen>],
    admin: Option<SocketAddr>,
    found: &mut Findings<'_>,
) -> Vec<(Listener, Vec<Covered>)> {
    check_binds(entries, admin, found.problems);
    if let Some(entry) = entries.get(MAX_LISTENERS) {
        let problem = Problem::new(entry.at.name(), format!("there are over {MAX_LISTENERS} listeners"));
        found.problems.push(problem.help("one listener can bind a list of addresses"));
    }
    let mut listeners: Vec<_> = entries.iter().map(|entry| listener(entry, found)).collect();
    // What one listener writes, a client of another must not be able to write either.
    let with_clients = listeners.iter().filter_map(|(listener, _)| listener.tls.as_ref());
    let prefixes: BTreeSet<String> =
        with_clients.filter(|tls| tls.clients.is_some()).map(|tls| tls.identity_prefix.clone()).collect();
    for (listener, _) in &mut listeners {
        listener.reserved_prefixes = prefixes.iter().cloned().collect();
    }
    listeners
}

/// The warning for a listener whose names nobody can prove.
pub(super) fn unprovable(at: &At<'_>) -> Problem {
    let message = "http-01 is answered by listeners without TLS, and there is none";
    let help =
        "add one at port 80, e.g. [listen.plain] bind = \"0.0.0.0:80\", or write challenge = \"tls-alpn-01\"";
    at.key("tls").key("acme").problem(message).help(help)
}

/// One listener, with what it answers TLS with.
fn listener(entry: &Entry<'_, Listen>, found: &mut Findings<'_>) -> (Listener, Vec<Covered>) {
    let Listen {
        bind,
        protocol,
        http2,
        max_connections,
        timeouts,
        limits,
        trusted_proxies,
        proxy_protocol,
        tls,
    } = entry.value;
    let protocol = match protocol.unwrap_or_default() {
        written::Protocol::Http => Protocol::Http,
        written::Protocol::Tcp => Protocol::Tcp,
    };
    let proxy_protocol = *proxy_protocol == Some(ProxyProtocol::Required);
    check_protocol(entry, protocol, proxy_protocol, found.problems);
    let ListenTimeouts { header, idle, body } = timeouts.clone().unwrap_or_default();
    let Limits { header_bytes, headers, streams, body: body_bytes, body_rate } =
        limits.clone().unwrap_or_default();
    let header_bytes = header_bytes.map_or(HEADER_BYTES, |size| size.0);
    if !(HEADER_BYTES_LEAST..=HEADER_BYTES_MOST).contains(&header_bytes) {
        let at = entry.at.key("limits").key("header_bytes");
        let message = format!("{header_bytes} bytes for the head of a request is out of range");
        found.problems.push(at.problem(message).help("\"header_bytes\" is \"8KiB\" to \"1MiB\""));
    }
    let body_rate = body_rate.map_or(BODY_RATE, |rate| rate.0.unwrap_or(0));
    let or = |period: Option<Period>, default| period.map_or(default, |period| period.0);
    let body_timeout = or(body, BODY_TIMEOUT);
    let tls = tls.as_ref().map(|tls| tls::listener(tls, &entry.at.key("tls"), found));
    let (mut tls, covered) = tls.unzip();
    let max_streams = http2.unwrap_or(true).then(|| streams.unwrap_or(STREAMS));
    if let Some(tls) = tls.as_mut().filter(|_| max_streams.is_none()) {
        tls.alpn.retain(|protocol| *protocol != Alpn::H2);
    }
    let listener = Listener {
        name: entry.name.to_owned(),
        protocol,
        proxy_protocol,
        bind: addresses(bind),
        max_connections: max_connections.unwrap_or(MAX_CONNECTIONS) as usize,
        header_timeout: or(header, HEADER_TIMEOUT),
        idle_timeout: or(idle, if protocol == Protocol::Tcp { TCP_IDLE_TIMEOUT } else { IDLE_TIMEOUT }),
        body_timeout,
        body_pace: Least { grace: body_timeout, per_second: body_rate },
        max_header_bytes: header_bytes as usize,
        max_headers: headers.unwrap_or(HEADERS) as usize,
        max_body_bytes: body_bytes.and_then(|size| size.0),
        max_streams,
        trusted_proxies: trusted_proxies.iter().flatten().map(|network| network.0).collect(),
        tls,
        reserved_prefixes: Vec::new(),
        origin: entry.at.origin(),
    };
    (listener, covered.unwrap_or_default())
}

/// Reports keys that mean nothing to the protocol, and a PROXY protocol that anybody could speak.
fn check_protocol(
    entry: &Entry<'_, Listen>,
    protocol: Protocol,
    proxy_protocol: bool,
    problems: &mut Vec<Problem>,
) {
    let Listen { limits, timeouts, trusted_proxies, tls, .. } = entry.value;
    let at = &entry.at;
    if protocol == Protocol::Tcp {
        let body = timeouts.as_ref().is_some_and(|timeouts| timeouts.body.is_some());
        let keys = [
            (limits.is_some(), at.key("limits"), "limits"),
            (body, at.key("timeouts").key("body"), "body"),
            (tls.is_some(), at.key("tls"), "tls"),
            (trusted_proxies.is_some() && !proxy_protocol, at.key("trusted_proxies"), "trusted_proxies"),
        ];
        for (_, at, key) in keys.iter().filter(|(is_set, ..)| *is_set) {
            let problem = Problem::new(at.name(), format!("\"{key}\" means nothing to a tcp listener"));
            let help = match *key {
                "trusted_proxies" => "add proxy_protocol = \"required\", or leave it out",
                "tls" => "leave it out: TLS goes through to the backend, which has the certificate",
                _ => "leave it out: nothing is read of what is passed on",
            };
            problems.push(problem.help(help));
        }
    }
    let is_open = trusted_proxies.as_ref().is_none_or(Vec::is_empty);
    if proxy_protocol && is_open && at.key("trusted_proxies").is_sound() {
        let message = "anybody could claim to be anybody: no network is trusted to speak the PROXY protocol";
        let help = "name the load balancers in front, e.g. trusted_proxies = [\"10.0.0.0/8\"]";
        problems.push(at.key("proxy_protocol").problem(message).help(help));
    }
}

fn addresses(bind: &OneOrMany<Bind>) -> Vec<SocketAddr> {
    bind.as_slice().iter().map(|bind| bind.0).collect()
}

/// Reports addresses that two would listen on, and listeners that listen nowhere.
fn check_binds(
    entries: &[Entry<'_, listen::Listen>],
    admin: Option<SocketAddr>,
    problems: &mut Vec<Problem>,
) {
    let mut taken: Vec<(SocketAddr, &str, At<'_>)> = Vec::new();
    for entry in entries {
        let list = entry.at.key("bind");
        if entry.value.bind.as_slice().is_empty() && list.is_sound() {
            let problem = list.problem(format!("listener \"{}\" has no address", entry.name));
            problems.push(problem.help("write e.g. bind = \"127.0.0.1:8080\""));
        }
        for (index, address) in addresses(&entry.value.bind).into_iter().enumerate() {
            let at = list.index(index);
            if address.port() == 0 {
                continue;
            }
            if let Some((_, name, first)) = taken.iter().find(|(other, ..)| *other == address) {
                let message = format!("{address} is already taken by listener \"{name}\"");
                let problem = at.problem(message).other(first.value(), "first used");
                problems
                    .push(problem.help("an address belongs to one listener; routes can tell hosts apart"));
                continue;
            }
            if admin == Some(address) {
                let message = format!("{address} is also the address of daemon.admin_listen");
                problems.push(at.problem(message).help("give one of them another port"));
            }
            taken.push((address, entry.name, at));
        }
    }
}

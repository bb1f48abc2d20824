//! `[listen.NAME]`: addresses that do not collide, and defaults.

use std::net::SocketAddr;
use std::time::Duration;

use super::{At, Entry};
use crate::config::Listener;
use crate::config::raw::format::{Bind, Period};
use crate::config::raw::listen::{Limits, Listen, ListenTimeouts, Protocol};
use crate::config::raw::{OneOrMany, listen};
use crate::config::report::Problem;

const MAX_CONNECTIONS: u32 = 10_000;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
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
    problems: &mut Vec<Problem>,
) -> Vec<Listener> {
    check_binds(entries, admin, problems);
    if let Some(entry) = entries.get(MAX_LISTENERS) {
        let problem = Problem::new(entry.at.name(), format!("there are over {MAX_LISTENERS} listeners"));
        problems.push(problem.help("one listener can bind a list of addresses"));
    }
    entries.iter().map(|entry| listener(entry, problems)).collect()
}

fn listener(entry: &Entry<'_, Listen>, problems: &mut Vec<Problem>) -> Listener {
    let Listen { bind, protocol, http2, max_connections, timeouts, limits, trusted_proxies } = entry.value;
    match protocol.unwrap_or_default() {
        Protocol::Http => {}
    }
    let ListenTimeouts { header, idle, body } = timeouts.clone().unwrap_or_default();
    let Limits { header_bytes, headers, streams, body: body_bytes } = limits.clone().unwrap_or_default();
    let header_bytes = header_bytes.map_or(HEADER_BYTES, |size| size.0);
    if !(HEADER_BYTES_LEAST..=HEADER_BYTES_MOST).contains(&header_bytes) {
        let at = entry.at.key("limits").key("header_bytes");
        let message = format!("{header_bytes} bytes for the head of a request is out of range");
        problems.push(at.problem(message).help("\"header_bytes\" is \"8KiB\" to \"1MiB\""));
    }
    let or = |period: Option<Period>, default| period.map_or(default, |period| period.0);
    Listener {
        name: entry.name.to_owned(),
        bind: addresses(bind),
        max_connections: max_connections.unwrap_or(MAX_CONNECTIONS) as usize,
        header_timeout: or(header, HEADER_TIMEOUT),
        idle_timeout: or(idle, IDLE_TIMEOUT),
        body_timeout: or(body, BODY_TIMEOUT),
        max_header_bytes: header_bytes as usize,
        max_headers: headers.unwrap_or(HEADERS) as usize,
        max_body_bytes: body_bytes.and_then(|size| size.0),
        max_streams: http2.unwrap_or(true).then(|| streams.unwrap_or(STREAMS)),
        trusted_proxies: trusted_proxies.iter().flatten().map(|network| network.0).collect(),
        origin: entry.at.origin(),
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

//! `discover` of a pool: exactly one source each, no source twice, and keys that go with it.

use std::path::Path;
use std::time::Duration;

use aya_core::discovery::Pace;

use super::At;
use crate::config::raw;
use crate::config::raw::format::{Address, NameServer, Service};
use crate::config::raw::{OneOrMany, discover::Discover as Raw};
use crate::config::report::Problem;
use crate::config::{Discover, Env, Source};

const INTERVAL: Duration = Duration::from_secs(30);
const FILE_INTERVAL: Duration = Duration::from_secs(1);
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
const LINGER: u32 = 2;
const MAX_BACKENDS: usize = 1000;
/// Most sources of one pool.
const MAX_SOURCES: usize = 16;

const KINDS: &str = "write one of dns = \"shop.internal:8080\", srv = \"_http._tcp.shop.internal\", file = \"shop.json\", \
                     command = [\"/usr/local/bin/list-shop\"] and api = true";

/// Checks the sources of a pool.
pub(super) fn check(
    written: Option<&OneOrMany<Raw>>,
    env: &Env,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Discover> {
    let Some(written) = written else { return Vec::new() };
    let is_list = matches!(written, OneOrMany::Many(_));
    let entries = written.as_slice();
    if entries.is_empty() && at.is_sound() {
        problems.push(at.problem("an empty list discovers nothing").help(KINDS));
    }
    if entries.len() > MAX_SOURCES {
        let message = format!("{} sources in one pool", entries.len());
        problems.push(at.problem(message).help(format!("a pool has at most {MAX_SOURCES}")));
    }
    let mut sources: Vec<Discover> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = if is_list { at.index(index) } else { *at };
        let Some(source) = one(entry, env, &at, problems) else { continue };
        let name = source.source.to_string();
        if sources.iter().any(|other| other.source.to_string() == name) {
            problems
                .push(at.problem(format!("\"{name}\" is discovered twice")).help("leave one of them out"));
        }
        sources.push(source);
    }
    sources
}

fn one(entry: &Raw, env: &Env, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Discover> {
    let Raw { interval, min_interval, timeout, linger, max_backends, .. } = entry;
    let source = source(entry, env, at, problems)?;
    let is_file = matches!(source, Source::File(_));
    let usual = if is_file { FILE_INTERVAL } else { INTERVAL };
    let most = interval.as_ref().map_or(usual, |period| period.0);
    let least = min_interval.as_ref().map_or(LEAST_INTERVAL.min(most), |period| period.0);
    if least > most {
        let problem = at.key("min_interval").problem("min_interval is longer than interval");
        problems.push(problem.help("make it shorter, or leave it out"));
    }
    Some(Discover {
        source,
        pace: Pace { least, most },
        timeout: timeout.as_ref().map_or(TIMEOUT, |period| period.0),
        linger: linger.unwrap_or(if is_file { 1 } else { LINGER }),
        max_backends: max_backends.map_or(MAX_BACKENDS, |most| most as usize),
        origin: at.origin(),
    })
}

fn source(entry: &Raw, around: &Env, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Source> {
    // Taken apart, so that a new key cannot be forgotten here.
    let Raw { dns, srv, file, command, api, resolver, env, interval, min_interval, timeout, linger, .. } =
        entry;
    let api = api.filter(|api| *api);
    let servers = || resolver.as_ref().map(asked).unwrap_or_default();
    let found = match (dns, srv, file, command, api) {
        (Some(Address(address)), None, None, None, None) => {
            host(address, servers(), &at.key("dns"), problems)
        }
        (None, Some(Service(name)), None, None, None) => {
            Some(Source::Srv { name: name.trim_end_matches('.').to_owned(), servers: servers() })
        }
        (None, None, Some(path), None, None) => file_of(path, &at.key("file"), problems),
        (None, None, None, Some(argv), None) => {
            let mut env = env.clone().unwrap_or_default();
            env.entry("PATH".to_owned()).or_insert_with(|| around.path().to_owned());
            program(argv, &at.key("command"), problems).then(|| Source::Command { argv: argv.clone(), env })
        }
        (None, None, None, None, Some(_)) => Some(Source::Api),
        _ if !at.is_sound() => None,
        _ => {
            problems.push(
                at.problem("a source needs exactly one of dns, srv, file, command and api").help(KINDS),
            );
            None
        }
    }?;
    let by_dns = matches!(found, Source::Dns { .. } | Source::Srv { .. });
    let by_api = found == Source::Api;
    let out_of_place = [
        ("resolver", resolver.is_some() && !by_dns),
        ("env", env.is_some() && !matches!(found, Source::Command { .. })),
        ("interval", interval.is_some() && by_api),
        ("min_interval", min_interval.is_some() && by_api),
        ("timeout", timeout.is_some() && by_api),
        ("linger", linger.is_some() && by_api),
    ];
    for (key, _) in out_of_place.into_iter().filter(|(_, is_wrong)| *is_wrong) {
        let problem = at.key(key).problem(format!("\"{key}\" means nothing to this kind of source"));
        problems.push(problem.help("leave it out"));
    }
    Some(found)
}

fn asked(resolver: &OneOrMany<NameServer>) -> Vec<std::net::SocketAddr> {
    resolver.as_slice().iter().map(|server| server.0).collect()
}

fn host(
    address: &str,
    servers: Vec<std::net::SocketAddr>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Source> {
    let split = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let named = |host: &str| !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
    match split {
        Some((host, port)) if named(host) && !address.starts_with(raw::format::UNIX) => {
            Some(Source::Dns { host: host.trim_end_matches('.').to_owned(), port, servers })
        }
        _ => {
            let problem = at.problem(format!("\"{address}\" is no name that DNS could be asked about"));
            problems.push(problem.help("write HOST:PORT here, and addresses into backends"));
            None
        }
    }
}

fn file_of(path: &Path, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Source> {
    if path.file_name().is_none() {
        problems.push(at.problem("this is no path of a file").help("write e.g. \"/etc/ayad/shop.json\""));
        return None;
    }
    // As it is meant: relative to the folder of the file it is written in.
    let here = Path::new(&at.source().name);
    let path = here.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path));
    Some(Source::File(path))
}

fn program(argv: &[String], at: &At<'_>, problems: &mut Vec<Problem>) -> bool {
    let help = "write the program and its arguments, e.g. [\"/usr/local/bin/list-shop\", \"--json\"]";
    let wrong = match argv.first() {
        None => "an empty list is no command".to_owned(),
        Some(program) if program.is_empty() => "an empty text is no program".to_owned(),
        Some(program) if program.contains(char::is_whitespace) && argv.len() == 1 => {
            format!("{program:?} is one word: there is no shell that would split it")
        }
        Some(_) if argv.iter().any(|word| word.contains('\0')) => {
            "a word of the command contains a NUL byte".to_owned()
        }
        Some(_) => return true,
    };
    problems.push(at.problem(wrong).help(help));
    false
}

/// Reports sources whose backends may have no name that a certificate could cover.
pub(super) fn nameless(sources: &[Discover], at: &At<'_>, problems: &mut Vec<Problem>) {
    let has_names = |source: &Source| matches!(source, Source::Dns { .. } | Source::Srv { .. });
    for source in sources.iter().filter(|discover| !has_names(&discover.source)) {
        let message =
            format!("backends of \"{}\" may have no host name that a certificate could cover", source.source);
        problems.push(at.problem(message).help("add server_name = \"app.internal\" to tls"));
    }
}

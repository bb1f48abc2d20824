//! `[route.NAME]`: names that exist, and matches that differ.

mod context;
mod tcp;

use aya_core::route::{HostMatch, RouteError, RouteSpec, Router};

use super::{At, Entry, Sections};
use crate::config::Route;
use crate::config::raw;
use crate::config::report::Problem;
use crate::config::shape::suggest::remedy;

/// Host and path of a route that says nothing about them.
const ANY_HOST: &str = "*";
pub(super) const ANY_PATH: &str = "/*";

/// Converts the routes. A route whose pool is not there gets one in name only; its problem is reported.
pub(super) fn check<'a>(sections: &Sections<'a>, problems: &mut Vec<Problem>) -> Vec<(Route, At<'a>)> {
    let routes: Vec<_> = sections.routes.iter().map(|entry| route(entry, sections, problems)).collect();
    tcp::check_served(sections, &routes, problems);
    routes.into_iter().zip(sections.routes.iter().map(|entry| entry.at)).collect()
}

/// Compiles the matcher, unless something is wrong with the matches.
pub(super) fn compile(routes: &[(Route, At<'_>)], problems: &mut Vec<Problem>) -> Option<Router> {
    // A match that lost a key to a problem would seem to equal another.
    let (sound, others): (Vec<_>, Vec<_>) = routes.iter().partition(|(_, at)| at.is_sound());
    for other in others {
        // Its path can be wrong all the same, and says so alone.
        let errors = Router::build(std::slice::from_ref(&other.0.matches)).err().unwrap_or_default();
        let of_path = errors.iter().filter(|error| matches!(error, RouteError::Path { .. }));
        problems.extend(of_path.map(|error| refused(error, &[other])));
    }
    match Router::build(sound.iter().map(|(route, _)| &route.matches)) {
        Ok(router) => (sound.len() == routes.len()).then_some(router),
        Err(errors) => {
            problems.extend(errors.iter().map(|error| refused(error, &sound)));
            None
        }
    }
}

/// Says which routes the compiler refused; it was given `routes`, at least one.
fn refused(error: &RouteError, routes: &[&(Route, At<'_>)]) -> Problem {
    match error {
        RouteError::Duplicate { first, second } => {
            // The compiler knows no order of reading; names are as good as any.
            let ((one, first), (two, second)) = (routes[*first.min(second)], routes[*first.max(second)]);
            let message =
                format!("route \"{}\" matches the same requests as route \"{}\"", two.name, one.name);
            Problem::new(second.name(), message).other(first.name(), "the other").help(apart(one, two))
        }
        RouteError::Path { route, path, problem } => {
            let at = routes[*route].1.key("match").key("path");
            at.problem(format!("{path:?} is no path to match")).help(*problem)
        }
        RouteError::Host { text, problem } => {
            // Hosts are parsed by their format, so no route is to blame here.
            Problem::new(routes[0].1.name(), format!("{text:?} is no host to match")).help(*problem)
        }
    }
}

/// What tells two routes apart that match the same requests on some listener.
fn apart(one: &Route, two: &Route) -> String {
    if one.listeners == two.listeners {
        return "make one more specific by host, path, method or header, or leave it out".to_owned();
    }
    // The one that serves more, most likely because it names none, can do without those of the other.
    let wider = if one.listeners.len() > two.listeners.len() { one } else { two };
    format!(
        "make one more specific by host, path, method or header, name other listeners with \"listen\" in \"{}\", \
         or leave it out",
        wider.name
    )
}

fn route(
    entry: &Entry<'_, raw::route::Route>,
    sections: &Sections<'_>,
    problems: &mut Vec<Problem>,
) -> Route {
    let raw::route::Route { listen, matches, pool, zones } = entry.value;
    tcp::check_route(entry, sections, problems);
    let at = &entry.at;
    let (host, matches) = matched(matches.clone().unwrap_or_default(), sections, &at.key("match"), problems);
    let (listeners, indices) = served(listen.as_ref(), sections, at, problems);
    Route {
        name: entry.name.to_owned(),
        listeners,
        matches: RouteSpec { listeners: indices, ..matches },
        host,
        pool: target(pool, sections, &at.key("pool"), problems),
        zones: zones.as_ref().map(|zones| zones.as_slice().into()),
        origin: at.origin(),
    }
}

/// What is to match, for all listeners, and its host as it was written; `at` is the match.
pub(super) fn matched(
    matches: raw::route::Match,
    sections: &Sections<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> (String, RouteSpec) {
    let context = context::context(&matches, sections, at, problems);
    let raw::route::Match { host, path, method, header, .. } = matches;
    let (host, host_match) = host.map_or_else(|| (ANY_HOST.to_owned(), HostMatch::Any), |host| host.0);
    let methods = method.iter().flat_map(raw::OneOrMany::as_slice).map(|method| method.0.to_string());
    let (header_at, headers) = (at.key("header"), header.into_iter().flatten());
    let spec = RouteSpec {
        host: host_match,
        path: path.unwrap_or_else(|| ANY_PATH.to_owned()),
        methods: methods.collect(),
        headers: headers.map(|(name, value)| condition(&name, value, &header_at, problems)).collect(),
        context,
        listeners: None,
    };
    (host, spec)
}

/// The index of a name; entries are in order of name.
fn position<T>(entries: &[Entry<'_, T>], name: &str) -> Option<usize> {
    entries.binary_search_by(|entry| entry.name.cmp(name)).ok()
}

/// The index of the pool.
fn target(pool: &str, sections: &Sections<'_>, at: &At<'_>, problems: &mut Vec<Problem>) -> usize {
    if let Some(index) = position(&sections.pools, pool) {
        return index;
    }
    if let Some(known) = sections.names("pool")
        && !known.contains(&pool)
    {
        problems.push(at.problem(format!("no pool is named \"{pool}\"")).help(remedy("pools", pool, &known)));
    }
    0
}

/// The names and indices of the listeners; no indices for all.
fn served(
    listen: Option<&raw::OneOrMany<String>>,
    sections: &Sections<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<String>, Option<Vec<u16>>) {
    let Some(listen) = listen else {
        return tcp::all_others(sections, at, problems);
    };
    let list = at.key("listen");
    if listen.as_slice().is_empty() && list.is_sound() {
        let problem = list.problem("a route without listeners gets no requests");
        problems.push(problem.help("name a listener, or leave \"listen\" out for all"));
    }
    let mut indices = Vec::new();
    for (index, name) in listen.as_slice().iter().enumerate() {
        if let Some(position) = position(&sections.listeners, name) {
            indices.push(position as u16);
        } else if let Some(known) = sections.names("listen")
            && !known.contains(&name.as_str())
        {
            let problem = list.index(index).problem(format!("no listener is named \"{name}\""));
            problems.push(problem.help(remedy("listeners", name, &known)));
        }
    }
    indices.sort_unstable();
    indices.dedup();
    let names = indices.iter().map(|index| sections.listeners[usize::from(*index)].name.to_owned());
    (names.collect(), Some(indices))
}

fn condition(name: &str, value: String, at: &At<'_>, problems: &mut Vec<Problem>) -> (String, String) {
    let lower = name.to_ascii_lowercase();
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        let problem = Problem::new(at.key(name).name(), format!("{name:?} is no name of a header"));
        problems.push(problem.help("use letters, digits and \"-\", e.g. \"x-plan\""));
    }
    if http::HeaderValue::from_str(&value).is_err() {
        let problem = at.key(name).problem(format!("{value:?} is no value of a header"));
        problems.push(problem.help("use printable characters"));
    }
    (lower, value)
}

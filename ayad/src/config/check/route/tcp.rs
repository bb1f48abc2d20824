//! Routes and listeners with protocol `tcp`: who serves them, and what can be matched there.

use super::super::{At, Entry, Sections};
use crate::config::Route;
use crate::config::raw;
use crate::config::raw::listen::{Listen, Protocol};
use crate::config::report::Problem;

fn is_tcp(listener: &Entry<'_, Listen>) -> bool {
    listener.value.protocol == Some(Protocol::Tcp)
}

/// The names and indices of the listeners of a route that names none: all that speak HTTP. No indices when there
/// are no others.
pub(super) fn all_others(
    sections: &Sections<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<String>, Option<Vec<u16>>) {
    let others = || (0..).zip(&sections.listeners).filter(|(_, listener)| !is_tcp(listener));
    let names: Vec<_> = others().map(|(_, listener)| listener.name.to_owned()).collect();
    if names.len() == sections.listeners.len() {
        return (names, None);
    }
    if names.is_empty() && at.is_sound() {
        let message = "every listener speaks tcp, and those are served by routes that name them";
        let help = format!("name it: a route with listen = \"{}\"", sections.listeners[0].name);
        problems.push(Problem::new(at.name(), message).help(help));
    }
    (names, Some(others().map(|(index, _)| index).collect()))
}

/// Reports what cannot be matched, or done, on a tcp listener.
pub(super) fn check_route(
    entry: &Entry<'_, raw::route::Route>,
    sections: &Sections<'_>,
    problems: &mut Vec<Problem>,
) {
    let raw::route::Route { listen, matches, pool, zones: _ } = entry.value;
    let named = listen.iter().flat_map(raw::OneOrMany::as_slice);
    let is_listener = |name: &&String| sections.listeners.iter().any(|l| l.name == **name && is_tcp(l));
    let Some(listener) = named.into_iter().find(is_listener) else { return };
    if let Some(raw::route::Match { host: _, path, method, header, country, network, cookie, query, body }) =
        matches
    {
        let keys = [
            ("path", path.is_some()),
            ("method", method.is_some()),
            ("header", header.is_some()),
            ("country", country.is_some()),
            ("network", network.is_some()),
            ("cookie", cookie.is_some()),
            ("query", query.is_some()),
            ("body", body.is_some()),
        ];
        for (key, _) in keys.iter().filter(|(_, is_set)| *is_set) {
            let at = entry.at.key("match").key(key);
            let message = format!("\"{key}\" cannot be matched on \"{listener}\", which speaks tcp");
            let help = "only \"host\" can: the name a TLS client asks for; or name http listeners alone";
            problems.push(Problem::new(at.name(), message).help(help));
        }
    }
    let Some(wanted) = sections.pools.iter().find(|entry| entry.name == pool) else { return };
    if wanted.value.sticky.as_ref().is_some_and(|sticky| sticky.cookie.is_some()) {
        let message = format!("pool \"{pool}\" binds clients by a cookie, which \"{listener}\" cannot read");
        let help = "write sticky = { source = true } there, or give the tcp listener a pool of its own";
        problems.push(entry.at.key("pool").problem(message).help(help));
    }
    if wanted.value.tls.is_some() {
        let message = format!(
            "pool \"{pool}\" begins TLS to its backends, and \"{listener}\" passes bytes on as they are"
        );
        let help = "give the tcp listener a pool of its own, without \"tls\"";
        problems.push(entry.at.key("pool").problem(message).help(help));
    }
}

/// Reports tcp listeners to which no route leads: they would close every connection.
pub(super) fn check_served(sections: &Sections<'_>, routes: &[Route], problems: &mut Vec<Problem>) {
    // Not what is said already, and not what a damaged route may have meant.
    let is_lost = |route: &Route| route.listeners.is_empty();
    let is_whole = sections.names("route").is_some_and(|names| names.len() == routes.len())
        && !routes.iter().any(is_lost);
    let is_served = |name: &str| routes.iter().any(|route| route.listeners.iter().any(|l| l == name));
    let alone = sections.listeners.iter().filter(|listener| is_tcp(listener) && !is_served(listener.name));
    for listener in alone.filter(|_| is_whole && sections.routes.iter().all(|route| route.at.is_sound())) {
        let message = format!("no route serves the tcp listener \"{}\"", listener.name);
        let help = format!("write a route with listen = \"{}\" and a pool", listener.name);
        problems.push(Problem::new(listener.at.name(), message).help(help));
    }
}

//! `ayactl describe route`: what a route matches, and where its requests go.

use aya_api::view::{ListenerView, RouteView};

use super::field;
use crate::args::Format;
use crate::failure::Failure;
use crate::render::{self, View};

/// One route, in the format asked for.
pub(super) fn text(route: &RouteView, listeners: &[ListenerView], view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(route, view)? {
        return Ok(text);
    }
    if matches!(view.format, Format::Csv | Format::Name) {
        return render::list(vec![route.clone()], view);
    }
    let RouteView { name, rev, listeners: of, host, path, methods, headers, conditions, .. } = route;
    let RouteView { pool, zones, rank, requests, .. } = route;
    let any = |words: &[String], none: &str| {
        if words.is_empty() { none.to_owned() } else { words.join(", ") }
    };
    let mut text = String::new();
    field(&mut text, "Route", name);
    field(&mut text, "Listeners", &any(of, "none"));
    field(&mut text, "Host", host);
    field(&mut text, "Path", path);
    field(&mut text, "Methods", &any(methods, "all"));
    field(&mut text, "Headers", &any(headers, "any"));
    field(&mut text, "Context", &any(conditions, "any"));
    field(&mut text, "Pool", pool);
    field(&mut text, "Zones", &any(zones, "that of the daemon"));
    for listener in listeners.iter().filter(|listener| of.contains(&listener.name)) {
        let most = format!("{} connections at {}", listener.max_connections, listener.name);
        field(&mut text, "Limit", &most);
    }
    field(&mut text, "Rank", &format!("{rank} (1 is tried first)"));
    field(&mut text, "Requests", &format!("{requests} since the start"));
    field(&mut text, "Revision", &rev.to_string());
    Ok(text)
}

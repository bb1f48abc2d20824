//! The routes of a configuration, and their matcher: both stay as they are where they say the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aya_core::route::Router;

use super::{Before, changed_or_added};
use crate::config::Config;
use crate::state::{Listener, Route};

/// Routes with what belongs to them, all by the same indices.
pub(super) struct Routes {
    pub(super) all: Vec<Arc<Route>>,
    pub(super) targets: Vec<usize>,
    pub(super) router: Arc<Router>,
}

/// Takes the routes of `config`; costs a look-up by name for each.
pub(super) fn routes(
    config: &Config,
    router: Router,
    listeners: &[Arc<Listener>],
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Routes {
    let old: HashMap<&str, &Arc<Route>> =
        before.snapshot.iter().flat_map(|s| &s.routes).map(|r| (r.name.as_str(), r)).collect();
    let mut routes = Vec::with_capacity(config.routes.len());
    for conf in &config.routes {
        let pool = config.pools[conf.pool].name.as_str();
        let known = old.get(conf.name.as_str()).copied();
        if let Some(same) = known.filter(|r| r.is_same(conf, pool)) {
            routes.push(Arc::clone(same));
            continue;
        }
        summary.push(format!("route {} {}", conf.name, changed_or_added(known.is_some())));
        let requests = known.map_or_else(|| Arc::new(AtomicU64::new(0)), |r| Arc::clone(&r.requests));
        routes.push(Arc::new(Route::new(conf, pool, requests, (before.next_rev)())));
    }
    let names: HashSet<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    let mut gone: Vec<&str> = old.into_keys().filter(|name| !names.contains(name)).collect();
    gone.sort_unstable();
    summary.extend(gone.into_iter().map(|name| format!("route {name} removed")));
    let router = same_router(&routes, listeners, before).unwrap_or_else(|| Arc::new(router));
    Routes { all: routes, targets: config.routes.iter().map(|r| r.pool).collect(), router }
}

/// The matcher in force, when it says the same: it knows routes and listeners by their positions.
fn same_router(
    routes: &[Arc<Route>],
    listeners: &[Arc<Listener>],
    before: &Before<'_>,
) -> Option<Arc<Router>> {
    let old = before.snapshot?;
    let names =
        |listeners: &[Arc<Listener>]| listeners.iter().map(|l| l.conf.name.clone()).collect::<Vec<_>>();
    let is_same = routes.len() == old.routes.len()
        && routes.iter().zip(&old.routes).all(|(new, old)| new.matches_as(old))
        && names(listeners) == names(&old.listeners);
    is_same.then(|| Arc::clone(&old.router))
}

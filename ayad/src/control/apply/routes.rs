//! The routes of a configuration, and their matcher: both stay as they are where they say the same.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aya_core::route::Router;

use super::{Before, changed_or_added};
use crate::config::{self, Config};
use crate::state::{Listener, Route, Target};

/// Routes with what belongs to them, all by the same indices.
pub(super) struct Routes {
    pub(super) all: Vec<Arc<Route>>,
    pub(super) targets: Vec<Target>,
    pub(super) router: Arc<Router>,
}

/// Takes the routes of `config`. Those before are in order of name too, so both are gone through once, side by side.
pub(super) fn routes(
    config: &Config,
    router: Router,
    listeners: &[Arc<Listener>],
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Routes {
    let mut old = before.snapshot.map_or(&[][..], |snapshot| &snapshot.routes).iter().peekable();
    let mut gone = Vec::new();
    let mut routes = Vec::with_capacity(config.routes.len());
    for conf in &config.routes {
        while let Some(passed) = old.next_if(|old| old.name < conf.name) {
            gone.push(format!("route {} removed", passed.name));
        }
        let known = old.next_if(|old| old.name == conf.name);
        let pool = config.pools[conf.pool].name.as_str();
        if let Some(same) = known.filter(|r| r.is_same(conf, pool)) {
            routes.push(Arc::clone(same));
            continue;
        }
        summary.push(format!("route {} {}", conf.name, changed_or_added(known.is_some())));
        let requests = known.map_or_else(|| Arc::new(AtomicU64::new(0)), |r| Arc::clone(&r.requests));
        routes.push(Arc::new(Route::new(conf, pool, requests, (before.next_rev)())));
    }
    gone.extend(old.map(|passed| format!("route {} removed", passed.name)));
    summary.append(&mut gone);
    let target = |(conf, route): (&config::Route, &Arc<Route>)| Target {
        pool: conf.pool,
        requests: Arc::clone(&route.requests),
        zones: route.zones.clone(),
        rules: config.pools[conf.pool].auto.as_ref().map_or(0, |auto| auto.of_route(&conf.name)),
    };
    let targets = config.routes.iter().zip(&routes).map(target).collect();
    let router = same_router(&routes, listeners, before).unwrap_or_else(|| Arc::new(router));
    Routes { all: routes, targets, router }
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
        && routes.iter().zip(&old.routes).all(|(new, old)| Arc::ptr_eq(new, old) || new.matches_as(old))
        && names(listeners) == names(&old.listeners);
    is_same.then(|| Arc::clone(&old.router))
}

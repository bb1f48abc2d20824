//! A route as requests and people see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya_core::route::{Context, RouteSpec};

use crate::config;

/// What a request needs of its route: all else about it is for people. Small and side by side, because thousands of
/// routes that are asked in turn are not in the nearest cache; and beside the routes, so that a route stays the same
/// when pools come or go.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its pool, as an index in [`super::Snapshot::pools`].
    pub pool: usize,
    /// [`Route::requests`].
    pub requests: Arc<AtomicU64>,
    /// Zones in which it would rather be served, when it names some.
    pub zones: Option<Arc<[String]>>,
    /// Rules of its pool that may be for some of its requests: bits by position, nearly always none.
    pub rules: u32,
}

impl Target {
    /// Counts a matched request.
    pub fn matched(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// One route with its counter. It names what it is about and holds no positions, so that it stays the same
/// object while listeners and pools around it change.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Names of the listeners it serves; `None` for all there are.
    pub listeners: Option<Vec<String>>,
    /// Host as it was written, `*` for any.
    pub host: String,
    /// Its path.
    pub path: String,
    /// Methods; empty for all.
    pub methods: Vec<String>,
    /// Conditions on headers.
    pub headers: Vec<(String, String)>,
    /// Conditions on everything else.
    pub context: Context,
    /// The name of its pool.
    pub pool: String,
    /// Zones in which its requests are preferably served.
    pub zones: Option<Arc<[String]>>,
    /// Requests it matched; all workers write, relaxed.
    pub requests: Arc<AtomicU64>,
    /// Revision.
    pub rev: u64,
}

impl Route {
    /// The route as configured, with `pool` for its pool. Requests go on to be counted in `requests`.
    pub fn new(conf: &config::Route, pool: &str, requests: Arc<AtomicU64>, rev: u64) -> Self {
        // Taken apart, so that a new setting cannot be forgotten here and below.
        let config::Route { name, listeners, matches, host, pool: _, zones, origin: _ } = conf;
        let RouteSpec { host: _, path, methods, headers, context, listeners: indices } = matches;
        Self {
            name: name.clone(),
            listeners: indices.is_some().then(|| listeners.clone()),
            host: host.clone(),
            path: path.clone(),
            methods: methods.clone(),
            headers: headers.clone(),
            context: context.clone(),
            pool: pool.to_owned(),
            zones: zones.clone(),
            requests,
            rev,
        }
    }

    /// True when the configuration says the same about it.
    pub fn is_same(&self, conf: &config::Route, pool: &str) -> bool {
        let config::Route { name, listeners, matches, host, pool: _, zones, origin: _ } = conf;
        let RouteSpec { host: _, path, methods, headers, context, listeners: indices } = matches;
        self.name == *name
            && self.listeners.as_ref() == indices.as_ref().map(|_| listeners)
            && self.host == *host
            && self.path == *path
            && self.methods == *methods
            && self.headers == *headers
            && self.context == *context
            && self.pool == pool
            && self.zones == *zones
    }

    /// True when both match the same requests, whatever their pools.
    pub fn matches_as(&self, other: &Self) -> bool {
        self.listeners == other.listeners
            && self.host == other.host
            && self.path == other.path
            && self.methods == other.methods
            && self.headers == other.headers
            && self.context == other.context
    }
}

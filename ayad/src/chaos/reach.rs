//! Whom a target reaches in one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use aya_api::fault::FaultTarget;

use crate::proxy::between::RouteId;
use crate::state::{Backend, Pool, Snapshot};

/// Generations of the configuration whose routes are remembered: requests that began before the last one are still
/// under way.
const GENERATIONS: usize = 4;

/// A target that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It names something that is not there.
    #[error("there is no {what} {name:?}")]
    Unknown {
        /// `pool`, `backend`, `zone`, `label` or `route`.
        what: &'static str,
        /// What was said.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// All that it names is there, but no backend is all of it.
    #[error("no backend matches {0}")]
    Nobody(String),
    /// Its client is neither an address nor a network.
    #[error("{0:?} is neither an address nor a network")]
    BadClient(String),
}

/// Backends, and routes where it matters by which one a request comes.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Stable numbers of the backends, in order.
    tokens: Vec<u64>,
    /// Their ids, in the order of the configuration.
    ids: Vec<String>,
    /// The route by generation, where the target names one.
    routes: Option<Vec<RouteId>>,
}

impl Reach {
    /// Finds whom `target` reaches.
    pub fn of(target: &FaultTarget, snapshot: &Snapshot) -> Result<Self, BadTarget> {
        let route = target.route.as_deref().map(|name| route_of(snapshot, name)).transpose()?;
        let backends = backends_of(target, route, snapshot)?;
        let ids = backends.iter().map(|backend| backend.id.clone()).collect();
        let mut tokens: Vec<u64> = backends.iter().map(|backend| backend.load.token()).collect();
        tokens.sort_unstable();
        Ok(Self { tokens, ids, routes: route.map(|route| vec![route]) })
    }

    /// Whether the backend of this number is reached.
    pub fn has(&self, token: u64) -> bool {
        self.tokens.binary_search(&token).is_ok()
    }

    /// Whether what comes by this route is reached, if it is known by which one.
    pub(super) fn takes(&self, route: Option<RouteId>) -> bool {
        self.routes.as_ref().is_none_or(|routes| route.is_some_and(|route| routes.contains(&route)))
    }

    /// The backends, as `pool/backend`.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The same, for requests that began under the configurations before as well.
    pub(super) fn after(mut self, before: &Self) -> Self {
        if let (Some(routes), Some(older)) = (&mut self.routes, &before.routes) {
            let older: Vec<_> = older.iter().filter(|route| !routes.contains(route)).copied().collect();
            routes.extend(older);
            routes.truncate(GENERATIONS);
        }
        self
    }
}

/// What a backend is called in one respect.
type NamesOf = fn(&Backend) -> Vec<String>;

fn route_of(snapshot: &Snapshot, name: &str) -> Result<RouteId, BadTarget> {
    let index = snapshot.routes.iter().position(|route| route.name == name);
    let known = || snapshot.routes.iter().map(|route| route.name.clone()).collect();
    let index = index.ok_or_else(|| unknown("route", name, known()))?;
    Ok(RouteId { generation: snapshot.generation, index })
}

fn backends_of(
    target: &FaultTarget,
    route: Option<RouteId>,
    snapshot: &Snapshot,
) -> Result<Vec<Arc<Backend>>, BadTarget> {
    let pools: Vec<&Arc<Pool>> = match (&target.pool, route) {
        (Some(name), _) => {
            let known = || snapshot.pools.iter().map(|pool| pool.name.clone()).collect();
            vec![snapshot.pool(name).ok_or_else(|| unknown("pool", name, known()))?]
        }
        (None, Some(route)) => vec![&snapshot.pools[snapshot.targets[route.index].pool]],
        (None, None) => snapshot.pools.iter().collect(),
    };
    let all = |of: NamesOf| -> Vec<String> {
        let all: BTreeSet<_> = snapshot.backends().flat_map(|backend| of(backend)).collect();
        all.into_iter().collect()
    };
    let named: [(_, &Option<String>, NamesOf); 3] = [
        ("backend", &target.backend, |backend| vec![backend.id.clone()]),
        ("zone", &target.zone, |backend| backend.past().zone.clone().into_iter().collect()),
        ("label", &target.label, |backend| backend.past().tags.clone()),
    ];
    for (what, name, of) in &named {
        if let Some(name) = name {
            let known = all(*of);
            if !known.contains(name) {
                return Err(unknown(what, name, known));
            }
        }
    }
    let is_meant = |backend: &&Arc<Backend>| {
        named.iter().all(|(_, name, of)| name.as_ref().is_none_or(|name| of(backend).contains(name)))
    };
    let found: Vec<_> =
        pools.iter().flat_map(|pool| &pool.backends).filter(is_meant).map(Arc::clone).collect();
    if found.is_empty() { Err(BadTarget::Nobody(target.to_string())) } else { Ok(found) }
}

fn unknown(what: &'static str, name: &str, known: Vec<String>) -> BadTarget {
    BadTarget::Unknown { what, name: name.to_owned(), known }
}

//! One immutable picture of the configuration, and how the next one takes over what did not change.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aya_core::hedge::HedgeDelay;
use aya_core::load::Load;
use aya_core::outlier::Quota;
use aya_core::pick::{Ask, Choice, Chooser, Part, Plan, Tried, find};
use aya_core::retry::RetryBudget;
use aya_core::route::Router;
use aya_core::time::Tick;

use super::counters::{Padded, bump};
use super::{Backend, Binding, Route, Scouted, Target};
use crate::clock;
use crate::config;
use crate::geo::Geo;
use crate::tls::{ClientTls, Handshakes, ServerTls};

/// The configuration in force. Requests hold the parts they need by `Arc`, never the whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// File it came from.
    pub file: Option<PathBuf>,
    /// Settings of the process.
    pub daemon: config::Daemon,
    /// Limits of faults and load tests.
    pub chaos: config::Chaos,
    /// Counts the configurations applied since the start.
    pub generation: u64,
    /// When it was applied, wall clock.
    pub loaded_ms: u64,
    /// Listeners; [`Router`] knows them by index, see [`Snapshot::of`].
    pub listeners: Vec<Arc<Listener>>,
    /// Every address of every listener.
    pub bindings: Vec<Arc<Binding>>,
    /// Pools, in order of name.
    pub pools: Vec<Arc<Pool>>,
    /// Routes; [`Router`] knows them by index.
    pub routes: Vec<Arc<Route>>,
    /// What a request needs of each route, by the same indices as `routes`.
    pub targets: Vec<Target>,
    /// Countries of clients.
    pub geo: Option<Arc<Geo>>,
    /// Matcher over the routes.
    pub router: Arc<Router>,
    /// For each listener, whether its clients' TLS hello is read: it speaks TCP and has routes for hosts.
    pub peeks: Vec<bool>,
}

impl Snapshot {
    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|p| p.name == name)
    }

    /// By which routes the requests of a listener go, and where it stands in that snapshot's list, which is what the
    /// router knows it by. These are the routes of this snapshot, or of the last one that had the listener. Costs a
    /// comparison of pointers.
    pub fn of<'s>(&'s self, listener: &'s Listener) -> (&'s Self, u16) {
        let cell = &listener.cell;
        let last = cell.last_index.load(Ordering::Relaxed);
        if self.listeners.get(last).is_some_and(|found| Arc::ptr_eq(&found.cell, cell)) {
            return (self, last as u16);
        }
        if let Some(index) = self.position(cell) {
            cell.last_index.store(index, Ordering::Relaxed);
            return (self, index as u16);
        }
        // One that is nowhere has a number that no route names.
        cell.gone.get().map_or((self, u16::MAX), |(last, index)| (last, *index))
    }

    fn position(&self, cell: &Arc<ListenerCell>) -> Option<usize> {
        self.listeners.iter().position(|found| Arc::ptr_eq(&found.cell, cell))
    }

    /// Listeners of this snapshot that the next one has not: requests that are still on their connections go by the
    /// routes of this one. To be called before the next one is in force.
    pub fn part_with(&self, cells: &[Arc<ListenerCell>]) {
        if cells.is_empty() {
            return;
        }
        // Without listeners, which hold their cells: a cell must not hold itself.
        let last = Arc::new(Self { listeners: Vec::new(), bindings: Vec::new(), ..self.clone() });
        for cell in cells {
            let index = self.position(cell).map_or(u16::MAX, |index| index as u16);
            cell.gone.get_or_init(|| (Arc::clone(&last), index));
        }
    }

    /// The backend of this pool and name.
    pub fn backend(&self, pool: &str, name: &str) -> Option<&Arc<Backend>> {
        self.pool(pool)?.backends.iter().find(|b| b.name == name)
    }

    /// The backend written `pool/backend`.
    pub fn backend_by_id(&self, id: &str) -> Option<&Arc<Backend>> {
        let (pool, name) = id.split_once('/')?;
        self.backend(pool, name)
    }

    /// Every backend of every pool.
    pub fn backends(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.pools.iter().flat_map(|p| &p.backends)
    }
}

/// One listener as configured, with the cell that outlives configurations.
#[derive(Debug)]
pub struct Listener {
    /// Its settings.
    pub conf: config::Listener,
    /// Addresses it really listens on, in the order of the configuration.
    pub bound: Vec<SocketAddr>,
    /// Counters.
    pub cell: Arc<ListenerCell>,
    /// TLS to its clients.
    pub tls: Option<Arc<ServerTls>>,
    /// Revision.
    pub rev: u64,
}

/// What of a listener outlives configurations, also when it gets other addresses or another name.
#[derive(Debug)]
pub struct ListenerCell {
    /// Client connections open now.
    pub connections: AtomicU64,
    /// Connections accepted since the start.
    pub accepted: AtomicU64,
    /// Connections turned away since the start.
    pub refused: AtomicU64,
    /// How TLS handshakes ended since the start.
    pub handshakes: Arc<Handshakes>,
    /// Requests that are over, by worker.
    requests: Vec<Padded<AtomicU64>>,
    /// Set when the listener is removed: the last snapshot that had it, and where.
    gone: OnceLock<(Arc<Snapshot>, u16)>,
    /// Where [`Snapshot::of`] found it last.
    last_index: AtomicUsize,
}

impl ListenerCell {
    /// The cell of a new listener.
    pub fn new(workers: usize) -> Self {
        Self {
            connections: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            handshakes: Arc::default(),
            requests: (0..workers).map(|_| Padded::default()).collect(),
            gone: OnceLock::new(),
            last_index: AtomicUsize::new(0),
        }
    }

    /// A request that came in here is over; of TCP: a connection. Only this worker may say so.
    pub fn finished(&self, worker: usize) {
        if let Some(counter) = self.requests.get(worker) {
            bump(counter, 1);
        }
    }

    /// Requests that are over, since the start.
    pub fn requests(&self) -> u64 {
        self.requests.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// True once the listener is gone; its connections end after their request.
    pub fn is_removed(&self) -> bool {
        self.gone.get().is_some()
    }
}

/// One pool as configured and as ordered.
#[derive(Debug)]
pub struct Pool {
    /// Never used twice; workers keep one picker for each.
    pub uid: u64,
    /// Its name.
    pub name: String,
    /// How it picks now.
    pub algorithm: Choice,
    /// How that changes by itself.
    pub auto: Option<Arc<Scouted>>,
    /// Its settings; `conf.algorithm` is what the file says.
    pub conf: config::Pool,
    /// Its backends.
    pub backends: Vec<Arc<Backend>>,
    /// Their loads, by the same indices.
    pub loads: Vec<Arc<Load>>,
    /// How it is divided.
    pub plan: Arc<Plan>,
    /// The zones of its backends, by their numbers in the plan.
    pub zones: Vec<String>,
    /// Retries and hedges under way; goes on when the pool is configured anew.
    pub budget: Arc<RetryBudget>,
    /// Hedges; goes on when the pool is configured anew.
    pub hedging: Arc<Hedging>,
    /// What workers may eject at once; goes on when the pool is configured anew.
    pub quota: Arc<Quota>,
    /// TLS to its backends.
    pub tls: Option<Arc<ClientTls>>,
    /// TLS of its checks: the same, unless they have their own.
    pub check_tls: Option<Arc<ClientTls>>,
    /// Revision.
    pub rev: u64,
}

/// Requests of one pool that are sent to a second backend as well.
#[derive(Debug, Default)]
pub struct Hedging {
    /// When a waiting request is.
    pub delay: HedgeDelay,
    /// How many were, since the start.
    pub sent: AtomicU64,
    /// How many of those the second backend answered first.
    pub won: AtomicU64,
}

impl Pool {
    /// How its parts stand now, one for each priority group. One pass over its backends, with some allocations: for
    /// people, not for requests.
    pub fn parts(&self, now: Tick) -> Vec<Part> {
        // How a pool is divided does not depend on who picks in the parts, and this one learns nothing.
        let choice = find("first").map_or(self.algorithm, Choice::of);
        let mut chooser = Chooser::new(&choice, Arc::clone(&self.plan), 0, &self.loads);
        chooser.explain(&self.loads, &Ask::any(now, 0, &Tried::new()), 0).parts
    }

    /// Puts a pool together, with TLS for its traffic and for its checks; backends that `before` already has go on as
    /// the same objects, unless they are now talked to in another way: nothing learned or kept under other TLS settings may serve a request. One that was
    /// gone and is known by `returning` goes on as well.
    pub fn build(
        conf: config::Pool,
        [tls, check_tls]: [Option<Arc<ClientTls>>; 2],
        algorithm: Choice,
        before: Option<&Pool>,
        returning: &dyn Fn(&str) -> Option<Arc<Backend>>,
        workers: usize,
        next_rev: &dyn Fn() -> u64,
    ) -> Self {
        let old: HashMap<&str, &Arc<Backend>> = before
            .iter()
            .filter(|p| p.conf.tls == conf.tls)
            .flat_map(|p| &p.backends)
            .map(|b| (b.name.as_str(), b))
            .collect();
        let backends: Vec<Arc<Backend>> = conf
            .backends
            .iter()
            .map(|wanted| {
                let same = old.get(wanted.name.as_str()).copied().cloned();
                let same = same.or_else(|| returning(&format!("{}/{}", conf.name, wanted.name)));
                let same = same.filter(|same| same.is_same_server(wanted));
                same.unwrap_or_else(|| {
                    let new = Arc::new(Backend::new(&conf, wanted, workers, next_rev()));
                    // One that joins others begins slowly; those of a new pool have nobody to leave the work to.
                    if before.is_some() && conf.slow_start.is_some() {
                        new.load.begin_ramp(clock::now());
                    }
                    new
                })
            })
            .collect();
        let zones = config::Division::zones(&conf.backends);
        let plan = Arc::new(conf.division.plan(&conf.backends, &zones));
        let rev = next_rev();
        let loads: Vec<_> = backends.iter().map(|b| Arc::clone(&b.load)).collect();
        Self {
            auto: Scouted::of(&conf, &loads, before),
            plan,
            zones,
            uid: rev,
            name: conf.name.clone(),
            algorithm,
            loads,
            backends,
            tls,
            check_tls,
            conf,
            budget: before.map_or_else(Arc::default, |p| Arc::clone(&p.budget)),
            hedging: before.map_or_else(Arc::default, |p| Arc::clone(&p.hedging)),
            quota: before.map_or_else(Arc::default, |p| Arc::clone(&p.quota)),
            rev,
        }
    }

    /// A bit for each of these zones that the pool has.
    pub fn prefer(&self, zones: &[String]) -> u64 {
        let bit = |zone: &String| self.zones.binary_search(zone).map_or(0, |number| 1 << number);
        zones.iter().fold(0, |bits, zone| bits | bit(zone))
    }

    /// The same pool with another algorithm.
    #[must_use]
    pub fn with_algorithm(&self, algorithm: Choice, uid: u64, rev: u64) -> Self {
        Self {
            uid,
            auto: self.auto.clone(),
            plan: Arc::clone(&self.plan),
            zones: self.zones.clone(),
            name: self.name.clone(),
            algorithm,
            conf: self.conf.clone(),
            backends: self.backends.clone(),
            loads: self.loads.clone(),
            budget: Arc::clone(&self.budget),
            hedging: Arc::clone(&self.hedging),
            quota: Arc::clone(&self.quota),
            tls: self.tls.clone(),
            check_tls: self.check_tls.clone(),
            rev,
        }
    }
}

/// True when two configurations of a pool say the same.
pub fn is_same_pool(a: &config::Pool, b: &config::Pool) -> bool {
    // Taken apart, so that a new setting cannot be forgotten here.
    let config::Pool {
        name,
        algorithm,
        auto,
        sticky,
        check,
        breaker,
        outliers,
        slow_start,
        retry,
        hedge,
        connect_timeout,
        first_byte_timeout,
        idle_timeout,
        tunnel_timeout,
        request_timeout,
        keepalive,
        proxy_protocol,
        tls,
        protocol,
        division,
        backends,
        discover,
        signals,
        origin,
    } = a;
    *name == b.name
        && *algorithm == b.algorithm
        && *auto == b.auto
        && *sticky == b.sticky
        && *check == b.check
        && *breaker == b.breaker
        && *outliers == b.outliers
        && *slow_start == b.slow_start
        && *retry == b.retry
        && *hedge == b.hedge
        && *connect_timeout == b.connect_timeout
        && *first_byte_timeout == b.first_byte_timeout
        && *idle_timeout == b.idle_timeout
        && *tunnel_timeout == b.tunnel_timeout
        && *request_timeout == b.request_timeout
        && *keepalive == b.keepalive
        && *proxy_protocol == b.proxy_protocol
        && *tls == b.tls
        && *protocol == b.protocol
        && *division == b.division
        && *backends == b.backends
        && *discover == b.discover
        && *signals == b.signals
        && *origin == b.origin
}

//! From a configuration to the next snapshot: what did not change stays the very same objects.
//!
//! Everything that can fail (binding, opening the log) happens in [`prepare`], before anything changes.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya_core::pick::PickerSpec;
use aya_core::route::HostMatch;

use super::changes;
use crate::clock;
use crate::config::{self, Config};
use crate::log::{AccessLog, OpenedLog};
use crate::sockets::{self, BindError};
use crate::state::{Backend, Listener, ListenerCell, Pool, Route, Snapshot, is_same_pool};
use crate::tls::acme::{Challenges, Store};
use crate::tls::{ClientTls, FileError, ServerTls};

/// What a new configuration meets.
pub struct Before<'b> {
    /// The snapshot in force; absent at the start.
    pub snapshot: Option<&'b Snapshot>,
    /// Worker threads.
    pub workers: usize,
    /// The algorithm an operator ordered for a pool, while that order is in force.
    pub ordered: &'b dyn Fn(&str) -> Option<&'static PickerSpec>,
    /// What listeners that prove names by TLS-ALPN-01 answer from.
    pub challenges: &'b Arc<Challenges>,
    /// Revisions for new objects.
    pub next_rev: &'b dyn Fn() -> u64,
}

/// A snapshot that only has to be stored, and what goes with it.
pub struct Prepared {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// New sockets, each with its cell and worker.
    pub sockets: Vec<(Arc<ListenerCell>, usize, TcpListener)>,
    /// Listeners that are gone.
    pub removed: Vec<Arc<ListenerCell>>,
    /// Backends that are gone; they finish what they have.
    pub left: Vec<Arc<Backend>>,
    /// The access log, opened.
    pub log: OpenedLog,
    /// Settings that only a restart changes.
    pub warnings: Vec<String>,
    /// What changed, in words; empty when nothing did.
    pub summary: Vec<String>,
}

/// Why a valid configuration cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A listener cannot be bound.
    #[error("listener \"{name}\" ({origin}): {error}")]
    Bind {
        /// Its name.
        name: String,
        /// Where it is defined.
        origin: String,
        /// Why.
        error: BindError,
    },
    /// A certificate, key or list of authorities was good when the file was checked, and is not any more.
    #[error("tls of {of} ({origin}): {error}")]
    Tls {
        /// The listener or pool.
        of: String,
        /// Where it is defined.
        origin: String,
        /// Why.
        error: FileError,
    },
    /// The access log cannot be opened.
    #[error("{0}")]
    Log(String),
}

impl ApplyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Bind { error, .. } => error.hint(),
            Self::Tls { .. } => "put a good file there, and try again".into(),
            Self::Log(_) => "check the folder and its owner, or set access_log = \"off\"".into(),
        }
    }
}

/// Prepares the snapshot of `config`.
pub fn prepare(config: Config, before: &Before<'_>) -> Result<Prepared, ApplyError> {
    let log = AccessLog::open(&config.daemon.access_log).map_err(ApplyError::Log)?;
    let mut sockets = Vec::new();
    let mut summary = Vec::new();
    let listeners = listeners(&config, before, &mut sockets, &mut summary)?;
    let pools = pools(&config, before, &mut summary)?;
    let routes = routes(&config, before, &mut summary);
    let (removed, left) = gone(before, &listeners, &pools, &mut summary);
    let mut warnings = before.snapshot.map(|s| needs_restart(&s.daemon, &config.daemon)).unwrap_or_default();
    warnings.extend(config.warnings.iter().map(config::Problem::one_line));
    warnings.extend(pools.iter().filter_map(|pool| without_eligible(pool)));
    let peeks = peeks(&config);
    let snapshot = Snapshot {
        file: config.file,
        daemon: in_force(before, config.daemon),
        generation: before.snapshot.map_or(1, |s| s.generation + 1),
        loaded_ms: clock::wall_ms(),
        listeners,
        pools,
        routes,
        router: Arc::new(config.router),
        peeks,
    };
    Ok(Prepared { snapshot, sockets, removed, left, log, warnings, summary })
}

/// For each listener, whether a TLS client's hello decides its route.
fn peeks(config: &Config) -> Vec<bool> {
    let by_host = |name: &String| {
        let routes = config.routes.iter().filter(|route| route.matches.host != HostMatch::Any);
        routes.flat_map(|route| &route.listeners).any(|listener| listener == name)
    };
    config.listeners.iter().map(|l| l.protocol == config::Protocol::Tcp && by_host(&l.name)).collect()
}

fn listeners(
    config: &Config,
    before: &Before<'_>,
    sockets: &mut Vec<(Arc<ListenerCell>, usize, TcpListener)>,
    summary: &mut Vec<String>,
) -> Result<Vec<Arc<Listener>>, ApplyError> {
    let old: HashMap<&str, &Arc<Listener>> =
        before.snapshot.iter().flat_map(|s| &s.listeners).map(|l| (l.conf.name.as_str(), l)).collect();
    let mut all = Vec::new();
    // A listener that only got another name keeps its sockets, and who waits in their queues.
    let renamed = |conf: &config::Listener| {
        let is_free = |l: &&&Arc<Listener>| !config.listeners.iter().any(|c| c.name == l.conf.name);
        old.values().filter(is_free).find(|l| l.conf.bind == conf.bind).copied()
    };
    for (index, conf) in (0..).zip(&config.listeners) {
        let known = old.get(conf.name.as_str());
        if let Some(same) = known.filter(|l| l.conf == *conf && l.index == index) {
            all.push(Arc::clone(same));
            continue;
        }
        let moved = known.copied().filter(|l| l.conf.bind == conf.bind).or_else(|| renamed(conf));
        let cell = match moved {
            Some(moved) => Arc::clone(&moved.cell),
            None => bind(conf, before, sockets)?,
        };
        if known.is_none_or(|l| l.conf != *conf) {
            let details = known.map(|l| changes::of_listener(&l.conf, conf)).unwrap_or_default();
            summary.push(format!("listener {} {}{details}", conf.name, changed_or_added(known.is_some())));
        }
        let tls = server_tls(config, conf, known.map(|l| &***l), &cell, before)?;
        all.push(Arc::new(Listener { conf: conf.clone(), index, cell, tls, rev: (before.next_rev)() }));
    }
    Ok(all)
}

/// TLS whose settings did not change stays the same object: its tickets go on being good.
fn server_tls(
    config: &Config,
    conf: &config::Listener,
    known: Option<&Listener>,
    cell: &ListenerCell,
    before: &Before<'_>,
) -> Result<Option<Arc<ServerTls>>, ApplyError> {
    let Some(settings) = &conf.tls else { return Ok(None) };
    let same = known.and_then(|listener| listener.tls.as_ref()).filter(|tls| tls.settings() == settings);
    if let Some(same) = same {
        return Ok(Some(Arc::clone(same)));
    }
    let store = Store::at(before.snapshot.map_or(&config.daemon.state_dir, |s| &s.daemon.state_dir));
    let made = ServerTls::new(settings.clone(), &store, before.challenges, Arc::clone(&cell.handshakes));
    made.map(|tls| Some(Arc::new(tls))).map_err(|error| ApplyError::Tls {
        of: format!("listener \"{}\"", conf.name),
        origin: conf.origin.0.clone(),
        error,
    })
}

fn client_tls(conf: &config::Pool, old: Option<&Pool>) -> Result<Option<Arc<ClientTls>>, ApplyError> {
    let Some(settings) = &conf.tls else { return Ok(None) };
    let same = old.and_then(|pool| pool.tls.as_ref()).filter(|tls| tls.settings() == settings);
    if let Some(same) = same {
        return Ok(Some(Arc::clone(same)));
    }
    ClientTls::new(settings.clone()).map(|tls| Some(Arc::new(tls))).map_err(|error| ApplyError::Tls {
        of: format!("pool \"{}\"", conf.name),
        origin: conf.origin.0.clone(),
        error,
    })
}

fn bind(
    conf: &config::Listener,
    before: &Before<'_>,
    sockets: &mut Vec<(Arc<ListenerCell>, usize, TcpListener)>,
) -> Result<Arc<ListenerCell>, ApplyError> {
    let ours = |address| {
        let listeners = before.snapshot.iter().flat_map(|s| &s.listeners);
        listeners.flat_map(|l| &l.cell.bound).any(|bound| bound == address)
    };
    let mut bound = Vec::new();
    let mut made = Vec::new();
    for address in &conf.bind {
        let of_workers = sockets::bind(*address, before.workers, ours(address)).map_err(|error| {
            ApplyError::Bind { name: conf.name.clone(), origin: conf.origin.0.clone(), error }
        })?;
        bound.push(of_workers[0].local_addr().unwrap_or(*address));
        made.extend(of_workers.into_iter().enumerate());
    }
    let cell = Arc::new(ListenerCell::new(&conf.name, bound));
    sockets.extend(made.into_iter().map(|(worker, socket)| (Arc::clone(&cell), worker, socket)));
    Ok(cell)
}

fn pools(
    config: &Config,
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Result<Vec<Arc<Pool>>, ApplyError> {
    let build = |conf: &config::Pool| {
        let old = before.snapshot.and_then(|s| s.pool(&conf.name));
        let algorithm = (before.ordered)(&conf.name).unwrap_or(conf.algorithm);
        if let Some(same) = old.filter(|p| is_same_pool(&p.conf, conf) && p.algorithm.name == algorithm.name)
        {
            return Ok(Arc::clone(same));
        }
        let details = old.map(|p| changes::of_pool(&p.conf, conf)).unwrap_or_default();
        summary.push(format!("pool {} {}{details}", conf.name, changed_or_added(old.is_some())));
        let old = old.map(|p| &**p);
        let tls = client_tls(conf, old)?;
        Ok(Arc::new(Pool::build(conf.clone(), tls, algorithm, old, before.workers, before.next_rev)))
    };
    config.pools.iter().map(build).collect()
}

fn routes(config: &Config, before: &Before<'_>, summary: &mut Vec<String>) -> Vec<Arc<Route>> {
    let old: HashMap<&str, &Arc<Route>> =
        before.snapshot.iter().flat_map(|s| &s.routes).map(|r| (r.conf.name.as_str(), r)).collect();
    let pool_of = |route: &Route| before.snapshot.map(|s| s.pools[route.conf.pool].name.as_str());
    let build = |conf: &config::Route| {
        let known = old.get(conf.name.as_str());
        let is_same = known.is_some_and(|r| {
            r.conf.matches == conf.matches
                && r.conf.listeners == conf.listeners
                && pool_of(r) == Some(config.pools[conf.pool].name.as_str())
        });
        if !is_same {
            summary.push(format!("route {} {}", conf.name, changed_or_added(known.is_some())));
        }
        Arc::new(Route {
            conf: conf.clone(),
            requests: known.map_or_else(|| Arc::new(AtomicU64::new(0)), |r| Arc::clone(&r.requests)),
            rev: known.filter(|_| is_same).map_or_else(before.next_rev, |r| r.rev),
        })
    };
    let routes = config.routes.iter().map(build).collect();
    let gone = old.keys().filter(|name| !config.routes.iter().any(|r| r.name == **name));
    let mut gone: Vec<String> = gone.map(|name| format!("route {name} removed")).collect();
    gone.sort();
    summary.extend(gone);
    routes
}

type Gone = (Vec<Arc<ListenerCell>>, Vec<Arc<Backend>>);

fn gone(
    before: &Before<'_>,
    listeners: &[Arc<Listener>],
    pools: &[Arc<Pool>],
    summary: &mut Vec<String>,
) -> Gone {
    let Some(old) = before.snapshot else { return Gone::default() };
    let kept = |cell: &Arc<ListenerCell>| listeners.iter().any(|l| Arc::ptr_eq(&l.cell, cell));
    let removed: Vec<_> = old.listeners.iter().map(|l| &l.cell).filter(|c| !kept(c)).cloned().collect();
    for cell in &removed {
        if !listeners.iter().any(|l| l.conf.name == cell.name) {
            summary.push(format!("listener {} removed", cell.name));
        }
    }
    let stays =
        |backend: &Arc<Backend>| pools.iter().flat_map(|p| &p.backends).any(|b| Arc::ptr_eq(b, backend));
    let left = old.backends().filter(|b| !stays(b)).cloned().collect();
    for pool in &old.pools {
        if !pools.iter().any(|p| p.name == pool.name) {
            summary.push(format!("pool {} removed", pool.name));
        }
    }
    (removed, left)
}

fn changed_or_added(known: bool) -> &'static str {
    if known { "changed" } else { "added" }
}

/// Settings that only a start reads stay those of the start.
fn in_force(before: &Before<'_>, wanted: config::Daemon) -> config::Daemon {
    let Some(running) = before.snapshot.map(|s| &s.daemon) else { return wanted };
    config::Daemon {
        control: running.control.clone(),
        state_dir: running.state_dir.clone(),
        workers: running.workers,
        admin_listen: running.admin_listen,
        ..wanted
    }
}

fn without_eligible(pool: &Pool) -> Option<String> {
    let now = clock::now();
    let none = !pool.loads.iter().any(|load| load.eligible(now));
    none.then(|| format!("no backend of pool {} is eligible: its requests get 503 no-backend", pool.name))
}

fn needs_restart(old: &config::Daemon, new: &config::Daemon) -> Vec<String> {
    let keys = [
        ("control", old.control != new.control),
        ("state_dir", old.state_dir != new.state_dir),
        ("workers", old.workers != new.workers),
        ("admin_listen", old.admin_listen != new.admin_listen),
    ];
    keys.into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| format!("daemon.{key} takes effect with the next start of ayad"))
        .collect()
}

/// Brings the cells of backends that go on in line with their new configuration.
pub fn refresh_backends(
    snapshot: &Snapshot,
    has_weight_order: &dyn Fn(&str) -> bool,
    next_rev: &dyn Fn() -> u64,
) {
    for pool in &snapshot.pools {
        for (backend, conf) in pool.backends.iter().zip(&pool.conf.backends) {
            backend.load.breaker().configure(pool.conf.breaker.as_ref());
            let mut past = backend.past();
            if past.configured_weight != conf.weight || past.zone != conf.zone || past.tags != conf.tags {
                backend.rev.store(next_rev(), Ordering::Relaxed);
            }
            past.configured_weight = conf.weight;
            past.zone.clone_from(&conf.zone);
            past.tags.clone_from(&conf.tags);
            past.origin.clone_from(&conf.origin.0);
            if !has_weight_order(&backend.id) {
                backend.load.set_weight(conf.weight);
            }
        }
    }
}

//! From a configuration to the next snapshot: what did not change stays the very same objects.
//!
//! Everything that can fail (binding, opening the log) happens in [`prepare`], before anything changes. Its cost
//! grows with the size of the configuration and not with its square: everything is found by name in a table.

mod addresses;
mod routes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya_core::pick::Choice;
use aya_core::route::HostMatch;

pub use addresses::OpenAddress;

use super::changes;
use super::discovery::Sets;
use crate::clock;
use crate::config::{self, Config};
use crate::geo::Geo;
use crate::log::{AccessLog, OpenedLog};
use crate::sockets::BindError;
use crate::state::{Backend, Binding, Ending, ListenerCell, Pool, Snapshot, State, is_same_pool};
use crate::tls::acme::Challenges;
use crate::tls::{ClientTls, FileError};

/// What a new configuration meets.
pub struct Before<'b> {
    /// The snapshot in force; absent at the start.
    pub snapshot: Option<&'b Snapshot>,
    /// Addresses that are open: those of the snapshot, or of the process that this one takes over from.
    pub open: Vec<OpenAddress>,
    /// Addresses that have ended; those at which the last connections are still accepted have their sockets.
    pub ending: &'b [Arc<Binding>],
    /// Worker threads.
    pub workers: usize,
    /// The algorithm an operator ordered for a pool, while that order is in force.
    pub ordered: &'b dyn Fn(&str) -> Option<Choice>,
    /// What listeners that prove names by TLS-ALPN-01 answer from.
    pub challenges: &'b Arc<Challenges>,
    /// Revisions for new objects.
    pub next_rev: &'b dyn Fn() -> u64,
}

impl Before<'_> {
    /// The open addresses of a snapshot.
    pub fn open_in(snapshot: &Snapshot) -> Vec<OpenAddress> {
        let name = |binding: &Arc<Binding>| {
            let listener = binding.listener().map_or_else(String::new, |l| l.conf.name.clone());
            OpenAddress { listener, binding: Arc::clone(binding) }
        };
        snapshot.bindings.iter().map(name).collect()
    }
}

/// A snapshot that only has to be stored, and what goes with it.
pub struct Prepared {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The listener of each address, as an index, in the order of the snapshot's addresses.
    pub served: Vec<usize>,
    /// Addresses at which nobody accepts yet.
    pub opened: Vec<Arc<Binding>>,
    /// Addresses that no listener has any more.
    pub closed: Vec<Arc<Binding>>,
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
    /// What was discovered for its pools.
    pub(super) discovered: Sets,
}

impl Prepared {
    /// Has every address serve its listener. To be called when the snapshot is in force.
    pub fn serve(snapshot: &Snapshot, served: &[usize]) {
        for (binding, listener) in snapshot.bindings.iter().zip(served) {
            binding.serve(&snapshot.listeners[*listener]);
        }
    }

    /// Ends what is gone. To be called when addresses serve the new listeners.
    pub fn end(state: &State, closed: &[Arc<Binding>], removed: &[Arc<ListenerCell>], left: &[Arc<Backend>]) {
        for binding in closed {
            binding.end(Ending::Refuse);
        }
        for cell in removed {
            state.crew.end_clients(Some(cell));
        }
        // They have what they were given; nothing new comes, so idle connections are of no use.
        for backend in left {
            backend.close_idle();
        }
    }
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
    /// The database of countries cannot be used.
    #[error("{0}")]
    Geo(FileError),
    /// The access log cannot be opened.
    #[error("{0}")]
    Log(String),
}

impl ApplyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Bind { error, .. } => error.hint(),
            Self::Geo(_) | Self::Tls { .. } => "put a good file there, and try again".into(),
            Self::Log(_) => "check the folder and its owner, or set access_log = \"off\"".into(),
        }
    }
}

/// Prepares the snapshot of `config`.
pub fn prepare(mut config: Config, before: &Before<'_>) -> Result<Prepared, ApplyError> {
    let log = AccessLog::open(&config.daemon.access_log).map_err(ApplyError::Log)?;
    let geo = geo(&config.daemon, before)?;
    let mut summary = Vec::new();
    let addresses::Addresses { listeners, bindings } = addresses::listeners(&config, before, &mut summary)?;
    let pools = pools(&config, before, &mut summary)?;
    let peeks = peeks(&config);
    let router = std::mem::take(&mut config.router);
    let routes::Routes { all: routes, targets, router } =
        routes::routes(&config, router, &listeners, before, &mut summary);
    let removed = addresses::removed(before, &listeners, &mut summary);
    let left = left(before, &pools, &mut summary);
    summary.extend(before.snapshot.into_iter().flat_map(|old| limits(&old.chaos, &config.chaos)));
    let logs = before.snapshot.is_some_and(|old| old.daemon.access_log != config.daemon.access_log);
    summary.extend(logs.then(|| "access log changed".to_owned()));
    let mut warnings = before.snapshot.map(|s| needs_restart(&s.daemon, &config.daemon)).unwrap_or_default();
    warnings.extend(config.warnings.iter().map(config::Problem::one_line));
    // At the start nobody could have asked the sources yet.
    let is_known = |pool: &&Arc<Pool>| before.snapshot.is_some() || pool.conf.discover.is_empty();
    warnings.extend(pools.iter().filter(is_known).filter_map(|pool| without_eligible(pool)));
    let (bindings, served): (Vec<_>, _) = bindings.into_iter().unzip();
    let old = before.snapshot.map_or(&[][..], |s| &s.bindings);
    let (opened, closed) = (without(&bindings, old), without(old, &bindings));
    let snapshot = Snapshot {
        file: config.file,
        daemon: in_force(before, config.daemon),
        chaos: config.chaos,
        generation: before.snapshot.map_or(1, |s| s.generation + 1),
        loaded_ms: clock::wall_ms(),
        listeners,
        bindings,
        pools,
        routes,
        targets,
        geo,
        router,
        peeks,
    };
    Ok(Prepared {
        snapshot,
        served,
        opened,
        closed,
        removed,
        left,
        log,
        warnings,
        summary,
        discovered: Sets::new(),
    })
}

/// What is said of limits that changed.
fn limits(old: &config::Chaos, new: &config::Chaos) -> Vec<String> {
    let faults = config::Chaos { load: new.load.clone(), ..old.clone() } != *new;
    let changed =
        [(faults, "limits of faults changed"), (old.load != new.load, "limits of load tests changed")];
    changed.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, what)| what.to_owned()).collect()
}

/// The address of an object, by which it is told apart from every other one.
fn ptr_of<T>(object: &Arc<T>) -> *const T {
    Arc::as_ptr(object)
}

/// Those of `all` that are not among `others`.
fn without<T>(all: &[Arc<T>], others: &[Arc<T>]) -> Vec<Arc<T>> {
    let others: HashSet<_> = others.iter().map(ptr_of).collect();
    all.iter().filter(|one| !others.contains(&ptr_of(one))).cloned().collect()
}

/// The database of countries; the one in force when it is of the same file.
fn geo(wanted: &config::Daemon, before: &Before<'_>) -> Result<Option<Arc<Geo>>, ApplyError> {
    let Some(path) = &wanted.geo else { return Ok(None) };
    let same = before.snapshot.and_then(|s| s.geo.as_ref()).filter(|geo| geo.path() == path);
    if let Some(same) = same {
        return Ok(Some(Arc::clone(same)));
    }
    Geo::open(path).map(|geo| Some(Arc::new(geo))).map_err(ApplyError::Geo)
}

/// For each listener, whether a TLS client's hello decides its route.
fn peeks(config: &Config) -> Vec<bool> {
    let by_host = config.routes.iter().filter(|route| route.matches.host != HostMatch::Any);
    let named: HashSet<&str> = by_host.flat_map(|route| &route.listeners).map(String::as_str).collect();
    let peeks = |l: &config::Listener| l.protocol == config::Protocol::Tcp && named.contains(l.name.as_str());
    config.listeners.iter().map(peeks).collect()
}

/// TLS for the traffic of a pool, and for its checks.
fn client_tls(conf: &config::Pool, old: Option<&Pool>) -> Result<[Option<Arc<ClientTls>>; 2], ApplyError> {
    let make = |settings: &config::PoolTls, old: Option<&Arc<ClientTls>>| {
        if let Some(same) = old.filter(|tls| tls.settings() == settings) {
            return Ok(Arc::clone(same));
        }
        ClientTls::new(settings.clone()).map(Arc::new).map_err(|error| ApplyError::Tls {
            of: format!("pool \"{}\"", conf.name),
            origin: conf.origin.0.clone(),
            error,
        })
    };
    let of_traffic = old.and_then(|pool| pool.tls.as_ref());
    let of_checks = old.and_then(|pool| pool.check_tls.as_ref());
    let tls = conf.tls.as_ref().map(|settings| make(settings, of_traffic)).transpose()?;
    let own = conf.check.as_ref().and_then(|check| check.tls.as_ref());
    let own = own.map(|settings| make(settings, of_checks)).transpose()?;
    let check_tls = own.or_else(|| tls.clone());
    Ok([tls, check_tls])
}

fn pools(
    config: &Config,
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Result<Vec<Arc<Pool>>, ApplyError> {
    let old: HashMap<&str, &Arc<Pool>> =
        before.snapshot.iter().flat_map(|s| &s.pools).map(|p| (p.name.as_str(), p)).collect();
    let build = |conf: &config::Pool| {
        let old = old.get(conf.name.as_str()).copied();
        // What was chosen goes on while the choice is made in the same way.
        let chosen = old.filter(|p| p.conf.auto.is_some() && p.conf.auto == conf.auto);
        let chosen = chosen.and_then(|p| p.auto.as_ref()?.rules.position(&p.algorithm).map(|_| p.algorithm));
        let ordered = (before.ordered)(&conf.name);
        let algorithm = ordered.or(chosen).unwrap_or(conf.algorithm);
        if let Some(same) = old.filter(|p| is_same_pool(&p.conf, conf) && p.algorithm == algorithm) {
            return Ok(Arc::clone(same));
        }
        let details = old.map(|p| changes::of_pool(&p.conf, conf)).unwrap_or_default();
        summary.push(format!("pool {} {}{details}", conf.name, changed_or_added(old.is_some())));
        let old = old.map(|p| &**p);
        let tls = client_tls(conf, old)?;
        let (workers, next_rev) = (before.workers, before.next_rev);
        let pool = Pool::build(conf.clone(), tls, algorithm, old, &|_| None, workers, next_rev);
        // What somebody has ordered is for all requests, whatever the rules say now.
        if let Some(auto) = pool.auto.as_ref().filter(|_| ordered.is_some()) {
            auto.set_open(0);
        }
        Ok(Arc::new(pool))
    };
    config.pools.iter().map(build).collect()
}

/// Backends that are gone.
fn left(before: &Before<'_>, pools: &[Arc<Pool>], summary: &mut Vec<String>) -> Vec<Arc<Backend>> {
    let Some(old) = before.snapshot else { return Vec::new() };
    let names: HashSet<&str> = pools.iter().map(|p| p.name.as_str()).collect();
    let gone = old.pools.iter().filter(|p| !names.contains(p.name.as_str()));
    summary.extend(gone.map(|p| format!("pool {} removed", p.name)));
    let stay: HashSet<_> = pools.iter().flat_map(|p| &p.backends).map(ptr_of).collect();
    old.backends().filter(|b| !stay.contains(&ptr_of(b))).cloned().collect()
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
        refresh_pool(pool, has_weight_order, next_rev);
    }
}

/// The same for one pool.
pub fn refresh_pool(pool: &Pool, has_weight_order: &dyn Fn(&str) -> bool, next_rev: &dyn Fn() -> u64) {
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

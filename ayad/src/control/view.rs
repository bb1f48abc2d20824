//! From what the daemon knows to the shapes of the API: the only place where views are made.

mod division;
pub(super) mod guard;
mod listener;
mod narrow;
mod signal;
mod tls;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin, Health};
use aya_api::run::RunView;
use aya_api::view::{
    AdminView, AlgorithmView, BackendDetail, BackendView, CheckView, Count, DaemonView, GeoView, HealthView,
    PoolView, RouteView, SPARK_POINTS, Status, Traffic, Transition,
};
use aya_core::axis as core;
use aya_core::health::Cause;
use aya_core::pick::expected_shares;
use aya_core::reason::Reason;

use super::Control;
use super::discovery::Set;
use super::sampler::Window;
use crate::clock;
use crate::config::describe;
use crate::config::raw::auto::AUTO;
use crate::state::{Backend, Past, Pool, Snapshot, Totals};

impl Control {
    /// Everything an operator sees first.
    pub fn status(&self) -> Status {
        let snapshot = self.state.snapshot.load_full();
        Status {
            schema_version: SCHEMA_VERSION,
            at_ms: clock::wall_ms(),
            seq: self.state.events.newest(),
            daemon: self.daemon_view(),
            listeners: self.listener_views(&snapshot),
            pools: self.pool_views(&snapshot),
            chaos: self.chaos_view(),
            runs: self.run_views(),
        }
    }

    /// Runs that were told of.
    pub fn run_views(&self) -> Vec<RunView> {
        self.runs.views()
    }

    /// The process.
    pub fn daemon_view(&self) -> DaemonView {
        let snapshot = self.state.snapshot.load();
        let mut responses = [0; 5];
        for worker in &self.state.counters {
            for (sum, count) in responses.iter_mut().zip(worker.responses()) {
                *sum += count;
            }
        }
        let count = |reason: &Reason| self.state.counters.iter().map(|w| w.reason(*reason)).sum::<u64>();
        let reasons = Reason::ALL.iter().map(|r| Count { name: r.as_str().to_owned(), count: count(r) });
        DaemonView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_ms: self.started_ms,
            serving_since_ms: self.serving_since_ms,
            upgraded: self.upgraded.clone(),
            config: self.config_file().map(|path| path.display().to_string()),
            generation: snapshot.generation,
            loaded_ms: snapshot.loaded_ms,
            last_reload_error: self.last_reload_error.clone(),
            last_upgrade_error: self.last_upgrade_error.clone(),
            workers: self.state.crew.len() as u32,
            state: if self.state.is_stopping() { "stopping" } else { "running" }.to_owned(),
            responses,
            reasons: reasons.filter(|c| c.count > 0).collect(),
            resident_bytes: resident_bytes(),
            geo: snapshot
                .geo
                .as_ref()
                .map(|geo| GeoView { path: geo.path().display().to_string(), trouble: geo.trouble() }),
        }
    }

    /// All pools.
    pub fn pool_views(&self, snapshot: &Snapshot) -> Vec<PoolView> {
        snapshot.pools.iter().map(|p| self.pool_view(p)).collect()
    }

    /// One pool with its backends.
    pub fn pool_view(&self, pool: &Pool) -> PoolView {
        let now = clock::now();
        let shares = expected_shares(pool.algorithm.spec, &pool.loads, now);
        let windows: Vec<Window> = pool.backends.iter().map(|b| self.sampler.window(b)).collect();
        let mut sum = Window::default();
        for window in &windows {
            sum.merge(window);
        }
        let each = pool.backends.iter().zip(shares).zip(&windows);
        let backends: Vec<BackendView> = each
            .map(|((b, share), window)| self.backend_view((pool, b), share, window, sum.requests))
            .collect();
        let mut spark = vec![0; SPARK_POINTS];
        for backend in &backends {
            for (point, own) in spark.iter_mut().zip(&backend.spark) {
                *point += own;
            }
        }
        let totals = pool.backends.iter().map(|b| b.totals()).fold(Totals::default(), std::ops::Add::add);
        let traffic = Traffic {
            in_flight: backends.iter().map(|b| b.traffic.in_flight).sum(),
            requests: totals.requests.saturating_sub(totals.moved),
            failures: totals.failures.saturating_sub(totals.moved),
            ..traffic(&sum.into_pool())
        };
        let division = division::view(pool);
        PoolView {
            in_panic: division.iter().flat_map(|division| &division.parts).any(|part| part.in_panic),
            name: pool.name.clone(),
            rev: pool.rev,
            algorithm: self.algorithm_view(pool),
            traffic,
            spark,
            check: describe::check_words(pool.conf.check.as_ref()),
            breaker: pool.conf.breaker.as_ref().map(guard::settings),
            outliers: Some(guard::outliers(&pool.conf).to_owned()),
            slow_start_ms: pool.conf.slow_start.map(|rules| rules.window.as_millis() as u64),
            retry: upstream::retry(&pool.conf.retry),
            hedge: upstream::hedge(pool),
            upstream: upstream::view(pool),
            division,
            eligible: backends.iter().filter(|b| b.eligible).count() as u32,
            backends,
            discovery: self.set_of(&pool.name).map(Set::views).unwrap_or_default(),
        }
    }

    fn algorithm_view(&self, pool: &Pool) -> AlgorithmView {
        let is_held = self.is_auto_held(pool);
        let overridden = if pool.auto.is_some() { is_held } else { pool.algorithm != pool.conf.algorithm };
        let configured = || pool.conf.algorithm.to_string();
        let order = self.algorithm_orders.get(&pool.name).filter(|_| overridden).copied().unwrap_or_default();
        AlgorithmView {
            name: pool.algorithm.to_string(),
            configured: pool.auto.as_ref().map_or_else(configured, |_| AUTO.to_owned()),
            overridden,
            restored: order.restored,
            until_ms: order.until_ms,
            sticky: pool.conf.sticky.as_ref().map(describe::sticky_words),
            auto: self.autos.view(pool, is_held),
        }
    }

    fn backend_view(
        &self,
        (pool, backend): (&Pool, &Arc<Backend>),
        share: Option<f64>,
        window: &Window,
        all: u64,
    ) -> BackendView {
        let past = backend.past();
        let load = &backend.load;
        // In this order: when it is down and nothing is in flight, all that it was asked is in the totals.
        let health = health_view(backend, &past);
        let in_flight = u64::from(load.in_flight());
        let Totals { requests, failures, .. } = backend.totals();
        let idle = backend.idle() as u64;
        let weight = load.weight();
        let overridden = weight != past.configured_weight;
        BackendView {
            id: backend.id.clone(),
            pool: backend.pool.clone(),
            name: backend.name.clone(),
            address: backend.address.clone(),
            rev: backend.rev.load(Ordering::Relaxed),
            admin: AdminView {
                state: admin(load.admin()),
                since_ms: past.admin.since_ms,
                by: past.admin.by.clone(),
                reason: past.admin.reason.clone(),
                until_ms: past.admin.until_ms,
                restored: past.admin.restored,
                sticky: past.admin.sticky,
            },
            health,
            breaker: guard::breaker(backend, &past),
            standing: guard::standing(backend, &pool.conf),
            ease: guard::ease(backend),
            eligible: load.eligible(clock::now()),
            weight,
            configured_weight: past.configured_weight,
            weight_until_ms: past.weight_until_ms.filter(|_| overridden),
            weight_restored: past.weight_restored && overridden,
            share_expected: share,
            share_actual: (all > 0).then(|| window.requests as f64 / all as f64),
            traffic: Traffic { in_flight, requests, failures, ..traffic(window) },
            spark: self.sampler.spark(backend),
            connections: in_flight + idle,
            idle_connections: idle,
            connect_ms: backend.connect_time().map(|took| took.as_secs_f64() * 1e3),
            signal_factor: load.signal_factor(),
            signals: signal::signals(backend, &pool.conf.signals),
            signal_sources: signal::sources(backend, &pool.conf.signals),
            agent: signal::agent(backend),
            zone: past.zone.clone(),
            tags: past.tags.clone(),
        }
    }

    /// One backend with its past.
    pub fn backend_detail(&self, backend: &Arc<Backend>, pool: &PoolView) -> Option<BackendDetail> {
        let view = pool.backends.iter().find(|b| b.id == backend.id)?.clone();
        let past = backend.past();
        let history = past.history.iter().rev().map(|e| Transition {
            at_ms: e.at_ms,
            axis: e.axis.to_owned(),
            from: e.from.clone(),
            to: e.to.clone(),
            cause: e.cause.clone(),
            by: e.by.clone(),
        });
        let checks = past.checks.iter().rev().map(|c| CheckView {
            at_ms: c.at_ms,
            passed: c.verdict.is_ok(),
            cause: c.verdict.as_ref().err().map_or_else(|| "passed".to_owned(), ToString::to_string),
            took_us: c.took_us,
        });
        Some(BackendDetail {
            schema_version: SCHEMA_VERSION,
            at_ms: clock::wall_ms(),
            backend: view,
            history: history.collect(),
            checks: checks.collect(),
            histogram: self.sampler.histogram(backend),
            defined: Some(past.origin.clone()).filter(|o| !o.is_empty()),
        })
    }
}

/// All routes, in the order in which they are tried.
pub(super) fn routes(snapshot: &Snapshot) -> Vec<RouteView> {
    let order = snapshot.router.order();
    let ranked = (1..).zip(order).map(|(rank, index)| {
        let route = &snapshot.routes[index];
        let all = || snapshot.listeners.iter().map(|listener| listener.conf.name.clone()).collect();
        RouteView {
            name: route.name.clone(),
            rev: route.rev,
            listeners: route.listeners.clone().unwrap_or_else(all),
            host: route.host.clone(),
            path: route.path.clone(),
            methods: route.methods.clone(),
            headers: route.headers.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            conditions: crate::config::describe::context_words(&route.context),
            pool: route.pool.clone(),
            zones: route.zones.iter().flat_map(|zones| zones.iter().cloned()).collect(),
            rank,
            requests: route.requests.load(Ordering::Relaxed),
        }
    });
    ranked.collect()
}

/// A worker takes a backend out at the moment it is refused; its past learns that a moment later. In between
/// the state is the newer one, and there is only one cause it can have.
fn health_view(backend: &Backend, past: &Past) -> HealthView {
    let state = backend.load.health();
    let is_ahead = state == core::Health::Down && past.health.state() != state;
    HealthView {
        state: health(state),
        since_ms: if is_ahead { clock::wall_ms() } else { past.health_since_ms },
        cause: if is_ahead { &Cause::Refused } else { past.health.cause() }.to_string(),
        checked_ms: past.checks.back().map(|c| c.at_ms),
    }
}

fn traffic(window: &Window) -> Traffic {
    Traffic {
        rate: window.rate(),
        error_share: window.error_share(),
        latency: window.latency(),
        in_flight: 0,
        requests: 0,
        failures: 0,
    }
}

pub(super) fn admin(state: core::Admin) -> Admin {
    match state {
        core::Admin::Ready => Admin::Ready,
        core::Admin::Draining => Admin::Draining,
        core::Admin::Drained => Admin::Drained,
        core::Admin::Maint => Admin::Maint,
    }
}

pub(super) fn health(state: core::Health) -> Health {
    match state {
        core::Health::Up => Health::Up,
        core::Health::Down => Health::Down,
        core::Health::Warming => Health::Warming,
        core::Health::Unknown => Health::Unknown,
    }
}

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

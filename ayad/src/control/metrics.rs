//! `GET /metrics`.

use std::sync::atomic::Ordering;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::fault::KINDS;
use aya_api::view::{AutoView, BackendView, Freshness, PoolView};
use aya_core::histogram::bounds;
use aya_core::reason::Reason;

use super::Control;
use super::server::Reply;
use crate::metrics::{Labels, Picture, Value, distribution, names};
use crate::state::{Backend, Hedging, Pool};
use crate::tls::{InForce, ServerTls, Source};

/// Content type of the format.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers with everything for Prometheus.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    let mut picture = Picture::default();
    process(control, &mut picture);
    requests(control, &mut picture);
    listeners(control, &mut picture);
    backends(control, &mut picture);
    faults(control, &mut picture);
    picture.text().map(|text| Reply::Text(TEXT, text)).map_err(|_| {
        ApiError::new(ErrorCode::Internal, "the metrics could not be written", "report this defect")
    })
}

fn process(control: &Control, picture: &mut Picture) {
    let daemon = control.daemon_view();
    let level = |value: f64| Value::Level(value);
    picture.add(names::BUILD, vec![("version", daemon.version)], level(1.0));
    picture.add(names::START_TIME, vec![], level(daemon.started_ms as f64 / 1e3));
    picture.add(names::GENERATION, vec![], level(daemon.generation as f64));
    let failed = f64::from(u8::from(daemon.last_reload_error.is_some()));
    picture.add(names::RELOAD_FAILED, vec![], level(failed));
    if let Some(bytes) = daemon.resident_bytes {
        picture.add(names::RESIDENT, vec![], level(bytes as f64));
    }
    picture.add(names::LOG_DROPPED, vec![], Value::Count(control.state.access_log.dropped()));
    let panics = control.state.panics.load(Ordering::Relaxed);
    picture.add(names::PANICS, vec![], Value::Count(panics));
    picture.add(names::EVENTS, vec![], Value::Count(control.state.events.newest()));
    for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(daemon.responses) {
        picture.add(names::RESPONSES, vec![("class", class.to_owned())], Value::Count(count));
    }
}

fn requests(control: &Control, picture: &mut Picture) {
    let counters = &control.state.counters;
    for reason in Reason::ALL {
        let count = counters.iter().map(|w| w.reason(*reason)).sum();
        picture.add(names::REASONS, vec![("reason", reason.as_str().to_owned())], Value::Count(count));
    }
    let (received, sent) = counters.iter().map(|w| w.bytes()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    for (direction, bytes) in [("received", received), ("sent", sent)] {
        picture.add(names::BODY_BYTES, vec![("direction", direction.to_owned())], Value::Count(bytes));
    }
    for route in &control.state.snapshot.load().routes {
        let count = route.requests.load(Ordering::Relaxed);
        picture.add(names::ROUTE_REQUESTS, vec![("route", route.name.clone())], Value::Count(count));
    }
}

fn faults(control: &Control, picture: &mut Picture) {
    let locked = f64::from(u8::from(control.chaos.lock.is_some()));
    picture.add(names::FAULTS_LOCKED, vec![], Value::Level(locked));
    for kind in KINDS {
        let labels: Labels = vec![("kind", kind.name.to_owned())];
        let sums = control.chaos.sums(kind.name);
        picture.add(names::FAULTS, labels.clone(), Value::Level(sums.active as f64));
        picture.add(names::FAULT_MATCHES, labels.clone(), Value::Count(sums.matched));
        picture.add(names::FAULT_HITS, labels.clone(), Value::Count(sums.hit));
        picture.add(names::FAULT_SKIPS, labels.clone(), Value::Count(sums.skipped));
        picture.add(names::FAULT_HELD, labels, Value::Level(sums.held as f64));
    }
}

fn listeners(control: &Control, picture: &mut Picture) {
    for (worker, open) in control.state.crew.open().enumerate() {
        let labels = vec![("worker", worker.to_string())];
        picture.add(names::WORKER_CONNECTIONS, labels, Value::Level(open as f64));
    }
    for listener in &control.state.snapshot.load().listeners {
        let labels: Labels = vec![("listener", listener.conf.name.clone())];
        let cell = &listener.cell;
        let open = cell.connections.load(Ordering::Relaxed);
        picture.add(names::CONNECTIONS, labels.clone(), Value::Level(open as f64));
        let accepted = Value::Count(cell.accepted.load(Ordering::Relaxed));
        picture.add(names::ACCEPTED, labels.clone(), accepted);
        picture.add(names::TURNED_AWAY, labels.clone(), Value::Count(cell.refused.load(Ordering::Relaxed)));
        if let Some(tls) = &listener.tls {
            certificates(tls, &labels, picture);
        }
    }
}

fn certificates(tls: &ServerTls, labels: &Labels, picture: &mut Picture) {
    let handshakes = tls.handshakes();
    let results =
        [("full", &handshakes.full), ("resumed", &handshakes.resumed), ("failed", &handshakes.failed)];
    for (result, count) in results {
        let labels = [labels.as_slice(), &[("result", result.to_owned())]].concat();
        picture.add(names::HANDSHAKES, labels, Value::Count(count.load(Ordering::Relaxed)));
    }
    // A placeholder ends in the far future and serves nobody: no figure is better than that one.
    let is_real = |one: &InForce| !matches!(one.source, Source::Placeholder(_));
    for one in tls.certificates().into_iter().filter(is_real) {
        let names = ("names", one.info.names.join(","));
        let labels = [labels.as_slice(), &[names, ("fingerprint", one.info.fingerprint)]].concat();
        picture.add(names::CERTIFICATE_END, labels, Value::Level(one.info.life.not_after as f64));
    }
    if tls.settings().acme.is_some() {
        let failures = f64::from(tls.acme_state().failures);
        picture.add(names::ACME_FAILURES, labels.clone(), Value::Level(failures));
    }
}

fn backends(control: &Control, picture: &mut Picture) {
    let snapshot = control.state.snapshot.load_full();
    for (pool, view) in snapshot.pools.iter().zip(control.pool_views(&snapshot)) {
        if let Some(shown) = pool.tls.as_ref().and_then(|tls| tls.certificate()) {
            let names = ("names", shown.names.join(","));
            let labels = vec![("pool", pool.name.clone()), names, ("fingerprint", shown.fingerprint)];
            picture.add(names::CERTIFICATE_END, labels, Value::Level(shown.life.not_after as f64));
        }
        hedges(pool, picture);
        discovery(&view, picture);
        if let Some(auto) = &view.algorithm.auto {
            choice(&pool.name, auto, picture);
        }
        for (backend, view) in pool.backends.iter().zip(view.backends) {
            let labels: Labels = vec![("pool", view.pool.clone()), ("backend", view.name.clone())];
            let mut level = |metric, value: f64| picture.add(metric, labels.clone(), Value::Level(value));
            level(names::BACKEND_IN_FLIGHT, view.traffic.in_flight as f64);
            level(names::BACKEND_IDLE, view.idle_connections as f64);
            level(names::BACKEND_WEIGHT, f64::from(view.weight));
            level(names::BACKEND_ELIGIBLE, f64::from(u8::from(view.eligible)));
            let mut count = |metric, value| picture.add(metric, labels.clone(), Value::Count(value));
            count(names::BACKEND_REQUESTS, view.traffic.requests);
            count(names::BACKEND_FAILURES, view.traffic.failures);
            axes(&view, &labels, picture);
            reported(backend, &view, &labels, picture);
            if let Some((all, sum_us)) = control.sampler.since_start(backend) {
                let latencies = all.iter().map(|(index, count)| {
                    let (from, to) = bounds(index);
                    (from, to, count)
                });
                picture.add(names::BACKEND_LATENCY, labels, distribution(latencies, sum_us));
            }
        }
    }
}

/// Where backends come from.
fn discovery(pool: &PoolView, picture: &mut Picture) {
    for source in &pool.discovery {
        let labels: Labels = vec![("pool", pool.name.clone()), ("source", source.source.clone())];
        picture.add(names::DISCOVERED, labels.clone(), Value::Level(f64::from(source.backends)));
        let stale = f64::from(u8::from(source.state == Freshness::Stale));
        picture.add(names::DISCOVERY_STALE, labels.clone(), Value::Level(stale));
        if let Some(changed) = source.changed_ms {
            picture.add(names::DISCOVERY_CHANGED, labels.clone(), Value::Level(changed as f64 / 1e3));
        }
        picture.add(names::DISCOVERY_LOOKS, labels.clone(), Value::Count(source.looks));
        picture.add(names::DISCOVERY_FAILURES, labels, Value::Count(source.failures));
    }
}

/// What is said about a backend from outside its traffic, as far as anything was.
fn reported(backend: &Backend, view: &BackendView, labels: &Labels, picture: &mut Picture) {
    let with = |name, value: &str| [labels.as_slice(), &[(name, value.to_owned())]].concat();
    if let Some(ms) = view.connect_ms {
        picture.add(names::BACKEND_CONNECT, labels.clone(), Value::Level(ms / 1e3));
    }
    for signal in view.signals.iter().filter(|signal| !signal.stale) {
        let labels = with("signal", &signal.signal);
        picture.add(names::BACKEND_SIGNAL, labels, Value::Level(signal.value));
    }
    let (taken, unbelieved, failed) = backend.reported.counts();
    if taken + unbelieved + failed > 0 {
        picture.add(names::BACKEND_SIGNAL_FACTOR, labels.clone(), Value::Level(view.signal_factor));
        for (result, count) in [("taken", taken), ("not-believed", unbelieved), ("failed", failed)] {
            picture.add(names::BACKEND_SIGNAL_VALUES, with("result", result), Value::Count(count));
        }
    }
    for source in &view.signal_sources {
        let failing = f64::from(u8::from(!source.ok));
        picture.add(names::BACKEND_SIGNAL_FAILING, with("source", &source.source), Value::Level(failing));
    }
}

/// Only of pools that hedge: the others would have three lines each to say so.
fn hedges(pool: &Pool, picture: &mut Picture) {
    if pool.conf.hedge.is_none() {
        return;
    }
    let labels: Labels = vec![("pool", pool.name.clone())];
    let Hedging { delay, sent, won } = &*pool.hedging;
    if let Some(delay) = delay.get() {
        picture.add(names::POOL_HEDGE_DELAY, labels.clone(), Value::Level(delay.as_secs_f64()));
    }
    picture.add(names::POOL_HEDGES, labels.clone(), Value::Count(sent.load(Ordering::Relaxed)));
    picture.add(names::POOL_HEDGES_WON, labels, Value::Count(won.load(Ordering::Relaxed)));
}

/// Of pools that choose their algorithm.
fn choice(pool: &str, auto: &AutoView, picture: &mut Picture) {
    let labels: Labels = vec![("pool", pool.to_owned())];
    for arm in &auto.arms {
        let labels = [labels.as_slice(), &[("arm", arm.name.clone())]].concat();
        let steers = f64::from(u8::from(arm.name == auto.arm && !auto.is_held));
        picture.add(names::POOL_AUTO_ARM, labels.clone(), Value::Level(steers));
        if let Some(e_value) = arm.e_value {
            picture.add(names::POOL_AUTO_EVIDENCE, labels, Value::Level(e_value));
        }
    }
    picture.add(names::POOL_AUTO_SWITCHES, labels.clone(), Value::Count(auto.switches));
    picture.add(names::POOL_AUTO_LOST, labels, Value::Count(auto.lost_notes));
}

fn axes(view: &BackendView, labels: &Labels, picture: &mut Picture) {
    use aya_api::axis::{Admin, Breaker, Health, Standing};
    let admin = Admin::ALL.iter().map(|s| (names::BACKEND_ADMIN, s.as_str(), *s == view.admin.state));
    let health = Health::ALL.iter().map(|s| (names::BACKEND_HEALTH, s.as_str(), *s == view.health.state));
    let breaker = Breaker::ALL.iter().map(|s| (names::BACKEND_BREAKER, s.as_str(), *s == view.breaker.state));
    let stands = view.standing.as_ref().map_or(Standing::In, |standing| standing.state);
    let standing = Standing::ALL.iter().map(|s| (names::BACKEND_STANDING, s.as_str(), *s == stands));
    let forced = view.breaker.order.iter().map(|order| (names::BACKEND_FORCED, order.order.as_str(), true));
    picture.add(names::BACKEND_EASE, labels.clone(), Value::Level(view.ease.unwrap_or(1.0)));
    for (metric, state, holds) in admin.chain(health).chain(breaker).chain(standing).chain(forced) {
        let mut labels = labels.clone();
        labels.push(("state", state.to_owned()));
        picture.add(metric, labels, Value::Level(f64::from(u8::from(holds))));
    }
}

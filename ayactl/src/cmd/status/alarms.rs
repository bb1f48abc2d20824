//! What is wrong: pools that cannot serve, pools in panic, the daemon, backends, sources, and what surrounds them.

use aya_api::axis::{Admin, Breaker, Health, Standing};
use aya_api::view::{
    BackendView, DiscoveryView, Freshness, GeoView, ListenerView, PartView, PoolView, StandingView, Status,
};

use super::backends;
use crate::render::cell::Tone;
use crate::time;

/// One line of alarm.
type Alarm = (Tone, String);

/// All of them, worst first; of two that are as bad, the one that concerns more comes first, then names decide.
pub(super) fn all(status: &Status) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = Vec::new();
    // In panic they are asked all the same.
    for pool in status.pools.iter().filter(|pool| pool.eligible == 0 && panics(pool).is_empty()) {
        alarms.push((Tone::Bad, format!("{} has no eligible backend: its requests fail", pool.name)));
    }
    alarms.extend(status.pools.iter().flat_map(panics));
    alarms.extend(daemon(status));
    let mut each: Vec<(&str, Alarm)> = backends(status)
        .flat_map(|backend| {
            backend_alarms(backend, status.at_ms).into_iter().map(|alarm| (backend.id.as_str(), alarm))
        })
        .collect();
    each.sort_by_key(|(id, _)| *id);
    alarms.extend(each.into_iter().map(|(_, alarm)| alarm));
    for pool in &status.pools {
        alarms.extend(pool.discovery.iter().filter_map(|found| stale(pool, found, status.at_ms)));
        alarms.extend(pool.source_troubles().into_iter().map(|trouble| {
            let age = time::age(status.at_ms, trouble.since_ms);
            (Tone::Warn, format!("{}, for {age}; nothing it said counts now", trouble.in_words(&pool.name)))
        }));
    }
    if let Some(GeoView { trouble: Some(trouble), .. }) = &status.daemon.geo {
        alarms.push((Tone::Warn, format!("countries come from the database read before: {trouble}")));
    }
    for (is_bad, alarm) in status.listeners.iter().flat_map(ListenerView::certificate_alarms) {
        alarms.push((if is_bad { Tone::Bad } else { Tone::Warn }, alarm));
    }
    for listener in status.listeners.iter().filter(|l| l.connections >= l.max_connections) {
        alarms.push((Tone::Warn, format!("listener {} is at its limit of connections", listener.name)));
    }
    alarms.sort_by_key(|(tone, _)| *tone != Tone::Bad);
    alarms
}

fn daemon(status: &Status) -> Vec<Alarm> {
    let daemon = &status.daemon;
    let first = |error: &String| error.lines().next().unwrap_or_default().to_owned();
    let state = (daemon.state != "running").then(|| format!("the daemon is {}", daemon.state));
    let reload = daemon.last_reload_error.as_ref().map(first);
    let upgrade = daemon.last_upgrade_error.as_ref().map(first);
    let words = [
        state,
        reload.map(|error| format!("the last reload was refused: {error}")),
        upgrade.map(|error| format!("the last upgrade failed, the old process goes on: {error}")),
    ];
    words.into_iter().flatten().map(|words| (Tone::Bad, words)).collect()
}

/// What is wrong with one backend. One that is ejected, tried and ejected again is one alarm that stays as it is.
fn backend_alarms(backend: &BackendView, at_ms: u64) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let (id, breaker) = (&backend.id, &backend.breaker);
    if backend.health.state == Health::Down && backend.admin.state != Admin::Maint {
        let since = time::age(at_ms, backend.health.since_ms);
        alarms.push((Tone::Bad, format!("{id} is down: {}, for {since}", backend.health.cause)));
    }
    if let Some(standing) = backend.standing.as_ref().filter(|standing| !standing.shadow) {
        alarms.push(odd(id, standing, at_ms));
    }
    if matches!(breaker.state, Breaker::Open | Breaker::HalfOpen) {
        let cause = breaker.cause.as_deref().unwrap_or("failures");
        alarms.push((Tone::Warn, format!("the breaker of {id} is {}: {cause}", breaker.state)));
    }
    if let Some(order) = &breaker.order {
        let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let age = time::age(at_ms, order.since_ms);
        let line =
            format!("the breaker of {id} is ordered {} by {}{reason}, for {age}", order.order, order.by);
        alarms.push((Tone::Warn, line));
    }
    alarms
}

fn odd(id: &str, standing: &StandingView, at_ms: u64) -> Alarm {
    let (tone, word) = match standing.state {
        Standing::Ejected | Standing::Trying => (Tone::Bad, "ejected"),
        Standing::In | Standing::Suspected | Standing::Doubted => (Tone::Warn, standing.state.as_str()),
    };
    let tried = if standing.state == Standing::Trying { ", tried now" } else { "" };
    let age = time::age(at_ms, standing.odd_since());
    (tone, format!("{id} is {word} among its pool{tried}: {}, for {age}", standing.cause))
}

/// The priority groups of a pool in which health is ignored.
fn panics(pool: &PoolView) -> Vec<Alarm> {
    let parts = pool.division.iter().flat_map(|division| &division.parts);
    let told = parts.filter(|part| part.in_panic).map(|PartView { healthy, ready, priority, .. }| {
        let why = format!("{healthy} of {ready} backends of priority {priority} are healthy");
        (Tone::Bad, format!("{} is in panic: {why}, so all are asked", pool.name))
    });
    told.collect()
}

/// A source of backends that cannot be relied on.
fn stale(pool: &PoolView, found: &DiscoveryView, at_ms: u64) -> Option<Alarm> {
    let DiscoveryView { source, state, since_ms, cause, backends, .. } = found;
    if *state != Freshness::Stale {
        return None;
    }
    let (since, cause) = (time::age(at_ms, *since_ms), cause.as_deref().unwrap_or("no answer"));
    let kept = time::count(u64::from(*backends), "backend");
    Some((Tone::Warn, format!("{} is stale for {since}, {source}: {cause}; keeps {kept}", pool.name)))
}

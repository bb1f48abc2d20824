//! `ayactl status`: one screen. What is wrong comes first, then the pools, then what gets no requests and why.

use std::fmt::Write as _;

use aya_api::axis::{Admin, Breaker, Health};
use aya_api::command::status::GetStatus;
use aya_api::exit::Exit;
use aya_api::view::{
    BackendView, DiscoveryView, Freshness, GeoView, ListenerView, PartView, PoolView, Status,
};

use super::repeat::repeat;
use crate::args::{Format, StatusArgs};
use crate::failure::Failure;
use crate::render::cell::{Cell, Tone, visible};
use crate::render::rows::{admin_cell, breaker_cell, health_cell};
use crate::render::table::{Grid, draw, paint};
use crate::render::{self, Align, View};
use crate::session::Session;
use crate::time;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &StatusArgs) -> Result<u8, Failure> {
    let mut gate = None;
    let done = repeat(session, args.again.watch, async |session| {
        let status = session.client.call(&GetStatus).await?;
        if args.check {
            gate = failing(&status);
        }
        render(&status, &session.view)
    });
    let done = done.await?;
    gate.map_or(Ok(done), Err)
}

/// The failure of `--check`, when a pool cannot serve.
fn failing(status: &Status) -> Option<Failure> {
    let pools: Vec<&str> =
        status.pools.iter().filter(|pool| pool.eligible == 0).map(|pool| pool.name.as_str()).collect();
    let message = format!("no eligible backend in {}", pools.join(", "));
    let hint = "see why with `ayactl get backends`";
    (!pools.is_empty()).then(|| Failure::new(Exit::Gate, "gate", message, hint))
}

/// Renders the picture in the format asked for; CSV and names are those of the pools.
pub(super) fn render(status: &Status, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(status, view)? {
        return Ok(text);
    }
    match view.format {
        Format::Csv | Format::Name => render::list(status.pools.clone(), view),
        Format::Table | Format::Wide | Format::Json | Format::Jsonl | Format::Yaml => screen(status, view),
    }
}

fn screen(status: &Status, view: &View) -> Result<String, Failure> {
    // Ages are counted from when the picture was taken, not from when it arrived.
    let view = &View { now_ms: status.at_ms, ..view.clone() };
    let mut text = daemon_line(status, view);
    text.push_str(&listener_lines(status));
    text.push('\n');
    let alarms = alarms(status);
    if alarms.is_empty() {
        let _ = writeln!(text, "{}", paint("no alarms", Tone::Good, view));
    }
    for (tone, alarm) in &alarms {
        let _ = writeln!(text, "{} {}", paint("!", *tone, view), visible(alarm.clone()));
    }
    text.push('\n');
    if status.pools.is_empty() {
        text.push_str("no pools\n");
        return Ok(text);
    }
    text.push_str(&render::list(status.pools.clone(), view)?);
    let out: Vec<&BackendView> = backends(status).filter(|backend| !backend.eligible).collect();
    if !out.is_empty() {
        let _ = write!(text, "\nNOT ELIGIBLE\n{}", draw(&out_of_service(&out, view.now_ms), view));
    }
    text.push_str(&overrides(status, view));
    Ok(text)
}

fn backends(status: &Status) -> impl Iterator<Item = &BackendView> {
    status.pools.iter().flat_map(|pool| &pool.backends)
}

fn daemon_line(status: &Status, view: &View) -> String {
    let daemon = &status.daemon;
    let state = paint(&daemon.state, if daemon.state == "running" { Tone::Good } else { Tone::Warn }, view);
    let mut line = format!(
        "ayad {} {state} · pid {} · up {} · {} workers",
        daemon.version,
        daemon.pid,
        time::age(status.at_ms, daemon.started_ms),
        daemon.workers
    );
    if let Some(bytes) = daemon.resident_bytes {
        let _ = write!(line, " · {:.1} MiB", bytes as f64 / 1_048_576.0);
    }
    let config = daemon.config.as_deref().unwrap_or("from the command line");
    let loaded = time::age(status.at_ms, daemon.loaded_ms);
    let config = visible(config.to_owned());
    if let Some(upgrade) = &daemon.upgraded {
        let before = upgrade.from_version.as_deref().unwrap_or("an older version");
        let _ = write!(
            line,
            "\nserving for {} · upgraded {} ago from pid {}, {}",
            time::age(status.at_ms, daemon.serving_since_ms),
            time::age(status.at_ms, upgrade.at_ms),
            upgrade.from_pid,
            visible(before.to_owned())
        );
    }
    let _ = writeln!(line, "\nconfig {config} · generation {} · applied {loaded} ago", daemon.generation);
    line
}

fn listener_lines(status: &Status) -> String {
    let mut text = String::new();
    for listener in &status.listeners {
        let _ = write!(
            text,
            "listen {} {} {} · {} of {} connections",
            listener.name,
            listener.protocol,
            listener.bind.join(", "),
            listener.connections,
            listener.max_connections
        );
        if let Some(first) = listener.first_to_expire() {
            let verb = if first.not_after_ms > status.at_ms { "ends " } else { "" };
            let end = time::ending(status.at_ms, first.not_after_ms);
            let _ = write!(text, " · certificate {verb}{end}");
        } else if listener.has_only_placeholders() {
            text.push_str(" · no certificate yet");
        }
        text.push('\n');
    }
    text
}

/// What is wrong, worst first.
fn alarms(status: &Status) -> Vec<(Tone, String)> {
    let mut alarms: Vec<(Tone, String)> = Vec::new();
    // In panic they are asked all the same.
    for pool in status.pools.iter().filter(|pool| pool.eligible == 0 && panics(pool).is_empty()) {
        alarms.push((Tone::Bad, format!("{} has no eligible backend: its requests fail", pool.name)));
    }
    alarms.extend(status.pools.iter().flat_map(panics));
    if status.daemon.state != "running" {
        alarms.push((Tone::Bad, format!("the daemon is {}", status.daemon.state)));
    }
    if let Some(error) = &status.daemon.last_reload_error {
        let first = error.lines().next().unwrap_or_default();
        alarms.push((Tone::Bad, format!("the last reload was refused: {first}")));
    }
    if let Some(error) = &status.daemon.last_upgrade_error {
        let first = error.lines().next().unwrap_or_default();
        alarms.push((Tone::Bad, format!("the last upgrade failed, the old process goes on: {first}")));
    }
    if let Some(GeoView { trouble: Some(trouble), .. }) = &status.daemon.geo {
        let line = format!("countries come from the database read before: {trouble}");
        alarms.push((Tone::Warn, line));
    }
    for backend in
        backends(status).filter(|b| b.health.state == Health::Down && b.admin.state != Admin::Maint)
    {
        let since = time::age(status.at_ms, backend.health.since_ms);
        alarms.push((Tone::Bad, format!("{} is down: {}, for {since}", backend.id, backend.health.cause)));
    }
    for backend in backends(status) {
        let state = match backend.breaker.state {
            Breaker::Open | Breaker::HalfOpen => backend.breaker.state,
            Breaker::Off | Breaker::Closed => continue,
        };
        let cause = backend.breaker.cause.as_deref().unwrap_or("failures");
        alarms.push((Tone::Warn, format!("the breaker of {} is {state}: {cause}", backend.id)));
    }
    for pool in &status.pools {
        alarms.extend(pool.discovery.iter().filter_map(|found| stale(pool, found, status.at_ms)));
    }
    for backend in backends(status) {
        if let Some(order) = &backend.breaker.order {
            let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let line =
                format!("the breaker of {} is ordered {} by {}{reason}", backend.id, order.order, order.by);
            alarms.push((Tone::Warn, line));
        }
        if let Some(standing) = backend.standing.as_ref().filter(|standing| !standing.shadow) {
            let line = format!("{} is {} among its pool: {}", backend.id, standing.state, standing.cause);
            alarms.push((Tone::Warn, line));
        }
    }
    for (is_bad, alarm) in status.listeners.iter().flat_map(ListenerView::certificate_alarms) {
        alarms.push((if is_bad { Tone::Bad } else { Tone::Warn }, alarm));
    }
    for listener in status.listeners.iter().filter(|l| l.connections >= l.max_connections) {
        alarms.push((Tone::Warn, format!("listener {} is at its limit of connections", listener.name)));
    }
    alarms
}

/// The priority groups of a pool in which health is ignored.
fn panics(pool: &PoolView) -> Vec<(Tone, String)> {
    let parts = pool.division.iter().flat_map(|division| &division.parts);
    let told = parts.filter(|part| part.in_panic).map(|PartView { healthy, ready, priority, .. }| {
        let why = format!("{healthy} of {ready} backends of priority {priority} are healthy");
        (Tone::Bad, format!("{} is in panic: {why}, so all are asked", pool.name))
    });
    told.collect()
}

/// A source of backends that cannot be relied on.
fn stale(pool: &PoolView, found: &DiscoveryView, at_ms: u64) -> Option<(Tone, String)> {
    let DiscoveryView { source, state, since_ms, cause, backends, .. } = found;
    if *state != Freshness::Stale {
        return None;
    }
    let (since, cause) = (time::age(at_ms, *since_ms), cause.as_deref().unwrap_or("no answer"));
    let kept = format!("{} is stale for {since}, {source}: {cause}; keeps {backends} backends", pool.name);
    Some((Tone::Warn, kept))
}

/// Backends that get no requests: the cause on each axis, who, since when, until when.
fn out_of_service(out: &[&BackendView], now_ms: u64) -> Grid {
    let headings = ["BACKEND", "ADMIN", "HEALTH", "BREAKER", "BY", "SINCE", "UNTIL"];
    let rows = out.iter().map(|backend| {
        vec![
            Cell::text(&backend.id),
            admin_cell(backend),
            health_cell(backend),
            breaker_cell(backend, now_ms),
            Cell::maybe(backend.admin.by.as_deref()),
            Cell::age(now_ms, out_since(backend)),
            Cell::until(now_ms, backend.admin.until_ms),
        ]
    });
    Grid { headings: headings.map(|heading| (heading, Align::Left)).to_vec(), rows: rows.collect() }
}

/// Since when a backend gets no requests: when the first of the axes that keep it out did so.
fn out_since(backend: &BackendView) -> u64 {
    let admin = (backend.admin.state != Admin::Ready).then_some(backend.admin.since_ms);
    let health = (backend.health.state != Health::Up).then_some(backend.health.since_ms);
    let held = matches!(backend.breaker.state, Breaker::Open | Breaker::HalfOpen);
    let breaker = held.then_some(backend.breaker.since_ms);
    [admin, health, breaker].into_iter().flatten().min().unwrap_or(backend.health.since_ms)
}

/// What operators changed at run time and is in force.
fn overrides(status: &Status, view: &View) -> String {
    let mut lines: Vec<String> =
        status.pools.iter().filter_map(|pool| algorithm_override(pool, view)).collect();
    lines.extend(backends(status).filter(|b| b.weight != b.configured_weight).map(|backend| {
        let until = ending(backend.weight_until_ms, backend.weight_restored, view);
        format!("{} weight {} (configured: {}){until}", backend.id, backend.weight, backend.configured_weight)
    }));
    if lines.is_empty() { String::new() } else { format!("\nCHANGED AT RUN TIME\n{}\n", lines.join("\n")) }
}

fn algorithm_override(pool: &PoolView, view: &View) -> Option<String> {
    let algorithm = &pool.algorithm;
    let until = ending(algorithm.until_ms, algorithm.restored, view);
    let (name, configured) = (&algorithm.name, &algorithm.configured);
    algorithm.overridden.then(|| format!("{} algorithm {name} (configured: {configured}){until}", pool.name))
}

fn ending(until_ms: Option<u64>, restored: bool, view: &View) -> String {
    let until = until_ms.map(|at| format!(" · reverts {}", time::until(view.now_ms, at))).unwrap_or_default();
    let restored = if restored { " · restored from the journal" } else { "" };
    format!("{until}{restored}")
}

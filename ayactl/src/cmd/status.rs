//! `ayactl status`: one screen. What is wrong comes first, then the pools, then what gets no requests and why.

mod alarms;
mod chaos;
mod out;

use std::fmt::Write as _;

use aya_api::command::status::GetStatus;
use aya_api::exit::Exit;
use aya_api::view::{BackendView, PoolView, Status};

use super::repeat::repeat;
use crate::args::{Format, StatusArgs};
use crate::failure::Failure;
use crate::render::cell::{Tone, visible};
use crate::render::table::{draw, paint};
use crate::render::{self, View};
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
    let alarms = alarms::all(status);
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
    let out: Vec<&BackendView> = backends(status).filter(|backend| backend.is_out()).collect();
    if !out.is_empty() {
        let _ = write!(text, "\nNOT ELIGIBLE\n{}", draw(&out::of_service(&out, view.now_ms), view));
    }
    text.push_str(&overrides(status, view));
    text.push_str(&chaos::lines(status, view)?);
    Ok(text)
}

fn backends(status: &Status) -> impl Iterator<Item = &BackendView> {
    status.pools.iter().flat_map(|pool| &pool.backends)
}

fn daemon_line(status: &Status, view: &View) -> String {
    let daemon = &status.daemon;
    let state = paint(&daemon.state, if daemon.state == "running" { Tone::Good } else { Tone::Warn }, view);
    let mut line = format!(
        "ayad {} {state} · pid {} · up {} · {}",
        daemon.version,
        daemon.pid,
        time::age(status.at_ms, daemon.started_ms),
        time::count(daemon.workers.into(), "worker")
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

/// What operators changed at run time and is in force.
fn overrides(status: &Status, view: &View) -> String {
    let mut lines: Vec<String> =
        status.pools.iter().filter_map(|pool| algorithm_override(pool, view)).collect();
    lines.extend(backends(status).filter(|b| b.weight != b.configured_weight).map(|backend| {
        let until = ending(backend.weight_until_ms, backend.weight_restored, view);
        format!("{} weight {} (configured: {}){until}", backend.id, backend.weight, backend.configured_weight)
    }));
    lines.extend(backends(status).filter_map(|backend| breaker_order(backend, view)));
    if lines.is_empty() { String::new() } else { format!("\nCHANGED AT RUN TIME\n{}\n", lines.join("\n")) }
}

fn breaker_order(backend: &BackendView, view: &View) -> Option<String> {
    let order = backend.breaker.order.as_ref()?;
    let age = time::age(view.now_ms, order.since_ms);
    let reason = order.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let until = ending(order.until_ms, order.restored, view);
    let (id, word, by) = (&backend.id, order.order, &order.by);
    Some(visible(format!("{id} breaker ordered {word} by {by}{reason}, for {age}{until}")))
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

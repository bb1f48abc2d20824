//! `ayactl describe`: everything about one pool, backend, listener or route.

mod auto;
mod division;
mod guard;
mod listener;
mod pool;
mod route;
mod signal;

use std::fmt::Write as _;

use aya_api::command::backends::GetBackend;
use aya_api::command::listeners::GetListeners;
use aya_api::command::pools::GetPools;
use aya_api::command::routes::GetRoutes;
use aya_api::view::{BackendDetail, BackendView, Bucket, CheckView, Traffic, Transition};

use super::targets::find;
use crate::args::{DescribeArgs, Format};
use crate::failure::Failure;
use crate::render::cell::{Cell, Tone, UNKNOWN, visible};
use crate::render::table::{Grid, draw};
use crate::render::{self, Align, View};
use crate::session::Session;
use crate::time;

/// Widest bar of the histogram, in characters.
const BAR: u64 = 40;
/// Most lines of the histogram.
const BUCKETS: usize = 16;
/// Most checks shown.
const CHECKS: usize = 10;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &DescribeArgs) -> Result<u8, Failure> {
    let (kind, name) = match (&args.named, args.listener) {
        (Some(named), _) => (args.name.as_str(), named),
        (None, true) => ("listener", &args.name),
        (None, false) => ("", &args.name),
    };
    match kind {
        "route" => route_named(session, name).await,
        "listener" => listener_named(session, name).await,
        "" | "pool" | "backend" => pool_or_backend(session, name).await,
        other => {
            let message = format!("{other:?} is no kind of thing to describe");
            Err(Failure::usage(message, "write pool, backend, listener or route before the name"))
        }
    }
}

async fn pool_or_backend(session: &mut Session<'_, '_>, name: &str) -> Result<u8, Failure> {
    let pools = session.client.call(&GetPools).await?;
    let text = if name.contains('/') {
        let all: Vec<BackendView> = pools.into_iter().flat_map(|pool| pool.backends).collect();
        let found = find(&all, name)?;
        let [index] = found[..] else {
            return Err(Failure::usage("one backend at a time", "see `ayactl get backends` for several"));
        };
        let (pool, backend) = (all[index].pool.clone(), all[index].name.clone());
        let detail = session.client.call(&GetBackend { pool, backend }).await?;
        backend_text(&detail, &session.view)?
    } else {
        let Some(pool) = pools.iter().find(|pool| pool.name == name) else {
            let listeners = session.client.call(&GetListeners).await?;
            if let Some(found) = listeners.iter().find(|listener| listener.name == name) {
                let text = listener::text(found, &session.view)?;
                session.print(&text)?;
                return Ok(0);
            }
            let routes = session.client.call(&GetRoutes).await?;
            if let Some(found) = routes.iter().find(|route| route.name == name) {
                let text = route::text(found, &listeners, &session.view)?;
                session.print(&text)?;
                return Ok(0);
            }
            let names = pools.iter().map(|pool| pool.name.as_str());
            let ids = pools.iter().flat_map(|pool| &pool.backends).map(|backend| backend.id.as_str());
            return Err(Failure::not_found("pool", name, names.chain(ids)));
        };
        let routes = session.client.call(&GetRoutes).await?;
        let listeners = session.client.call(&GetListeners).await?;
        pool::text(pool, &pool::Ways::to(pool, &routes, &listeners), &session.view)?
    };
    session.print(&text)?;
    Ok(0)
}

/// A listener, also when a pool has the same name.
async fn listener_named(session: &mut Session<'_, '_>, name: &str) -> Result<u8, Failure> {
    let listeners = session.client.call(&GetListeners).await?;
    let Some(found) = listeners.iter().find(|listener| listener.name == name) else {
        return Err(Failure::not_found("listener", name, listeners.iter().map(|l| l.name.as_str())));
    };
    let text = listener::text(found, &session.view)?;
    session.print(&text)?;
    Ok(0)
}

/// A route, also when something else has the same name.
async fn route_named(session: &mut Session<'_, '_>, name: &str) -> Result<u8, Failure> {
    let routes = session.client.call(&GetRoutes).await?;
    let Some(found) = routes.iter().find(|route| route.name == name) else {
        return Err(Failure::not_found("route", name, routes.iter().map(|route| route.name.as_str())));
    };
    let listeners = session.client.call(&GetListeners).await?;
    let text = route::text(found, &listeners, &session.view)?;
    session.print(&text)?;
    Ok(0)
}

fn backend_text(detail: &BackendDetail, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(detail, view)? {
        return Ok(text);
    }
    if matches!(view.format, Format::Csv | Format::Name) {
        return render::list(vec![detail.backend.clone()], view);
    }
    let view = &View { now_ms: detail.at_ms, ..view.clone() };
    let backend = &detail.backend;
    let mut text = String::new();
    field(&mut text, "Backend", &backend.id);
    field(&mut text, "Address", &backend.address);
    axes(&mut text, backend, view.now_ms);
    field(&mut text, "Eligible", if backend.eligible { "yes" } else { "no" });
    weight(&mut text, backend, view.now_ms);
    traffic(&mut text, &backend.traffic);
    let (open, idle) = (backend.connections, backend.idle_connections);
    field(&mut text, "Connections", &format!("{open} open, {idle} of them idle"));
    let connect = backend.connect_ms.map_or(UNKNOWN.into(), |ms| format!("{ms:.2} ms of late"));
    field(&mut text, "Connecting", &connect);
    if let Some(agent) = signal::agent(backend, view.now_ms) {
        field(&mut text, "Agent", &agent);
    }
    field(&mut text, "Zone", backend.zone.as_deref().unwrap_or(UNKNOWN));
    field(&mut text, "Tags", &if backend.tags.is_empty() { UNKNOWN.into() } else { backend.tags.join(", ") });
    field(&mut text, "Defined", detail.defined.as_deref().unwrap_or(UNKNOWN));
    field(&mut text, "Revision", &backend.rev.to_string());
    if !backend.signals.is_empty() || !backend.signal_sources.is_empty() {
        let _ = write!(text, "\nSIGNALS\n{}", draw(&signal::signals(backend), view));
        let _ = write!(text, "\nSOURCES OF SIGNALS\n{}", draw(&signal::sources(backend, view.now_ms), view));
    }
    let _ = write!(text, "\nHISTORY\n{}", draw(&history(&detail.history, view.now_ms), view));
    let _ = write!(text, "\nCHECKS\n{}", draw(&checks(&detail.checks, view.now_ms), view));
    let _ = write!(text, "\nLATENCY, LAST 60 S\n{}", histogram(detail));
    Ok(text)
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{:<13}{}", format!("{name}:"), visible(value.to_owned()));
}

/// A size in the greatest unit that loses nothing.
fn bytes(size: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| size > 0 && size.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{} {name}", size / unit),
        None => format!("{size} B"),
    }
}

/// The three axes, each with its cause, who, since when and until when.
fn axes(text: &mut String, backend: &BackendView, now_ms: u64) {
    let since = |at| format!("for {} (since {})", time::age(now_ms, at), time::stamp(at));
    let admin = &backend.admin;
    let mut line = format!("{} {}", admin.state, since(admin.since_ms));
    for (word, value) in [("by", &admin.by), ("reason:", &admin.reason)] {
        if let Some(value) = value {
            let _ = write!(line, ", {word} {value}");
        }
    }
    if let Some(at) = admin.until_ms {
        let _ = write!(line, ", reverts {}", time::until(now_ms, at));
    }
    if let Some(sticky) = admin.sticky {
        let _ = write!(line, ", sticky sessions: {sticky}");
    }
    if admin.restored {
        line.push_str(", restored from the journal");
    }
    field(text, "Admin", &line);
    let health = &backend.health;
    let mut line = format!("{} ({}) {}", health.state, health.cause, since(health.since_ms));
    if let Some(at) = health.checked_ms {
        let _ = write!(line, ", checked {} ago", time::age(now_ms, at));
    }
    field(text, "Health", &line);
    let breaker = &backend.breaker;
    let mut line = format!("{} {}", breaker.state, since(breaker.since_ms));
    if let Some(cause) = &breaker.cause {
        let _ = write!(line, ", {cause}");
    }
    if let Some(at) = breaker.retry_ms {
        let _ = write!(line, ", tries again {}", time::until(now_ms, at));
    }
    if let Some(window) = breaker.window {
        let _ = write!(
            line,
            ", window: {} calls, {} failed, {} slow",
            window.calls, window.failures, window.slow
        );
    }
    field(text, "Breaker", &line);
    guard::rows(text, backend, now_ms);
}

fn weight(text: &mut String, backend: &BackendView, now_ms: u64) {
    let mut line = backend.weight.to_string();
    if backend.weight != backend.configured_weight {
        let _ = write!(line, " (configured: {})", backend.configured_weight);
    }
    if let Some(at) = backend.weight_until_ms {
        let _ = write!(line, ", reverts {}", time::until(now_ms, at));
    }
    if backend.weight_restored {
        line.push_str(", restored from the journal");
    }
    if backend.signal_factor < 1.0 {
        let _ = write!(line, ", {:.0} % of it by signals", backend.signal_factor * 100.0);
    }
    field(text, "Weight", &line);
    let percent =
        |share: Option<f64>| share.map_or(UNKNOWN.into(), |share| format!("{:.1} %", share * 100.0));
    let (actual, expected) = (percent(backend.share_actual), percent(backend.share_expected));
    field(text, "Share", &format!("{actual} (expected: {expected})"));
}

fn traffic(text: &mut String, traffic: &Traffic) {
    let errors = traffic.error_share.map_or(UNKNOWN.into(), |share| format!("{:.1} %", share * 100.0));
    let line = format!("{:.1} requests/s, {errors} errors, {} in flight", traffic.rate, traffic.in_flight);
    field(text, "Traffic", &line);
    field(text, "Since start", &format!("{} requests, {} failed", traffic.requests, traffic.failures));
    let latency = traffic.latency.map_or(UNKNOWN.into(), |l| {
        format!(
            "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            l.p50_ms, l.p90_ms, l.p99_ms, l.max_ms
        )
    });
    field(text, "Latency", &latency);
}

fn history(transitions: &[Transition], now_ms: u64) -> Grid {
    let rows = transitions.iter().map(|t| {
        vec![
            Cell::age(now_ms, t.at_ms),
            Cell::text(&t.axis),
            Cell::text(format!("{} → {}", t.from, t.to)),
            Cell::maybe(Some(&t.cause)),
            Cell::maybe(t.by.as_deref()),
        ]
    });
    Grid {
        headings: vec![
            ("AGO", Align::Right),
            ("AXIS", Align::Left),
            ("CHANGE", Align::Left),
            ("CAUSE", Align::Left),
            ("BY", Align::Left),
        ],
        rows: rows.collect(),
    }
}

fn checks(checks: &[CheckView], now_ms: u64) -> Grid {
    let rows = checks.iter().take(CHECKS).map(|check| {
        let tone = if check.passed { Tone::Good } else { Tone::Bad };
        vec![
            Cell::age(now_ms, check.at_ms),
            Cell::text(if check.passed { "passed" } else { "failed" }).toned(tone),
            Cell::text(&check.cause),
            Cell::number(check.took_us as f64 / 1000.0, 1),
        ]
    });
    Grid {
        headings: vec![
            ("AGO", Align::Right),
            ("RESULT", Align::Left),
            ("CAUSE", Align::Left),
            ("TOOK MS", Align::Right),
        ],
        rows: rows.collect(),
    }
}

/// Bars as long as their share of the fullest bucket; neighbours are joined until they fit a screen.
fn histogram(detail: &BackendDetail) -> String {
    let width = detail.histogram.len().div_ceil(BUCKETS).max(1);
    let joined: Vec<Bucket> = detail.histogram.chunks(width).filter_map(join).collect();
    let Some(most) = joined.iter().map(|bucket| bucket.count).max().filter(|most| *most > 0) else {
        return "no requests\n".into();
    };
    render::lines(joined.iter().map(|bucket| {
        let length = bucket.count.saturating_mul(BAR).div_ceil(most);
        let bar = "#".repeat(usize::try_from(length).unwrap_or_default());
        format!("{:>9.2} – {:>9.2} ms  {:>8}  {bar}", bucket.from_ms, bucket.to_ms, bucket.count)
    }))
}

/// One bucket from neighbours.
fn join(neighbours: &[Bucket]) -> Option<Bucket> {
    let (first, last) = (neighbours.first()?, neighbours.last()?);
    let count = neighbours.iter().map(|bucket| bucket.count).sum();
    Some(Bucket { from_ms: first.from_ms, to_ms: last.to_ms, count })
}

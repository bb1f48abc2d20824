//! Columns of backends: the three axes side by side, never folded into one.

use aya_api::axis::{Admin, Breaker, BreakerOrder, Health, Standing};
use aya_api::view::BackendView;

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};
use crate::time;

/// What people ordered, with the reason.
pub fn admin_cell(backend: &BackendView) -> Cell {
    let admin = &backend.admin;
    let tone = match admin.state {
        Admin::Ready => Tone::Plain,
        Admin::Draining | Admin::Drained | Admin::Maint => Tone::Warn,
    };
    let restored = admin.restored.then_some("restored");
    Cell::state(admin.state.as_str(), admin.reason.as_deref().or(restored), tone)
}

/// What checks and traffic say, with the cause when it is not well.
pub fn health_cell(backend: &BackendView) -> Cell {
    let health = &backend.health;
    let (note, tone) = match health.state {
        Health::Up => (None, Tone::Good),
        Health::Warming => (Some(health.cause.as_str()), Tone::Warn),
        Health::Down => (Some(health.cause.as_str()), Tone::Bad),
        Health::Unknown => (Some(health.cause.as_str()), Tone::Dim),
    };
    Cell::state(health.state.as_str(), note.filter(|note| !note.is_empty()), tone)
}

/// The breaker: what people made of it, or what opened it and when it tries again.
pub fn breaker_cell(backend: &BackendView, now_ms: u64) -> Cell {
    let breaker = &backend.breaker;
    if let Some(order) = &breaker.order {
        let (words, tone) = match order.order {
            BreakerOrder::Open => ("forced open".to_owned(), Tone::Bad),
            BreakerOrder::Closed => ("forced closed".to_owned(), Tone::Warn),
            BreakerOrder::Held | BreakerOrder::None => (format!("held {}", breaker.state), Tone::Warn),
        };
        let until = order.until_ms.map(|at| format!(", reverts {}", time::until(now_ms, at)));
        let reason = order.reason.as_ref().map(|reason| format!(": {reason}"));
        let note = format!("by {}{}{}", order.by, reason.unwrap_or_default(), until.unwrap_or_default());
        return Cell { raw: breaker.state.to_string(), ..Cell::state(&words, Some(&note), tone) };
    }
    match breaker.state {
        Breaker::Off => Cell::state("off", None, Tone::Dim),
        Breaker::Closed => Cell::state("closed", None, Tone::Plain),
        Breaker::HalfOpen => Cell::state("half-open", breaker.cause.as_deref(), Tone::Warn),
        Breaker::Open => {
            let retry = breaker.retry_ms.map(|at| format!("retry {}", time::until(now_ms, at)));
            let notes: Vec<&str> =
                [breaker.cause.as_deref(), retry.as_deref()].into_iter().flatten().collect();
            Cell::state("open", (!notes.is_empty()).then(|| notes.join(", ")).as_deref(), Tone::Bad)
        }
    }
}

/// What people made of the breaker.
fn order_cell(backend: &BackendView, now_ms: u64) -> Cell {
    let Some(order) = &backend.breaker.order else { return Cell::maybe(None) };
    let until = order.until_ms.map(|at| format!("reverts {}", time::until(now_ms, at)));
    let notes: Vec<&str> =
        [Some(order.by.as_str()), order.reason.as_deref(), until.as_deref()].into_iter().flatten().collect();
    Cell::state(order.order.as_str(), Some(&notes.join(", ")), Tone::Warn)
}

/// What is in the window of the breaker.
fn window_cell(backend: &BackendView) -> Cell {
    let words = backend
        .breaker
        .window
        .map(|window| format!("{} calls, {} failed, {} slow", window.calls, window.failures, window.slow));
    Cell::maybe(words.as_deref())
}

/// How it stands among the others, for how long it is not like them, and what is odd about it.
pub fn standing_cell(backend: &BackendView, now_ms: u64) -> Cell {
    let Some(standing) = &backend.standing else { return Cell::state("in", None, Tone::Plain) };
    let tone = match standing.state {
        Standing::In => Tone::Plain,
        Standing::Suspected | Standing::Doubted | Standing::Trying => Tone::Warn,
        Standing::Ejected => Tone::Bad,
    };
    let shadow = if standing.shadow { "shadow: " } else { "" };
    let age = time::age(now_ms, standing.odd_since());
    Cell::state(standing.state.as_str(), Some(&format!("{shadow}{}, for {age}", standing.cause)), tone)
}

fn errors(backend: &BackendView) -> Cell {
    let cell = Cell::percent(backend.traffic.error_share);
    if cell.number.is_some_and(|share| share > 0.0) { cell.toned(Tone::Bad) } else { cell }
}

fn latency(backend: &BackendView, of: fn(&aya_api::view::Latency) -> f64) -> Cell {
    Cell::millis(backend.traffic.latency.as_ref().map(of))
}

/// What is reported of its load and not stale, as `cpu=0.70 queue=3`.
fn load(backend: &BackendView) -> Cell {
    let fresh = backend.signals.iter().filter(|signal| !signal.stale);
    let words: Vec<_> = fresh.map(|signal| format!("{}={:.4}", signal.signal, signal.value)).collect();
    let words: Vec<_> = words.iter().map(|word| word.trim_end_matches('0').trim_end_matches('.')).collect();
    Cell::maybe(Some(&words.join(" ")))
}

impl Row for BackendView {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |b, _| Cell::text(&b.id)),
        Column::left("admin", "ADMIN", |b, _| admin_cell(b)),
        Column::left("health", "HEALTH", |b, _| health_cell(b)),
        Column::left("breaker", "BREAKER", breaker_cell),
        Column::<Self>::left("standing", "STANDING", standing_cell).when(|b| b.standing.is_some()),
        Column::right("weight", "WEIGHT", |b, _| Cell::count(b.weight.into())),
        Column::right("share", "SHARE %", |b, _| Cell::percent(b.share_actual)),
        Column::right("rate", "REQ/S", |b, _| Cell::number(b.traffic.rate, 1)),
        Column::right("in-flight", "IN FLIGHT", |b, _| Cell::count(b.traffic.in_flight)),
        Column::right("p50", "P50 MS", |b, _| latency(b, |l| l.p50_ms)),
        Column::right("p99", "P99 MS", |b, _| latency(b, |l| l.p99_ms)),
        Column::right("errors", "ERRORS %", |b, _| errors(b)),
        Column::<Self>::left("address", "ADDRESS", |b, _| Cell::text(&b.address)).wide(),
        Column::<Self>::left("order", "ORDER", order_cell).wide(),
        Column::<Self>::left("window", "WINDOW", |b, _| window_cell(b)).wide(),
        Column::<Self>::right("ease", "EASE %", |b, _| Cell::percent(Some(b.ease.unwrap_or(1.0)))).wide(),
        Column::<Self>::left("eligible", "ELIGIBLE", |b, _| {
            Cell::text(if b.eligible { "yes" } else { "no" })
        })
        .wide(),
        Column::<Self>::right("expected", "EXPECTED %", |b, _| Cell::percent(b.share_expected)).wide(),
        Column::<Self>::right("p90", "P90 MS", |b, _| latency(b, |l| l.p90_ms)).wide(),
        Column::<Self>::right("max", "MAX MS", |b, _| latency(b, |l| l.max_ms)).wide(),
        Column::<Self>::left("cause", "CAUSE", |b, _| Cell::maybe(Some(&b.health.cause))).wide(),
        Column::<Self>::right("since", "SINCE", |b, now| Cell::age(now, b.health.since_ms)).wide(),
        Column::<Self>::left("by", "BY", |b, _| Cell::maybe(b.admin.by.as_deref())).wide(),
        Column::<Self>::left("reason", "REASON", |b, _| Cell::maybe(b.admin.reason.as_deref())).wide(),
        Column::<Self>::left("until", "UNTIL", |b, now| Cell::until(now, b.admin.until_ms)).wide(),
        Column::<Self>::right("configured", "CONFIGURED", |b, _| Cell::count(b.configured_weight.into()))
            .wide(),
        Column::<Self>::left("weight-until", "WEIGHT UNTIL", |b, now| Cell::until(now, b.weight_until_ms))
            .wide(),
        Column::<Self>::right("requests", "REQUESTS", |b, _| Cell::count(b.traffic.requests)).wide(),
        Column::<Self>::right("failures", "FAILURES", |b, _| Cell::count(b.traffic.failures)).wide(),
        Column::<Self>::right("connections", "CONNS", |b, _| Cell::count(b.connections)).wide(),
        Column::<Self>::right("idle", "IDLE", |b, _| Cell::count(b.idle_connections)).wide(),
        Column::<Self>::right("connect", "CONNECT MS", |b, _| Cell::millis(b.connect_ms)).wide(),
        Column::<Self>::left("load", "LOAD", |b, _| load(b)).wide(),
        Column::<Self>::left("zone", "ZONE", |b, _| Cell::maybe(b.zone.as_deref())).wide(),
        Column::<Self>::left("tags", "TAGS", |b, _| Cell::maybe(Some(&b.tags.join(",")))).wide(),
        Column::<Self>::right("rev", "REV", |b, _| Cell::count(b.rev)).wide(),
    ];

    fn label(&self) -> &str {
        &self.id
    }
}

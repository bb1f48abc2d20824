//! Backends that get no requests: the cause on each axis, who, since when, until when.

use aya_api::axis::{Admin, Breaker, BreakerOrder, Health};
use aya_api::view::{BackendView, BreakerOrderView, StandingView};

use crate::render::Align;
use crate::render::cell::{Cell, Tone};
use crate::render::rows::{admin_cell, breaker_cell, health_cell, standing_cell};
use crate::render::table::Grid;

/// The table of them. What no backend has to say has no column.
pub(super) fn of_service(out: &[&BackendView], now_ms: u64) -> Grid {
    let stands = out.iter().any(|backend| backend.standing.is_some());
    let weighs = out.iter().any(|backend| backend.weight == 0);
    let mut headings = vec!["BACKEND", "ADMIN", "HEALTH", "BREAKER"];
    headings.extend(stands.then_some("STANDING"));
    headings.extend(weighs.then_some("WEIGHT"));
    headings.extend(["BY", "SINCE", "UNTIL"]);
    let rows = out.iter().map(|backend| {
        let mut row = vec![
            Cell::text(&backend.id),
            admin_cell(backend),
            health_cell(backend),
            breaker_cell(backend, now_ms),
        ];
        row.extend(stands.then(|| standing_cell(backend, now_ms)));
        row.extend(weighs.then(|| weight_cell(backend)));
        row.extend([
            Cell::maybe(by(backend)),
            since(backend).map_or_else(Cell::unknown, |at_ms| Cell::age(now_ms, at_ms)),
            Cell::until(now_ms, until(backend)),
        ]);
        row
    });
    Grid { headings: headings.iter().map(|heading| (*heading, Align::Left)).collect(), rows: rows.collect() }
}

fn weight_cell(backend: &BackendView) -> Cell {
    let cell = Cell::count(backend.weight.into());
    if backend.weight == 0 { cell.toned(Tone::Warn) } else { cell }
}

/// The order that keeps requests away, whatever the breaker has learned.
fn forced(backend: &BackendView) -> Option<&BreakerOrderView> {
    backend.breaker.order.as_ref().filter(|order| order.order == BreakerOrder::Open)
}

fn held(backend: &BackendView) -> Option<&StandingView> {
    backend.standing.as_ref().filter(|standing| standing.keeps_out())
}

/// Who wants it so.
fn by(backend: &BackendView) -> Option<&str> {
    let admin = backend.admin.by.as_deref().filter(|_| backend.admin.state != Admin::Ready);
    admin.or_else(|| forced(backend).map(|order| order.by.as_str())).or(backend.admin.by.as_deref())
}

/// Since when it gets no requests: when the first of what keeps it out began; `None` when nothing says so.
fn since(backend: &BackendView) -> Option<u64> {
    let admin = (backend.admin.state != Admin::Ready).then_some(backend.admin.since_ms);
    let health = (backend.health.state != Health::Up).then_some(backend.health.since_ms);
    let order = forced(backend).map(|order| order.since_ms);
    let is_open = matches!(backend.breaker.state, Breaker::Open | Breaker::HalfOpen);
    let breaker = (is_open && order.is_none()).then_some(backend.breaker.since_ms);
    let standing = held(backend).map(StandingView::odd_since);
    [admin, health, order, breaker, standing].into_iter().flatten().min()
}

/// Until when: the end of the order that keeps it out, or of a weight of 0, or of its ejection.
fn until(backend: &BackendView) -> Option<u64> {
    if backend.admin.state != Admin::Ready {
        return backend.admin.until_ms;
    }
    if let Some(order) = forced(backend) {
        return order.until_ms;
    }
    let weight = backend.weight_until_ms.filter(|_| backend.weight == 0);
    weight.or_else(|| held(backend).and_then(|standing| standing.until_ms))
}

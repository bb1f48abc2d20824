//! Which lines the overview has, in which order, and which of them are inside the window.
//!
//! Drawing, keys and mouse all ask here, so that a click lands on what is drawn.

use aya_api::view::{BackendView, PoolView};

use crate::column;
use crate::faults;
use crate::model::Model;
use crate::screen;
use crate::why;

/// One line of the overview's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'m> {
    /// The header of a pool.
    Pool(&'m PoolView),
    /// A backend of the pool above.
    Backend(&'m PoolView, &'m BackendView),
    /// Why the backend above gets nothing new, or less.
    Reason(&'m BackendView),
    /// A pool without backends, or none that pass the filter.
    Nothing(&'static str),
    /// Between two pools.
    Gap,
}

/// All lines of the overview.
pub(crate) fn rows(model: &Model) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for pool in shown_pools(model) {
        let backends = shown_backends(model, pool);
        if backends.is_empty() && !model.table.filter.is_empty() {
            continue;
        }
        if !rows.is_empty() {
            rows.push(Row::Gap);
        }
        rows.push(Row::Pool(pool));
        if backends.is_empty() {
            rows.push(Row::Nothing(if pool.discovery.is_empty() {
                "no backends are configured for this pool: its requests fail"
            } else {
                "no backends were found for this pool yet: its requests fail; 5 shows where they come from"
            }));
        }
        for backend in backends {
            rows.push(Row::Backend(pool, backend));
            let has_fault =
                model.status.as_ref().is_some_and(|s| faults::at_backend(s, &backend.id).next().is_some());
            if backend.is_out() || backend.standing.is_some() || backend.breaker.order.is_some() || has_fault
            {
                rows.push(Row::Reason(backend));
            }
        }
    }
    if rows.is_empty() {
        rows.push(Row::Nothing(empty_because(model)));
    }
    rows
}

/// Ids of the backends that are shown, from top to bottom.
pub(crate) fn backend_ids(model: &Model) -> Vec<String> {
    shown_pools(model).flat_map(|pool| shown_backends(model, pool)).map(|b| b.id.clone()).collect()
}

/// First line to show so that the selected row, its pool's header at the top and its reason are visible.
pub(crate) fn scroll(model: &Model) -> usize {
    let height = usize::from(screen::body_height(model)).saturating_sub(1).max(1);
    let rows = rows(model);
    let selected = model.table.selected.as_deref();
    let line =
        rows.iter().position(|row| matches!(row, Row::Backend(_, b) if Some(b.id.as_str()) == selected));
    let Some(line) = line else { return 0 };
    let last = line + usize::from(matches!(rows.get(line + 1), Some(Row::Reason(_))));
    let first = if line > 0 && matches!(rows[line - 1], Row::Pool(_)) { line - 1 } else { line };
    let greatest = rows.len().saturating_sub(height);
    let lowest = (last + 1).saturating_sub(height);
    // The header may have to give way to the row itself in a very low window.
    model.table.scroll.min(first.max(lowest)).max(lowest).min(greatest.max(lowest))
}

fn shown_pools(model: &Model) -> impl Iterator<Item = &PoolView> {
    let only = model.table.pool.as_deref();
    model.pools().iter().filter(move |pool| only.is_none_or(|name| pool.name == name))
}

fn shown_backends<'m>(model: &'m Model, pool: &'m PoolView) -> Vec<&'m BackendView> {
    let passes = |b: &&BackendView| model.table.filter.passes(&searchable(b, model.shown_ms()));
    let mut backends: Vec<&BackendView> = pool.backends.iter().filter(passes).collect();
    if let Some(id) = model.table.sort {
        // The sort is stable, so equal rows keep the order of the configuration and do not dance.
        backends.sort_by(|a, b| column::compare(id, a, b));
    }
    if model.table.reversed {
        backends.reverse();
    }
    backends
}

fn searchable(b: &BackendView, now_ms: u64) -> String {
    let why = why::remark(b, now_ms).map(|why| why.long).unwrap_or_default();
    let zone = b.zone.as_deref().unwrap_or_default();
    let (admin, health, breaker) = (b.admin.state, b.health.state, b.breaker.state);
    format!("{} {} {admin} {health} {breaker} {zone} {} {why}", b.id, b.address, b.tags.join(" "))
}

fn empty_because(model: &Model) -> &'static str {
    let known = |name: &String| model.pool(name).is_some();
    if !model.table.filter.is_empty() {
        "nothing passes the filter; Esc shows everything"
    } else if model.table.pool.as_ref().is_some_and(|name| !known(name)) {
        "no pool has this name; Esc shows all pools"
    } else {
        "no pools yet: name backends in the configuration, then run `ayactl reload`"
    }
}

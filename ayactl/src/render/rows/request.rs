//! Columns of requests that can be explained.

use aya_api::view::RequestExplanation;

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};

/// The backend that was asked last, without its pool.
fn last_backend(request: &RequestExplanation) -> Cell {
    let last = request.attempts.last().map(|attempt| attempt.backend.rsplit('/').next().unwrap_or_default());
    Cell::maybe(last)
}

fn status(request: &RequestExplanation) -> Cell {
    match request.status {
        0 => Cell::unknown(),
        status if status >= 500 => Cell::count(status.into()).toned(Tone::Bad),
        status => Cell::count(status.into()),
    }
}

fn why(request: &RequestExplanation) -> Cell {
    Cell::text(request.reason.as_deref().unwrap_or_else(|| request.kept_for()))
}

impl Row for RequestExplanation {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("began", "BEGAN", |r, _| Cell::moment(r.at_ms)),
        Column::right("status", "STATUS", |r, _| status(r)),
        Column::right("took", "TOOK MS", |r, _| Cell::number(r.took_ms, 1)),
        Column::right("tries", "TRIES", |r, _| Cell::count(r.attempts.len() as u64)),
        Column::left("pool", "POOL", |r, _| Cell::maybe(r.pool.as_deref())),
        Column::left("backend", "BACKEND", |r, _| last_backend(r)),
        Column::left("why", "WHY KEPT", |r, _| why(r)),
        Column::left("request", "REQUEST", |r, _| Cell::text(&r.request)),
        Column::left("id", "ID", |r, _| Cell::text(&r.id)),
        Column::<Self>::left("client", "CLIENT", |r, _| Cell::text(&r.client)).wide(),
        Column::<Self>::left("listener", "LISTENER", |r, _| Cell::text(&r.listener)).wide(),
        Column::<Self>::left("route", "ROUTE", |r, _| Cell::maybe(r.route.as_deref())).wide(),
        Column::<Self>::left("detail", "DETAIL", |r, _| Cell::maybe(r.detail.as_deref())).wide(),
    ];

    fn label(&self) -> &str {
        &self.id
    }
}

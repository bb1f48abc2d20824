//! Columns of listeners and routes: how a request comes in and where it goes.

use aya_api::view::{ListenerView, RouteView};

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};

impl Row for ListenerView {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |l, _| Cell::text(&l.name)),
        Column::left("bind", "BIND", |l, _| Cell::text(l.bind.join(","))),
        Column::left("protocol", "PROTOCOL", |l, _| Cell::text(&l.protocol)),
        Column::right("rate", "REQ/S", |l, _| Cell::number(l.rate, 1)),
        Column::right("connections", "CONNS", |l, _| Cell::count(l.connections)),
        Column::right("limit", "LIMIT", |l, _| Cell::count(l.max_connections)),
        Column::right("accepted", "ACCEPTED", |l, _| Cell::count(l.accepted)),
        Column::right("refused", "REFUSED", |l, _| Cell::count(l.refused)),
        Column::<Self>::left("speaks", "SPEAKS", |l, _| Cell::text(l.speaks.join(","))).wide(),
        Column::<Self>::right("failed-handshakes", "HANDSHAKES FAILED", |l, _| {
            l.tls.as_ref().map_or_else(Cell::unknown, |tls| Cell::count(tls.failed))
        })
        .wide(),
        Column::<Self>::left("certificates", "CERTIFICATES", |l, _| Cell::maybe(certificates(l).as_deref()))
            .wide(),
        Column::<Self>::left("expires", "EXPIRES", expires).wide(),
        Column::<Self>::right("rev", "REV", |l, _| Cell::count(l.rev)).wide(),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

/// The first name of each certificate.
fn certificates(listener: &ListenerView) -> Option<String> {
    let tls = listener.tls.as_ref()?;
    let first = tls.certificates.iter().filter_map(|one| one.names.first().map(String::as_str));
    Some(first.collect::<Vec<_>>().join(","))
}

/// When the certificate that ends first does so.
fn expires(listener: &ListenerView, now_ms: u64) -> Cell {
    if listener.has_only_placeholders() {
        return Cell::text("no certificate yet").toned(Tone::Bad);
    }
    Cell::until(now_ms, listener.first_to_expire().map(|one| one.not_after_ms))
}

/// What an empty condition matches.
fn or_any(values: &[String]) -> Cell {
    Cell::text(if values.is_empty() { "*".to_owned() } else { values.join(",") })
}

impl Row for RouteView {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::right("rank", "RANK", |r, _| Cell::count(r.rank.into())),
        Column::left("name", "NAME", |r, _| Cell::text(&r.name)),
        Column::left("host", "HOST", |r, _| Cell::text(&r.host)),
        Column::left("path", "PATH", |r, _| Cell::text(&r.path)),
        Column::left("methods", "METHODS", |r, _| or_any(&r.methods)),
        Column::left("headers", "HEADERS", |r, _| or_any(&r.headers)),
        Column::left("conditions", "CONDITIONS", |r, _| or_any(&r.conditions)),
        Column::left("pool", "POOL", |r, _| Cell::text(&r.pool)),
        Column::right("requests", "REQUESTS", |r, _| Cell::count(r.requests)),
        Column::<Self>::left("listeners", "LISTENERS", |r, _| or_any(&r.listeners)).wide(),
        Column::<Self>::right("rev", "REV", |r, _| Cell::count(r.rev)).wide(),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

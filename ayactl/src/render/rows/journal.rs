//! Columns of what happened: events, operations and changes.

use aya_api::change::{Change, Operation};
use aya_api::event::{Event, Severity};

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};

fn severity(event: &Event) -> Cell {
    match event.severity {
        Severity::Info => Cell::text("info"),
        Severity::Warning => Cell::text("warning").toned(Tone::Warn),
        Severity::Error => Cell::text("error").toned(Tone::Bad),
    }
}

/// `from → to`, as far as there is one.
fn step(event: &Event) -> Cell {
    match (&event.from, &event.to) {
        (Some(from), Some(to)) => Cell::text(format!("{from} → {to}")),
        (None, Some(to)) => Cell::text(to.as_str()),
        (Some(from), None) => Cell::text(format!("{from} →")),
        (None, None) => Cell::unknown(),
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("at", "AT", |e, _| Cell::moment(e.at_ms)),
        Column::left("severity", "SEVERITY", |e, _| severity(e)),
        Column::left("kind", "KIND", |e, _| Cell::text(&e.kind)),
        Column::left("subject", "SUBJECT", |e, _| Cell::text(&e.subject)),
        Column::left("change", "CHANGE", |e, _| step(e)),
        Column::left("cause", "CAUSE", |e, _| Cell::maybe(Some(&e.cause))),
        Column::left("by", "BY", |e, _| Cell::maybe(e.by.as_deref())),
        Column::<Self>::left("from", "FROM", |e, _| Cell::maybe(e.from.as_deref())).wide(),
        Column::<Self>::left("to", "TO", |e, _| Cell::maybe(e.to.as_deref())).wide(),
        Column::<Self>::left("op", "OP", |e, _| Cell::maybe(e.op.as_deref())).wide(),
        Column::<Self>::right("seq", "SEQ", |e, _| Cell::count(e.seq)).wide(),
    ];

    fn label(&self) -> &str {
        &self.subject
    }
}

impl Row for Operation {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("op", "OP", |o, _| Cell::text(&o.op)),
        Column::right("age", "AGE", |o, now| Cell::age(now, o.at_ms)),
        Column::left("by", "BY", |o, _| Cell::text(&o.by)),
        Column::left("subject", "SUBJECT", |o, _| Cell::text(&o.subject)),
        Column::left("field", "FIELD", |o, _| Cell::text(&o.field)),
        Column::left("before", "BEFORE", |o, _| Cell::text(&o.before)),
        Column::left("after", "AFTER", |o, _| Cell::text(&o.after)),
        Column::left("until", "UNTIL", |o, now| Cell::ending(now, o.until_ms)),
        Column::left("reason", "REASON", |o, _| Cell::maybe(o.reason.as_deref())),
    ];

    fn label(&self) -> &str {
        &self.op
    }
}

fn yes_no(value: bool) -> Cell {
    Cell::text(if value { "yes" } else { "no" })
}

impl Row for Change {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("subject", "SUBJECT", |c, _| Cell::text(&c.subject)),
        Column::left("field", "FIELD", |c, _| Cell::text(&c.field)),
        Column::left("before", "BEFORE", |c, _| Cell::text(&c.before)),
        Column::left("after", "AFTER", |c, _| Cell::text(&c.after)),
        Column::left("changed", "CHANGED", |c, _| yes_no(c.changed)),
        Column::left("dry-run", "DRY RUN", |c, _| yes_no(c.dry_run)),
        Column::left("op", "OP", |c, _| Cell::maybe(c.op.as_deref())),
        Column::left("undo", "UNDO", |c, _| Cell::maybe(c.undo.as_deref())),
        Column::left("until", "UNTIL", |c, now| Cell::until(now, c.until_ms)),
        Column::right("rev", "REV", |c, _| Cell::count(c.rev)),
    ];

    fn label(&self) -> &str {
        &self.subject
    }
}

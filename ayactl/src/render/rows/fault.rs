//! Columns of faults.

use aya_api::fault::{FaultState, FaultView, Per};

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};

fn state(fault: &FaultView) -> Cell {
    match fault.state {
        FaultState::Planned => Cell::text("planned"),
        FaultState::Active => Cell::text("active").toned(Tone::Warn),
        FaultState::Ended => Cell::text("ended").toned(Tone::Dim),
    }
}

/// The sum of what was not hit although it was meant to be.
fn skipped(fault: &FaultView) -> Cell {
    Cell::count(fault.observed.skipped.iter().map(|skipped| skipped.count).sum())
}

fn per(fault: &FaultView) -> Cell {
    Cell::text(match fault.per {
        Per::Request => "request",
        Per::Connection => "connection",
    })
}

/// The share asked for, of what has shares.
fn asked(fault: &FaultView) -> Option<f64> {
    fault.fault.has_share().then_some(fault.share)
}

impl Row for FaultView {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("id", "ID", |f, _| Cell::text(&f.id)),
        Column::left("fault", "FAULT", |f, _| Cell::text(f.fault.to_string())),
        Column::left("target", "TARGET", |f, _| Cell::text(f.target.to_string())),
        Column::left("state", "STATE", |f, _| state(f)),
        Column::left("ends", "ENDS", |f, now| Cell::ending(now, Some(f.ended_ms.unwrap_or(f.ends_ms)))),
        Column::right("asked", "ASKED %", |f, _| Cell::percent(asked(f))),
        Column::right("seen", "SEEN %", |f, _| Cell::percent(f.observed.share)),
        Column::right("hit", "HIT", |f, _| Cell::count(f.observed.hit)),
        Column::right("skipped", "SKIPPED", |f, _| skipped(f)),
        Column::left("by", "BY", |f, _| Cell::text(&f.by)),
        Column::<Self>::left("reason", "REASON", |f, _| Cell::maybe(f.reason.as_deref()))
            .when(|f| f.reason.is_some()),
        Column::<Self>::left("ended-by", "ENDED BY", |f, _| Cell::maybe(f.ended_by.as_deref()))
            .when(|f| f.ended_by.is_some()),
        Column::<Self>::left("run", "RUN", |f, _| Cell::maybe(f.run.as_deref())).wide(),
        Column::<Self>::left("backends", "BACKENDS", |f, _| Cell::text(f.backends.join(" "))).wide(),
        Column::<Self>::left("per", "PER", |f, _| per(f)).wide(),
        Column::<Self>::right("seed", "SEED", |f, _| Cell::count(f.seed)).wide(),
        Column::<Self>::right("matched", "MATCHED", |f, _| Cell::count(f.observed.matched)).wide(),
        Column::<Self>::right("low", "LOW %", |f, _| Cell::percent(f.observed.low)).wide(),
        Column::<Self>::right("high", "HIGH %", |f, _| Cell::percent(f.observed.high)).wide(),
        Column::<Self>::right("held", "HELD", |f, _| Cell::count(f.observed.held)).wide(),
        Column::<Self>::left("lease", "LEASE", |f, now| Cell::ending(now, f.lease_ends_ms)).wide(),
        Column::<Self>::left("started", "STARTED", |f, _| Cell::moment(f.started_ms)).wide(),
    ];

    fn label(&self) -> &str {
        &self.id
    }
}

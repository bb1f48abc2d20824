//! What the table says of an arm.

use aya_sim::{Outcome, Spread};

use crate::render::cell::Cell;
use crate::render::{Column, Row};

/// The standard deviation of the 99th percentile between seeds; one seed has none.
pub(super) fn deviation(arm: &Outcome) -> Option<f64> {
    Some(arm.p99_ms.deviation).filter(|deviation| *deviation > 0.0)
}

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("arm", "ARM", |arm, _| Cell::text(&arm.arm)),
        Column::right("p50", "P50 MS", |arm, _| Cell::millis(Some(arm.p50_ms.mean))),
        Column::right("p99", "P99 MS", |arm, _| Cell::millis(Some(arm.p99_ms.mean))),
        Column::right("deviation", "±", |arm, _| Cell::millis(deviation(arm))),
        Column::right("p999", "P99.9 MS", |arm, _| Cell::millis(Some(arm.p999_ms.mean))),
        Column::right("ratio", "P99 / BASE", |arm, _| Cell::maybe_number(arm.ratio.map(|r| r[1]), 2)),
        Column::right("gap-closed", "GAP CLOSED %", |arm, _| Cell::percent(arm.gap_closed.map(|gap| gap[1]))),
        Column::right("failures", "FAILED", |arm, _| Cell::number(arm.failures.mean, 1)),
        Column::right("most-share", "MOST / FAIR", |arm, _| {
            Cell::maybe_number(Some(arm.most_share.worst).filter(|most| *most > 0.0), 2)
        }),
        Column::right("eject", "OUT MS", |arm: &Outcome, _| {
            Cell::millis(arm.eject_ms.map(|ms: Spread| ms.worst))
        })
        .wide(),
        Column::right("readmit", "BACK MS", |arm: &Outcome, _| {
            Cell::millis(arm.readmit_ms.map(|ms: Spread| ms.worst))
        })
        .wide(),
        Column::right("false", "FALSE/H", |arm: &Outcome, _| Cell::number(arm.false_ejections.mean, 1))
            .wide(),
        Column::right("attempts", "ATTEMPTS/REQ", |arm: &Outcome, _| Cell::number(arm.attempts.mean, 3))
            .wide(),
        Column::right("probes", "PROBES/REQ", |arm: &Outcome, _| Cell::number(arm.probes.mean, 2)).wide(),
        Column::right("requests", "REQUESTS", |arm: &Outcome, _| Cell::count(arm.requests)).wide(),
    ];

    fn label(&self) -> &str {
        &self.arm
    }
}

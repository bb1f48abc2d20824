//! What a demo says at its end.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::traffic::Tally;
use crate::args::Format;
use crate::failure::Failure;
use crate::render::cell::Cell;
use crate::render::table::{Grid, draw};
use crate::render::{self, Align, Column, Row, View};

/// What the clients saw, in figures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    schema_version: u32,
    seconds: f64,
    requests: u64,
    failures: u64,
    rate: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    backends: Vec<Share>,
}

/// What one backend answered.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the field is what the JSON calls it")]
struct Share {
    name: String,
    requests: u64,
    share: f64,
}

impl Row for Share {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "ANSWERED BY", |s, _| Cell::text(&s.name)),
        Column::right("requests", "REQUESTS", |s, _| Cell::count(s.requests)),
        Column::right("share", "SHARE %", |s, _| Cell::percent(Some(s.share))),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

impl Summary {
    /// Sums up.
    pub(super) fn of(tally: &Tally, length: Duration) -> Self {
        let answered: u64 = tally.backends.values().sum();
        let known = (!tally.latency_us.is_empty()).then_some(&tally.latency_us);
        let millis = |quantile| known.map(|h| h.value_at_quantile(quantile) as f64 / 1000.0);
        let share = |count: u64| if answered == 0 { 0.0 } else { count as f64 / answered as f64 };
        let backends = tally.backends.iter();
        let seconds = length.as_secs_f64();
        Self {
            schema_version: aya_api::SCHEMA_VERSION,
            seconds,
            requests: tally.requests,
            failures: tally.failures,
            rate: if seconds > 0.0 { tally.requests as f64 / seconds } else { 0.0 },
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            max_ms: known.map(|h| h.max() as f64 / 1000.0),
            backends: backends
                .map(|(name, count)| Share { name: name.clone(), requests: *count, share: share(*count) })
                .collect(),
        }
    }

    /// Renders it in the format asked for.
    pub(super) fn render(&self, view: &View) -> Result<String, Failure> {
        if let Some(text) = render::document(self, view)? {
            return Ok(text);
        }
        if matches!(view.format, Format::Csv | Format::Name) {
            return render::list(self.backends.clone(), view);
        }
        let mut text = format!("SUMMARY of {:.0} s\n", self.seconds);
        let grid = Grid {
            headings: ["REQUESTS", "REQ/S", "FAILED", "P50 MS", "P99 MS", "MAX MS"]
                .map(|heading| (heading, Align::Right))
                .to_vec(),
            rows: vec![vec![
                Cell::count(self.requests),
                Cell::number(self.rate, 1),
                Cell::count(self.failures),
                Cell::millis(self.p50_ms),
                Cell::millis(self.p99_ms),
                Cell::millis(self.max_ms),
            ]],
        };
        let _ = write!(text, "{}\n{}", draw(&grid, view), render::list(self.backends.clone(), view)?);
        Ok(text)
    }
}

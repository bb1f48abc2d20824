//! The columns of the overview, in one table: title, width, how early they are given up, value, order.
//!
//! Widths are fixed, so figures never make the table jump. A narrow terminal gives up whole columns, the least
//! important first; whatever is left over widens names and the sparkline.

use std::cmp::Ordering;

use aya_api::view::{BackendView, PoolView};

use crate::figure;
use crate::model::Model;
use crate::theme::{Glyphs, Tone};
use crate::why;
use crate::widget::table::{Cell, Slot};

/// Names a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnId {
    /// Name of the backend.
    Name,
    /// First axis.
    Admin,
    /// Age of the first axis.
    AdminAge,
    /// Second axis.
    Health,
    /// Age of the second axis.
    HealthAge,
    /// Third axis.
    Breaker,
    /// Age of the third axis.
    BreakerAge,
    /// Weight, configured and in force.
    Weight,
    /// Share the algorithm means it to get.
    Expected,
    /// Share it got.
    Share,
    /// Requests a second.
    Rate,
    /// Requests in flight.
    InFlight,
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
    /// Share of failures.
    Errors,
    /// Requests a second over the last minute.
    Spark,
    /// Address.
    Address,
    /// Why health is as it is.
    Cause,
    /// Who ordered the admin state.
    By,
    /// Upstream connections.
    Connections,
    /// Zone.
    Zone,
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) id: ColumnId,
    pub(crate) title: &'static str,
    /// Cells without the gap.
    pub(crate) width: u16,
    /// 0 is kept longest.
    rank: u8,
    /// Figures stand at the right edge.
    pub(crate) right: bool,
}

const fn left(id: ColumnId, title: &'static str, width: u16, rank: u8) -> Column {
    Column { id, title, width, rank, right: false }
}

const fn right(id: ColumnId, title: &'static str, width: u16, rank: u8) -> Column {
    Column { id, title, width, rank, right: true }
}

/// Narrowest sparkline worth drawing, and the widest: one cell a second.
const SPARK: (u16, u16) = (10, 60);

/// Widest column of names.
const NAME_MAX: u16 = 28;

/// Every column, from left to right.
pub(crate) const COLUMNS: &[Column] = &[
    left(ColumnId::Name, "BACKEND", 12, 0),
    left(ColumnId::Admin, "ADMIN", 8, 1),
    right(ColumnId::AdminAge, "FOR", 4, 12),
    left(ColumnId::Health, "HEALTH", 7, 2),
    right(ColumnId::HealthAge, "FOR", 4, 11),
    left(ColumnId::Breaker, "BREAKER", 9, 3),
    right(ColumnId::BreakerAge, "FOR", 4, 13),
    right(ColumnId::Weight, "WEIGHT", 6, 8),
    right(ColumnId::Expected, "PLAN", 4, 15),
    right(ColumnId::Share, "GOT", 4, 9),
    right(ColumnId::Rate, "REQ/S", 6, 4),
    right(ColumnId::InFlight, "INFLT", 5, 7),
    right(ColumnId::P50, "P50", 6, 14),
    right(ColumnId::P99, "P99", 6, 6),
    right(ColumnId::Errors, "ERRORS", 6, 5),
    left(ColumnId::Spark, "LAST 60 S", SPARK.0, 10),
    left(ColumnId::Address, "ADDRESS", 21, 16),
    left(ColumnId::Cause, "CAUSE", 14, 17),
    left(ColumnId::By, "BY", 10, 18),
    right(ColumnId::Connections, "CONNS", 7, 19),
    left(ColumnId::Zone, "ZONE", 8, 20),
];

/// A column with its place on the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) column: &'static Column,
    pub(crate) slot: Slot,
}

/// Chooses the columns for `width` cells and gives each its place, from `x` on.
pub(crate) fn place(model: &Model, x: u16, width: u16) -> Vec<Placed> {
    let names = model.pools().iter().flat_map(|pool| &pool.backends).map(|b| b.name.chars().count());
    let longest = names.max().unwrap_or(0).clamp(8, usize::from(NAME_MAX)) as u16;
    let name = longest.min(COLUMNS[0].width);
    let own_width = |column: &Column| if column.id == ColumnId::Name { name } else { column.width };

    let mut by_rank: Vec<&Column> = COLUMNS.iter().collect();
    by_rank.sort_by_key(|column| column.rank);
    let mut used = 0;
    let mut ranks = 0;
    for column in by_rank {
        let more = own_width(column) + u16::from(used > 0);
        if used > 0 && used + more > width {
            break;
        }
        used += more;
        ranks = column.rank;
    }
    let mut spare = width.saturating_sub(used);
    let mut take = |wanted: u16| {
        let taken = wanted.min(spare);
        spare -= taken;
        taken
    };
    let name = name + take(longest - name);
    let has_spark = COLUMNS.iter().any(|c| c.id == ColumnId::Spark && c.rank <= ranks);
    let spark = if has_spark { SPARK.0 + take(SPARK.1 - SPARK.0) } else { 0 };

    let mut at = x;
    let kept = COLUMNS.iter().filter(|column| column.rank <= ranks);
    kept.map(|column| {
        let width = if column.id == ColumnId::Name {
            name.min(width)
        } else if column.id == ColumnId::Spark {
            spark
        } else {
            column.width
        };
        let slot = Slot { x: at, width, right: column.right };
        at += width + 1;
        Placed { column, slot }
    })
    .collect()
}

/// The cell of a backend in a column; the sparkline is not text.
pub(crate) fn cell(id: ColumnId, b: &BackendView, now_ms: u64, glyphs: &Glyphs) -> Cell {
    let none = || Cell::new(glyphs.none, Tone::Muted);
    let age = |since_ms: u64| Cell::new(figure::age(now_ms.saturating_sub(since_ms)), Tone::Muted);
    let plain = |text: Option<String>| text.map_or_else(none, |text| Cell::new(text, Tone::Plain));
    match id {
        ColumnId::Name => Cell::new(b.name.clone(), Tone::Strong),
        ColumnId::Admin => Cell::new(b.admin.state.as_str(), why::admin_tone(b.admin.state)),
        ColumnId::AdminAge => age(b.admin.since_ms),
        ColumnId::Health => Cell::new(b.health.state.as_str(), why::health_tone(b.health.state)),
        ColumnId::HealthAge => age(b.health.since_ms),
        ColumnId::Breaker => Cell::new(b.breaker.state.as_str(), why::breaker_tone(b.breaker.state)),
        ColumnId::BreakerAge => age(b.breaker.since_ms),
        ColumnId::Weight => weight(b, glyphs),
        ColumnId::Expected => plain(b.share_expected.map(figure::share)),
        ColumnId::Share => plain(b.share_actual.map(figure::share)),
        ColumnId::Rate => Cell::new(figure::rate(b.traffic.rate), Tone::Plain),
        ColumnId::InFlight => Cell::new(b.traffic.in_flight.to_string(), Tone::Plain),
        ColumnId::P50 => plain(b.traffic.latency.map(|l| figure::latency(l.p50_ms))),
        ColumnId::P99 => plain(b.traffic.latency.map(|l| figure::latency(l.p99_ms))),
        ColumnId::Errors => b.traffic.error_share.map_or_else(none, errors),
        ColumnId::Spark => Cell::new("", Tone::Plain),
        ColumnId::Address => Cell::new(b.address.clone(), Tone::Plain),
        ColumnId::Cause => Cell::new(b.health.cause.clone(), Tone::Plain),
        ColumnId::By => plain(b.admin.by.clone()),
        ColumnId::Connections => Cell::new(
            format!("{}/{}", b.connections.saturating_sub(b.idle_connections), b.connections),
            Tone::Plain,
        ),
        ColumnId::Zone => plain(b.zone.clone()),
    }
}

/// The cell of a pool in the columns that pools have too; the others are covered by its name.
pub(crate) fn pool_cell(id: ColumnId, pool: &PoolView, glyphs: &Glyphs) -> Option<Cell> {
    let none = || Cell::new(glyphs.none, Tone::Muted);
    let strong = |text: Option<String>| text.map_or_else(none, |text| Cell::new(text, Tone::Strong));
    let traffic = &pool.traffic;
    match id {
        ColumnId::Rate => Some(strong(Some(figure::rate(traffic.rate)))),
        ColumnId::InFlight => Some(strong(Some(traffic.in_flight.to_string()))),
        ColumnId::P50 => Some(strong(traffic.latency.map(|l| figure::latency(l.p50_ms)))),
        ColumnId::P99 => Some(strong(traffic.latency.map(|l| figure::latency(l.p99_ms)))),
        ColumnId::Errors => Some(traffic.error_share.map_or_else(none, errors)),
        ColumnId::Name
        | ColumnId::Admin
        | ColumnId::AdminAge
        | ColumnId::Health
        | ColumnId::HealthAge
        | ColumnId::Breaker
        | ColumnId::BreakerAge
        | ColumnId::Weight
        | ColumnId::Expected
        | ColumnId::Share
        | ColumnId::Spark
        | ColumnId::Address
        | ColumnId::Cause
        | ColumnId::By
        | ColumnId::Connections
        | ColumnId::Zone => None,
    }
}

/// Orders two backends by a column: words by alphabet, figures with the greatest first, unknown last.
pub(crate) fn compare(id: ColumnId, a: &BackendView, b: &BackendView) -> Ordering {
    let figure = |value: fn(&BackendView) -> Option<f64>| match (value(a), value(b)) {
        (Some(x), Some(y)) => y.total_cmp(&x),
        (x, y) => x.is_none().cmp(&y.is_none()),
    };
    match id {
        ColumnId::Name => a.name.cmp(&b.name),
        ColumnId::Admin => b.admin.state.cmp(&a.admin.state),
        ColumnId::AdminAge => b.admin.since_ms.cmp(&a.admin.since_ms),
        ColumnId::Health => health_rank(a).cmp(&health_rank(b)),
        ColumnId::HealthAge => b.health.since_ms.cmp(&a.health.since_ms),
        ColumnId::Breaker => breaker_rank(a).cmp(&breaker_rank(b)),
        ColumnId::BreakerAge => b.breaker.since_ms.cmp(&a.breaker.since_ms),
        ColumnId::Weight => b.weight.cmp(&a.weight),
        ColumnId::Expected => figure(|b| b.share_expected),
        ColumnId::Share => figure(|b| b.share_actual),
        ColumnId::Rate | ColumnId::Spark => figure(|b| Some(b.traffic.rate)),
        ColumnId::InFlight => b.traffic.in_flight.cmp(&a.traffic.in_flight),
        ColumnId::P50 => figure(|b| b.traffic.latency.map(|l| l.p50_ms)),
        ColumnId::P99 => figure(|b| b.traffic.latency.map(|l| l.p99_ms)),
        ColumnId::Errors => figure(|b| b.traffic.error_share),
        ColumnId::Address => a.address.cmp(&b.address),
        ColumnId::Cause => a.health.cause.cmp(&b.health.cause),
        ColumnId::By => a.admin.by.cmp(&b.admin.by),
        ColumnId::Connections => b.connections.cmp(&a.connections),
        ColumnId::Zone => a.zone.cmp(&b.zone),
    }
}

/// How sentences name the columns whose titles are too short for one.
const SPOKEN: &[(ColumnId, &str)] = &[
    (ColumnId::AdminAge, "age of the admin state"),
    (ColumnId::HealthAge, "age of the health"),
    (ColumnId::BreakerAge, "age of the breaker state"),
    (ColumnId::Expected, "planned share"),
    (ColumnId::Share, "share"),
    (ColumnId::InFlight, "requests in flight"),
    (ColumnId::Spark, "requests a second"),
    (ColumnId::Rate, "requests a second"),
];

/// Name of a column for sentences.
pub(crate) fn name(id: ColumnId) -> String {
    let spoken = SPOKEN.iter().find(|(other, _)| *other == id).map(|(_, name)| (*name).to_owned());
    let title = || COLUMNS.iter().find(|column| column.id == id).map(|column| column.title.to_lowercase());
    spoken.or_else(title).unwrap_or_default()
}

/// The weight in force, beside the configured one when that differs, or with the part of it that is left.
fn weight(b: &BackendView, glyphs: &Glyphs) -> Cell {
    if let Some(ease) = b.ease.filter(|ease| *ease < 1.0 && b.eligible) {
        let both = format!("{}@{}", b.weight, figure::share(ease));
        let text = if both.chars().count() > 6 { format!("@{}", figure::share(ease)) } else { both };
        return Cell::new(text, Tone::Warn);
    }
    if b.weight == b.configured_weight {
        return Cell::new(b.weight.to_string(), Tone::Plain);
    }
    let both = format!("{}{}{}", b.configured_weight, glyphs.arrow, b.weight);
    // Two great weights do not fit side by side; the one in force is what counts.
    let text = if both.chars().count() > 6 { format!("*{}", b.weight) } else { both };
    Cell::new(text, Tone::Warn)
}

fn errors(share: f64) -> Cell {
    let tone = match share {
        s if s >= 0.05 => Tone::Bad,
        s if s >= 0.01 => Tone::Warn,
        _ => Tone::Plain,
    };
    Cell::new(figure::errors(share), tone)
}

/// Trouble first: that is what one sorts by health for.
fn health_rank(b: &BackendView) -> u8 {
    use aya_api::axis::Health;
    match b.health.state {
        Health::Down => 0,
        Health::Unknown => 1,
        Health::Warming => 2,
        Health::Up => 3,
    }
}

fn breaker_rank(b: &BackendView) -> u8 {
    use aya_api::axis::Breaker;
    match b.breaker.state {
        Breaker::Open => 0,
        Breaker::HalfOpen => 1,
        Breaker::Closed => 2,
        Breaker::Off => 3,
    }
}

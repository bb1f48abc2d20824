//! Columns of pools and algorithms.

use aya_api::view::{AlgorithmInfo, DiscoveryView, Freshness, PoolView};

use crate::render::cell::{Cell, Tone};
use crate::render::{Column, Row};

/// How many backends can get requests, out of how many.
fn eligible(pool: &PoolView) -> Cell {
    let tone = match pool.eligible {
        0 => Tone::Bad,
        some if (some as usize) < pool.backends.len() => Tone::Warn,
        _ => Tone::Good,
    };
    Cell {
        shown: format!("{}/{}", pool.eligible, pool.backends.len()),
        number: Some(f64::from(pool.eligible)),
        ..Cell::text(pool.eligible.to_string())
    }
    .toned(tone)
}

fn errors(pool: &PoolView) -> Cell {
    let cell = Cell::percent(pool.traffic.error_share);
    if cell.number.is_some_and(|share| share > 0.0) { cell.toned(Tone::Bad) } else { cell }
}

/// Where backends come from that the configuration does not name.
fn sources(pool: &PoolView) -> Cell {
    let source = |found: &DiscoveryView| match found.state {
        Freshness::Fresh => found.source.clone(),
        Freshness::Waiting | Freshness::Stale => format!("{} ({})", found.source, found.state.as_str()),
    };
    let all = pool.discovery.iter().map(source).collect::<Vec<_>>().join(", ");
    let is_fresh = pool.discovery.iter().all(|found| found.state == Freshness::Fresh);
    Cell::maybe(Some(all.as_str()).filter(|all| !all.is_empty())).toned(if is_fresh {
        Tone::Plain
    } else {
        Tone::Warn
    })
}

impl Row for PoolView {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |p, _| Cell::text(&p.name)),
        Column::right("eligible", "ELIGIBLE", |p, _| eligible(p)),
        Column::left("algorithm", "ALGORITHM", |p, _| {
            let note = p.algorithm.overridden.then(|| format!("configured: {}", p.algorithm.configured));
            let tone = if note.is_some() { Tone::Warn } else { Tone::Plain };
            Cell {
                raw: p.algorithm.name.clone(),
                ..Cell::state(&p.algorithm.in_words(), note.as_deref(), tone)
            }
        }),
        Column::right("rate", "REQ/S", |p, _| Cell::number(p.traffic.rate, 1)),
        Column::right("errors", "ERRORS %", |p, _| errors(p)),
        Column::right("p50", "P50 MS", |p, _| Cell::millis(p.traffic.latency.map(|l| l.p50_ms))),
        Column::right("p99", "P99 MS", |p, _| Cell::millis(p.traffic.latency.map(|l| l.p99_ms))),
        Column::right("in-flight", "IN FLIGHT", |p, _| Cell::count(p.traffic.in_flight)),
        Column::left("check", "CHECK", |p, _| Cell::text(&p.check)),
        Column::<Self>::left("configured", "CONFIGURED", |p, _| Cell::maybe(Some(&p.algorithm.configured)))
            .wide(),
        Column::<Self>::left("sticky", "STICKY", |p, _| Cell::maybe(p.algorithm.sticky.as_deref())).wide(),
        Column::<Self>::left("sources", "SOURCES", |p, _| sources(p)).wide(),
        Column::<Self>::left("until", "UNTIL", |p, now| Cell::until(now, p.algorithm.until_ms)).wide(),
        Column::<Self>::left("restored", "RESTORED", |p, _| {
            Cell::text(if p.algorithm.restored { "yes" } else { "no" })
        })
        .wide(),
        Column::<Self>::right("requests", "REQUESTS", |p, _| Cell::count(p.traffic.requests)).wide(),
        Column::<Self>::right("failures", "FAILURES", |p, _| Cell::count(p.traffic.failures)).wide(),
        Column::<Self>::right("rev", "REV", |p, _| Cell::count(p.rev)).wide(),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

impl Row for AlgorithmInfo {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |a, _| Cell::text(&a.name)),
        Column::left("share", "SHARE", |a, _| Cell::text(&a.share)),
        Column::left("summary", "SUMMARY", |a, _| Cell::text(&a.summary)),
        Column::left("when", "CHOOSE IT", |a, _| Cell::text(&a.when)),
        Column::left("params", "PARAMETERS", |a, _| Cell::text(params(a))).wide(),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

fn params(algorithm: &AlgorithmInfo) -> String {
    let each =
        algorithm.params.iter().map(|p| format!("{}={} ({}; {})", p.name, p.default, p.about, p.accepted));
    each.collect::<Vec<_>>().join(", ")
}

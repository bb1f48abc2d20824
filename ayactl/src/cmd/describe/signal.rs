//! What is known about a backend from outside its traffic: each number with its age and who said it.

use aya_api::view::{BackendView, SignalView};

use crate::render::Align;
use crate::render::cell::{Cell, Tone};
use crate::render::table::Grid;
use crate::time;

/// Signals that are shares of something.
const SHARES: [&str; 4] = ["cpu", "memory", "utilization", "gpu"];

/// The value for people: a share in percent, or a number.
fn value(signal: &SignalView) -> String {
    if SHARES.contains(&signal.signal.as_str()) {
        format!("{:.1} %", signal.value * 100.0)
    } else if signal.value.fract().abs() < f64::EPSILON {
        format!("{:.0}", signal.value)
    } else {
        format!("{:.2}", signal.value)
    }
}

/// The table of signals.
pub(super) fn signals(backend: &BackendView) -> Grid {
    let rows = backend.signals.iter().map(|signal| {
        let (state, tone) = if signal.stale { ("stale", Tone::Dim) } else { ("fresh", Tone::Plain) };
        vec![
            Cell::text(&signal.signal).toned(tone),
            Cell::text(value(signal)).toned(tone),
            Cell::text(format!("{:.1} s", signal.age_ms as f64 / 1e3)).toned(tone),
            Cell::text(state).toned(tone),
            Cell::text(&signal.source).toned(tone),
        ]
    });
    let headings = vec![
        ("SIGNAL", Align::Left),
        ("VALUE", Align::Right),
        ("AGE", Align::Right),
        ("STATE", Align::Left),
        ("SOURCE", Align::Left),
    ];
    Grid { headings, rows: rows.collect() }
}

/// The table of sources.
pub(super) fn sources(backend: &BackendView, now_ms: u64) -> Grid {
    let rows = backend.signal_sources.iter().map(|source| {
        let (word, tone) = if source.ok { ("ok", Tone::Good) } else { ("failing", Tone::Bad) };
        vec![
            Cell::text(&source.source),
            Cell::text(word).toned(tone),
            Cell::age(now_ms, source.since_ms),
            Cell::maybe(source.cause.as_deref()),
        ]
    });
    let headings =
        vec![("SOURCE", Align::Left), ("STATE", Align::Left), ("FOR", Align::Right), ("CAUSE", Align::Left)];
    Grid { headings, rows: rows.collect() }
}

/// What the agent wants, in one line.
pub(super) fn agent(backend: &BackendView, now_ms: u64) -> Option<String> {
    let agent = backend.agent.as_ref()?;
    let what = agent.hold.as_ref().map_or_else(
        || format!("{:.0} % of its weight", agent.weight * 100.0),
        |hold| format!("says {hold}"),
    );
    let reason = if agent.reason.is_empty() { String::new() } else { format!(": {}", agent.reason) };
    Some(format!("{what}{reason}, for {}", time::age(now_ms, agent.since_ms)))
}

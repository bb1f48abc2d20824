//! What is reported of a backend's load, on one line: fresh numbers, stale ones muted, and sources that fail.

use aya_api::view::{BackendView, SignalView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::strip::{self, Fact};
use crate::widget::table::{self, Cell};

/// Signals that are shares of something.
const SHARES: [&str; 4] = ["cpu", "memory", "utilization", "gpu"];

/// True when there is anything to show.
pub(super) fn is_known(b: &BackendView) -> bool {
    b.signal_factor < 1.0
        || !b.signals.is_empty()
        || b.agent.is_some()
        || b.signal_sources.iter().any(|source| !source.ok)
}

/// Draws the line.
pub(super) fn line(model: &Model, buf: &mut Buffer, area: Rect, b: &BackendView, label: u16) {
    table::put(buf, (area.x, area.y), label, &Cell::new("signals", Tone::Muted), model.theme);
    let factor = format!("{:.0} %", b.signal_factor * 100.0);
    let tone = if b.signal_factor < 1.0 { Tone::Warn } else { Tone::Plain };
    table::put(buf, (area.x + label, area.y), 10, &Cell::new(factor, tone), model.theme);
    let mut facts = Vec::new();
    if let Some(hold) = b.agent.as_ref().and_then(|agent| agent.hold.as_ref()) {
        facts.push(Fact::new(0, format!("agent says {hold}"), Tone::Warn));
    }
    for source in b.signal_sources.iter().filter(|source| !source.ok) {
        facts.push(Fact::new(1, format!("{} fails", source.source), Tone::Bad));
    }
    if b.signal_factor < 1.0 && b.signals.iter().all(|signal| signal.stale) {
        facts.push(Fact::new(1, "nothing fresh: drifts to the mean of the others", Tone::Warn));
    }
    facts.extend((2..).zip(&b.signals).map(|(rank, signal)| Fact::new(rank, words(signal), tone_of(signal))));
    let x = area.x + label + 11;
    strip::draw(buf, model.theme, (x, area.y), area.right().saturating_sub(x), facts);
}

fn tone_of(signal: &SignalView) -> Tone {
    if signal.stale { Tone::Muted } else { Tone::Plain }
}

/// `cpu 70% 2s ago`, or that it is stale: not everybody sees colours.
fn words(signal: &SignalView) -> String {
    let value = if SHARES.contains(&signal.signal.as_str()) {
        format!("{:.0}%", signal.value * 100.0)
    } else if signal.value.fract().abs() < f64::EPSILON {
        format!("{:.0}", signal.value)
    } else {
        format!("{:.1}", signal.value)
    };
    let age = figure::age(signal.age_ms);
    if signal.stale {
        format!("{} {value} stale {age}", signal.signal)
    } else {
        format!("{} {value} {age} ago", signal.signal)
    }
}

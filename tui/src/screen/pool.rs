//! One pool: how it picks and whom it would pick next, its parts, how it chooses its algorithm, where its backends come
//! from.

mod auto;

use aya_api::event::Event;
use aya_api::view::{DiscoveryView, Freshness, Latency, PoolView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{candidates, overview};
use crate::figure;
use crate::model::{Entry, Model};
use crate::theme::Tone;
use crate::widget::page::{self, Line};
use crate::widget::strip::{self, Fact};
use crate::widget::table::Cell;

/// Most switches of the algorithm that are listed.
const MAX_SWITCHES: usize = 8;

/// Draws the pool that is looked at.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let Some(pool) = model.page_pool() else {
        let text = match &model.page.name {
            Some(name) => format!("{name} is gone: the configuration does not name it any more"),
            None => "no pools yet: name backends in the configuration, then run `ayactl reload`".to_owned(),
        };
        let lines = [Line::Gap, Line::at(2, Cell::new(text, Tone::Muted))];
        page::draw(buf, model.theme, area, &lines, 0);
        return Some(Position::new(area.x, area.y));
    };
    strip::draw(buf, model.theme, (area.x, area.y), area.width, overview::pool_facts(model, pool, true));
    let rest = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    page::draw(buf, model.theme, rest, &lines(model, pool, area.width), model.page.scroll);
    Some(Position::new(area.x, area.y))
}

/// Lines there are now, with the first one, which does not scroll.
pub(crate) fn height(model: &Model) -> usize {
    model.page_pool().map_or(0, |pool| 1 + lines(model, pool, model.size.0).len())
}

fn lines(model: &Model, pool: &PoolView, width: u16) -> Vec<Line> {
    let mut all = vec![traffic(model, pool)];
    all.extend(pool.discovery.iter().map(|found| source(model, found)));
    let pick = model.page.asked.answer.as_deref().filter(|pick| pick.pool == pool.name);
    if let Some(cause) = &model.page.asked.error {
        all.extend(page::sentence("next", &format!("cannot be told: {cause}"), Tone::Warn, width));
    }
    if let Some(pick) = pick {
        all.extend(candidates::head(model, pick, width));
        all.extend(candidates::parts(pick));
    } else if model.page.asked.error.is_none() {
        all.push(Line::Facts("next", vec![Fact::new(0, "asking what the next pick would see", Tone::Muted)]));
    }
    if let Some(auto) = &pool.algorithm.auto {
        all.push(Line::Gap);
        all.extend(auto::lines(model, auto, width));
    }
    if let Some(pick) = pick {
        all.push(Line::Gap);
        all.extend(candidates::table(model, pick, None, width));
    }
    let switches: Vec<Line> = switches(model, &pool.name).take(MAX_SWITCHES).collect();
    if !switches.is_empty() {
        all.extend([Line::Gap, Line::heading("switches of the algorithm, newest first")]);
        all.extend(switches);
    }
    all
}

fn traffic(model: &Model, pool: &PoolView) -> Line {
    let none = || model.theme.glyphs.none.to_owned();
    let traffic = &pool.traffic;
    let latency = |value: fn(&Latency) -> f64| {
        traffic.latency.as_ref().map_or_else(none, |latency| figure::latency(value(latency)))
    };
    let facts = vec![
        Fact::new(0, format!("{}/s", figure::rate(traffic.rate)), Tone::Plain),
        Fact::new(1, format!("{} in flight", traffic.in_flight), Tone::Plain),
        Fact::new(
            2,
            format!("errors {}", traffic.error_share.map_or_else(none, figure::errors)),
            Tone::Plain,
        ),
        Fact::new(4, format!("p50 {}", latency(|l| l.p50_ms)), Tone::Plain),
        Fact::new(3, format!("p99 {}", latency(|l| l.p99_ms)), Tone::Plain),
        Fact::new(5, format!("max {}", latency(|l| l.max_ms)), Tone::Plain),
    ];
    Line::Facts("traffic", facts)
}

/// Where backends come from that no file names.
fn source(model: &Model, found: &DiscoveryView) -> Line {
    let age = |at_ms: u64| figure::age(model.shown_ms().saturating_sub(at_ms));
    let tone = if found.state == Freshness::Stale { Tone::Warn } else { Tone::Plain };
    let looked = found.looked_ms.map(|at| format!("looked {} ago", age(at)));
    Line::Facts(
        "source",
        vec![
            Fact::new(0, found.source.clone(), Tone::Plain),
            Fact::new(0, format!("{} for {}", found.state.as_str(), age(found.since_ms)), tone),
            Fact::new(1, found.cause.clone().unwrap_or_default(), tone),
            Fact::new(2, figure::plural(found.backends as usize, "backend"), Tone::Plain),
            Fact::new(3, looked.unwrap_or_default(), Tone::Muted),
        ],
    )
}

/// What the journal of the dashboard has about its algorithm.
fn switches<'m>(model: &'m Model, pool: &'m str) -> impl Iterator<Item = Line> + 'm {
    let events = model.journal.entries.iter().rev().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event.as_ref()),
        Entry::Note { .. } => None,
    });
    let own = events.filter(move |event| event.kind == "algorithm" && event.subject == pool);
    own.map(|event| switch(model, event))
}

fn switch(model: &Model, event: &Event) -> Line {
    let arrow = model.theme.glyphs.arrow;
    let age = figure::age(model.shown_ms().saturating_sub(event.at_ms));
    let change = match (&event.from, &event.to) {
        (Some(from), Some(to)) => format!("  {from} {arrow} {to}"),
        _ => String::new(),
    };
    let by = event.by.as_ref().map(|by| format!("  by {by}")).unwrap_or_default();
    let cause = if event.cause.is_empty() { String::new() } else { format!(": {}", event.cause) };
    Line::at(0, Cell::new(format!("{age:>4}{change}{by}{cause}"), Tone::Plain))
}

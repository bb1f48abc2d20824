//! What a pick sees: every backend with its score and class, or what keeps it out; and the parts of a divided pool.

use aya_api::view::{Candidate, PartView, PickExplanation, classes_in_words};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, Column, Line, left, right};
use crate::widget::strip::Fact;
use crate::widget::table::{self, Cell};

/// Widest column of backends.
const WIDEST_NAME: u16 = 32;

/// An explanation older than this says its age.
const OLD_MS: u64 = 5_000;

/// Whom the next pick takes and by what, who says so, and what classes mean.
pub(super) fn head(model: &Model, pick: &PickExplanation, width: u16) -> Vec<Line> {
    let can_pick = pick.candidates.iter().any(|candidate| candidate.excluded.is_none());
    let tone = match &pick.next {
        Some(_) => Tone::Strong,
        None if can_pick => Tone::Plain,
        None => Tone::Bad,
    };
    let next = Fact::new(0, pick.next_in_words(), tone);
    let age_ms = model.shown_ms().saturating_sub(pick.at_ms);
    let age = if age_ms > OLD_MS { format!("{} ago", figure::age(age_ms)) } else { String::new() };
    let wins = match pick.wins.as_str() {
        wins if can_pick && wins != "chance" => format!("the {wins} wins"),
        _ => String::new(),
    };
    let by = match pick.by.as_str() {
        "daemon" => "seen by no worker: what only one knows is missing".to_owned(),
        worker => format!("seen by {worker}"),
    };
    let mut lines = vec![Line::Facts(
        "next",
        vec![
            next,
            Fact::new(2, wins, Tone::Plain),
            Fact::new(3, by, Tone::Muted),
            Fact::new(1, age, Tone::Warn),
        ],
    )];
    lines.extend(page::sentence("score", &pick.unit, Tone::Plain, width));
    if let Some(classes) = classes_in_words(pick.candidates.iter().map(|one| one.class.as_deref())) {
        lines.extend(page::sentence("classes", &classes, Tone::Muted, width));
    }
    lines
}

/// The candidates in the order of the pool, so that no row dances; `own` is marked.
pub(super) fn table(model: &Model, pick: &PickExplanation, own: Option<&str>, width: u16) -> Vec<Line> {
    let widths = pick.candidates.iter().map(|candidate| table::width(in_pool(pick, candidate)));
    let longest = widths.max().unwrap_or(0);
    let longest = longest.clamp(8, WIDEST_NAME);
    let start =
        table::common_start(pick.candidates.iter().map(|candidate| in_pool(pick, candidate)), longest);
    let name = |candidate: &Candidate| {
        table::tell_apart(in_pool(pick, candidate), start, longest, model.theme.glyphs.ellipsis)
    };
    let columns: [Column; 9] = [
        left("", 1, 0),
        left("BACKEND", longest, 0),
        right("SCORE", 9, 1),
        left("CLASS", 5, 2),
        right("INFLT", 6, 4),
        right("LATENCY", 7, 6),
        right("WEIGHT", 10, 7),
        right("MEANT/GOT", 9, 5),
        left("STANDS", 20, 3),
    ];
    let rows = pick.candidates.iter().map(|candidate| {
        let mark = if own == Some(candidate.backend.as_str()) { model.theme.glyphs.marker } else { "" };
        let mut cells = vec![Cell::new(mark, Tone::Strong), Cell::new(name(candidate), Tone::Strong)];
        cells.extend(figures(model, candidate));
        cells.push(stands(pick, candidate));
        cells
    });
    if pick.candidates.is_empty() {
        return vec![Line::at(2, Cell::new("the pool has no backends", Tone::Muted))];
    }
    page::grid(&columns, rows.collect(), width)
}

/// The name of a candidate without that of its pool.
fn in_pool<'c>(pick: &PickExplanation, candidate: &'c Candidate) -> &'c str {
    let own = candidate.backend.strip_prefix(pick.pool.as_str()).and_then(|rest| rest.strip_prefix('/'));
    own.unwrap_or(&candidate.backend)
}

fn figures(model: &Model, candidate: &Candidate) -> [Cell; 6] {
    let none = || Cell::new(model.theme.glyphs.none, Tone::Muted);
    let plain = |text: String| Cell::new(text, Tone::Plain);
    let in_flight = if candidate.others > 0.0 {
        format!("{}+{:.0}", candidate.in_flight, candidate.others)
    } else {
        candidate.in_flight.to_string()
    };
    let weight = if candidate.ease < 1.0 {
        Cell::new(format!("{} at {}", candidate.weight, figure::share(candidate.ease)), Tone::Warn)
    } else {
        plain(candidate.weight.to_string())
    };
    let part = |share: Option<f64>| share.map_or_else(|| model.theme.glyphs.none.to_owned(), figure::share);
    [
        candidate.score.map_or_else(none, |score| plain(scored(score))),
        plain(candidate.class.clone().unwrap_or_default()),
        plain(in_flight),
        candidate.latency_ms.map_or_else(none, |ms| plain(figure::latency(ms))),
        weight,
        plain(format!("{}/{}", part(candidate.expected_share), part(candidate.share))),
    ]
}

/// A score in at most 9 characters.
pub(super) fn scored(score: f64) -> String {
    if score.abs() < 100_000.0 { format!("{score:.2}") } else { format!("{score:.2e}") }
}

fn stands(pick: &PickExplanation, candidate: &Candidate) -> Cell {
    if let Some(despite) = &candidate.despite {
        return Cell::new(despite.clone(), Tone::Bad);
    }
    match (&candidate.excluded, &candidate.why) {
        (Some(word), Some(why)) => Cell::new(format!("{word}: {why}"), Tone::Warn),
        (Some(word), None) => Cell::new(format!("{word} keeps it out"), Tone::Warn),
        (None, _) if pick.next.as_ref() == Some(&candidate.backend) => Cell::new("next", Tone::Good),
        (None, _) => Cell::new("can be picked", Tone::Muted),
    }
}

/// The priority groups with their zones; one line where the pool is not divided.
pub(super) fn parts(pick: &PickExplanation) -> Vec<Line> {
    if pick.parts.is_empty() {
        let text = "none: every backend is offered every request";
        return vec![Line::Facts("parts", vec![Fact::new(0, text, Tone::Muted)])];
    }
    let mut lines = Vec::new();
    for part in &pick.parts {
        let label = if lines.is_empty() { "parts" } else { "" };
        lines.push(Line::Facts(label, part_facts(part)));
        for zone in &part.zones {
            let name = zone.zone.as_deref().map_or("no zone".to_owned(), |name| format!("zone {name}"));
            let gives = 1.0 - zone.keeps;
            let (spills, tone) = match gives {
                spilled if spilled > 0.0 => (format!("{} spills over", figure::share(spilled)), Tone::Warn),
                _ => (String::new(), Tone::Plain),
            };
            let facts = vec![
                Fact::new(0, format!("  {name}"), Tone::Plain),
                Fact::new(1, format!("{} used", figure::share(zone.used)), Tone::Plain),
                Fact::new(2, format!("keeps {} of its requests", figure::share(zone.keeps)), Tone::Plain),
                Fact::new(1, spills, tone),
            ];
            lines.push(Line::Facts("", facts));
        }
    }
    lines
}

fn part_facts(part: &PartView) -> Vec<Fact> {
    let tone = if part.share > 0.0 { Tone::Plain } else { Tone::Muted };
    let healthy = if part.healthy < part.ready { Tone::Warn } else { tone };
    let panic = if part.in_panic { "PANIC: health is ignored" } else { "" };
    vec![
        Fact::new(0, format!("priority {}", part.priority), tone),
        Fact::new(1, format!("takes {} of the requests", figure::share(part.share)), tone),
        Fact::new(0, panic, Tone::Bad),
        Fact::new(2, format!("{} of {} healthy", part.healthy, part.ready), healthy),
        Fact::new(3, format!("{} used here", part.members), tone),
    ]
}

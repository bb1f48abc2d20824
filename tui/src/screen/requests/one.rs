//! One request: the way it took, its times, and every attempt with what its pick saw.

use aya_api::view::{AttemptView, RequestExplanation, Scored, classes_in_words};

use super::super::candidates;
use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, Column, Line, left, right};
use crate::widget::strip::Fact;
use crate::widget::table::{self, Cell};

/// All lines about a request.
pub(super) fn lines(model: &Model, request: &RequestExplanation, width: u16) -> Vec<Line> {
    let none = model.theme.glyphs.none;
    let mut lines =
        vec![Line::at(0, Cell::new(request.request.clone(), Tone::Strong)), answer(model, request)];
    if let Some(detail) = &request.detail {
        lines.extend(page::sentence("detail", detail, Tone::Plain, width));
    }
    let began = format!("{} UTC", figure::time_of_day(request.at_ms));
    lines.push(Line::Facts(
        "began",
        vec![
            Fact::new(0, began, Tone::Plain),
            Fact::new(1, format!("took {}", figure::latency(request.took_ms)), Tone::Plain),
            Fact::new(2, format!("client {}", request.client), Tone::Plain),
            Fact::new(3, format!("listener {}", request.listener), Tone::Plain),
        ],
    ));
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| none.to_owned());
    lines.push(Line::Facts(
        "way",
        vec![
            Fact::new(0, format!("route {}", name(&request.route)), Tone::Plain),
            Fact::new(0, format!("pool {}", name(&request.pool)), Tone::Plain),
            Fact::new(1, request.algorithm.clone().unwrap_or_default(), Tone::Accent),
        ],
    ));
    if let Some(fault) = &request.fault {
        lines.extend(page::sentence("fault", &format!("hit by {fault}"), Tone::Warn, width));
    }
    lines.push(times(request));
    lines.push(Line::Facts("id", vec![Fact::new(0, request.id.clone(), Tone::Muted)]));
    let seen = || request.attempts.iter().filter_map(|attempt| attempt.candidates.as_ref());
    if let Some(unit) = request.unit.as_ref().filter(|_| seen().next().is_some()) {
        lines.extend(page::sentence("score", unit, Tone::Muted, width));
    }
    if let Some(classes) = classes_in_words(seen().flatten().map(|scored| scored.class.as_deref())) {
        lines.extend(page::sentence("classes", &classes, Tone::Muted, width));
    }
    if request.attempts.is_empty() {
        lines.extend([Line::Gap, Line::at(0, Cell::new("no backend was asked", Tone::Warn))]);
    }
    for (number, attempt) in (1..).zip(&request.attempts) {
        lines.push(Line::Gap);
        lines.extend(attempt_lines(model, number, attempt, width));
    }
    lines
}

fn answer(model: &Model, request: &RequestExplanation) -> Line {
    let none = model.theme.glyphs.none;
    let status = if request.status == 0 { format!("{none} (no answer)") } else { request.status.to_string() };
    let facts = vec![
        Fact::new(0, status, super::tone(request)),
        Fact::new(1, request.reason.clone().unwrap_or_default(), super::tone(request)),
        Fact::new(2, format!("kept because: {}", request.kept_for()), Tone::Muted),
    ];
    Line::Facts("answer", facts)
}

fn times(request: &RequestExplanation) -> Line {
    let steps = [
        ("picked", request.picked_ms),
        ("connected", request.connected_ms),
        ("first byte", request.first_byte_ms),
    ];
    let known =
        steps.iter().filter_map(|(name, at)| Some(format!("{name} after {}", figure::latency((*at)?))));
    let mut facts: Vec<Fact> =
        (0..).zip(known).map(|(rank, text)| Fact::new(rank, text, Tone::Plain)).collect();
    if facts.is_empty() {
        facts.push(Fact::new(0, "only those of its tries: it was not sampled", Tone::Muted));
    }
    Line::Facts("times", facts)
}

fn attempt_lines(model: &Model, number: usize, attempt: &AttemptView, width: u16) -> Vec<Line> {
    let is_good = attempt.outcome.parse::<u16>().is_ok_and(|status| status < 500);
    let tone = if is_good { Tone::Good } else { Tone::Bad };
    let facts = vec![
        Fact::new(0, attempt.backend.clone(), Tone::Strong),
        Fact::new(0, attempt.outcome.clone(), tone),
        Fact::new(1, format!("after {}", figure::latency(attempt.began_ms)), Tone::Plain),
        Fact::new(1, format!("took {}", figure::latency(attempt.took_ms)), Tone::Plain),
        Fact::new(2, format!("as one of {:.0} in flight", attempt.in_flight.max(1.0)), Tone::Plain),
    ];
    let mut lines = vec![Line::Facts(label(number), facts)];
    if let Some(detail) = &attempt.detail {
        lines.extend(page::sentence("", detail, Tone::Plain, width));
    }
    match &attempt.candidates {
        None => {
            let text = "what the pick saw is no longer known, or a session bound the client";
            lines.push(Line::Facts("", vec![Fact::new(0, text, Tone::Muted)]));
        }
        Some(candidates) => lines.extend(seen(model, attempt, candidates, width)),
    }
    lines
}

/// `try 3`; there are never more than a handful.
fn label(number: usize) -> &'static str {
    const LABELS: [&str; 9] =
        ["try 1", "try 2", "try 3", "try 4", "try 5", "try 6", "try 7", "try 8", "try 9"];
    LABELS.get(number - 1).copied().unwrap_or("try")
}

fn seen(model: &Model, attempt: &AttemptView, candidates: &[Scored], width: u16) -> Vec<Line> {
    let longest = candidates.iter().map(|scored| table::width(&scored.backend)).max().unwrap_or(0);
    let columns: [Column; 6] = [
        left("", 1, 0),
        left("CANDIDATE", longest.clamp(9, 40), 0),
        right("SCORE", 9, 1),
        left("CLASS", 5, 2),
        right("INFLT", 5, 3),
        left("", 6, 0),
    ];
    let rows = candidates.iter().enumerate().map(|(place, scored)| {
        let is_picked = place == 0;
        vec![
            Cell::new(if is_picked { model.theme.glyphs.marker } else { "" }, Tone::Strong),
            Cell::new(scored.backend.clone(), Tone::Plain),
            scored.score.map_or_else(
                || Cell::new(model.theme.glyphs.none, Tone::Muted),
                |score| Cell::new(candidates::scored(score), Tone::Plain),
            ),
            Cell::new(scored.class.clone().unwrap_or_default(), Tone::Plain),
            Cell::new(scored.in_flight.to_string(), Tone::Plain),
            Cell::new(if is_picked { "picked" } else { "" }, Tone::Strong),
        ]
    });
    let mut lines = page::grid(&columns, rows.collect(), width);
    if attempt.left_out > 0 {
        let text = format!("and {} more that were not recorded", attempt.left_out);
        lines.push(Line::at(3, Cell::new(text, Tone::Muted)));
    }
    lines
}

//! Gates and steps of a run, as many as leave room for its plot: of gates those that fail first, of steps those around the
//! one that runs.

use aya_api::run::{GateState, GateView, RunBody, StepView};

use crate::figure;
use crate::model::Model;
use crate::screen::chaos::value_in_words;
use crate::theme::Tone;
use crate::widget::page::Line;
use crate::widget::strip::Fact;

/// Lines of gates and steps, at most `room` where that is enough for one of each.
pub(super) fn lines(model: &Model, run: &RunBody, room: usize) -> Vec<Line> {
    let (gates, steps) = (run.gates.len(), run.steps.len());
    let for_gates = gates.min(room.saturating_sub(steps).max(room / 2)).max(1);
    let for_steps = room.saturating_sub(for_gates.min(gates)).max(1);
    let mut lines = gate_lines(model, &run.gates, for_gates);
    lines.extend(step_lines(model, &run.steps, for_steps));
    lines
}

fn gate_lines(model: &Model, gates: &[GateView], room: usize) -> Vec<Line> {
    let shown = if gates.len() <= room { room } else { room.saturating_sub(1) };
    let mut order: Vec<usize> = (0..gates.len()).collect();
    order.sort_by_key(|at| match gates[*at].state {
        GateState::Fails => 0,
        GateState::Unknown => 1,
        GateState::Holds => 2,
    });
    order.truncate(shown);
    order.sort_unstable();
    let mut lines: Vec<Line> =
        order.iter().enumerate().map(|(line, at)| gate_line(model, line, &gates[*at])).collect();
    if order.len() < gates.len() {
        let hidden: Vec<&GateView> =
            gates.iter().enumerate().filter(|(at, _)| !order.contains(at)).map(|(_, gate)| gate).collect();
        let failing = hidden.iter().filter(|gate| gate.state == GateState::Fails).count();
        let (words, tone) = match failing {
            0 if hidden.iter().all(|gate| gate.state == GateState::Holds) => {
                ("all hold".to_owned(), Tone::Muted)
            }
            0 => ("none fails".to_owned(), Tone::Muted),
            1 => ("1 FAILS".to_owned(), Tone::Bad),
            some => (format!("{some} FAIL"), Tone::Bad),
        };
        let (label, what) = if lines.is_empty() { ("gates", "in all") } else { ("", "more") };
        let text = format!("{} {what}: {words}", hidden.len());
        lines.push(Line::Facts(label, vec![Fact::new(0, text, tone)]));
    }
    lines
}

fn step_lines(model: &Model, steps: &[StepView], room: usize) -> Vec<Line> {
    let last_begun = steps.iter().rposition(|step| step.started_ms.is_some()).unwrap_or(0);
    let shown = if steps.len() <= room { steps.len() } else { room.saturating_sub(1).max(1) };
    // The one that runs, with what follows.
    let first = last_begun.saturating_sub(shown / 2).min(steps.len() - shown);
    let window = steps.iter().enumerate().skip(first).take(shown);
    let mut lines: Vec<Line> =
        window.enumerate().map(|(line, (at, step))| step_line(model, (line, at), step)).collect();
    if shown < steps.len() && shown < room {
        let text = format!("{} before, {} after", first, steps.len() - first - shown);
        lines.push(Line::Facts("", vec![Fact::new(0, text, Tone::Muted)]));
    }
    lines
}

fn gate_line(model: &Model, at: usize, gate: &GateView) -> Line {
    let glyphs = model.theme.glyphs;
    let (sign, word, tone) = match gate.state {
        GateState::Holds => (glyphs.good, "holds", Tone::Good),
        GateState::Fails => (glyphs.bad, "FAILS", Tone::Bad),
        GateState::Unknown => (glyphs.none, "not known yet", Tone::Muted),
    };
    let value = gate.value.map(|value| format!("is {}", value_in_words(&gate.condition, value)));
    let facts = vec![
        Fact::new(0, format!("{sign} {word}"), tone),
        Fact::new(0, gate.condition.clone(), Tone::Plain),
        Fact::new(1, value.unwrap_or_default(), Tone::Plain),
    ];
    Line::Facts(if at == 0 { "gates" } else { "" }, facts)
}

fn step_line(model: &Model, (line, at): (usize, usize), step: &StepView) -> Line {
    let now_ms = model.shown_ms();
    let (word, tone) = match (step.started_ms, step.ended_ms) {
        (None, _) => ("waits".to_owned(), Tone::Muted),
        (Some(from), None) => (format!("for {}", figure::span(now_ms.saturating_sub(from))), Tone::Accent),
        (Some(from), Some(until)) => {
            (format!("took {}", figure::span(until.saturating_sub(from))), Tone::Plain)
        }
    };
    let facts = vec![
        Fact::new(0, format!("{}. {}", at + 1, step.what), Tone::Plain),
        Fact::new(1, word, tone),
        Fact::new(2, step.outcome.clone().unwrap_or_default(), Tone::Muted),
    ];
    Line::Facts(if line == 0 { "steps" } else { "" }, facts)
}

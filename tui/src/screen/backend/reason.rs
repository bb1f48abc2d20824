//! Why a backend gets the share it gets: a few lines over its past, or all of it in place of the past.

use aya_api::view::BackendExplanation;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::candidates;
use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, LABEL, Line};
use crate::widget::strip::Fact;
use crate::widget::table;

/// Lines there are below which the past is worth more than all reasons.
const LOW: u16 = 14;

/// The lines that stand over the past, in a window with `room` lines for both.
pub(super) fn short(model: &Model, room: u16, width: u16) -> Vec<Line> {
    let most = usize::from(if room < LOW { 3 } else { room / 2 });
    let mut lines = said(model, width);
    if lines.len() > most {
        let more = lines.len() - (most - 1);
        lines.truncate(most - 1);
        let text = format!("+{}: e shows all of it", figure::plural(more, "line"));
        lines.push(Line::Facts("", vec![Fact::new(0, text, Tone::Muted)]));
    }
    lines
}

/// Everything: the reasons, then the pick it stands in.
pub(super) fn full(model: &Model, width: u16) -> Vec<Line> {
    let mut lines = said(model, width);
    if let Some(BackendExplanation { pick, .. }) = model.why.asked.answer.as_deref() {
        lines.push(Line::Gap);
        lines.extend(candidates::head(model, pick, width));
        lines.extend(candidates::parts(pick));
        lines.push(Line::Gap);
        lines.extend(candidates::table(model, pick, model.table.selected.as_deref(), width));
    }
    lines
}

/// Draws `lines` from the one numbered `first` on.
pub(super) fn draw(model: &Model, buf: &mut Buffer, area: Rect, lines: &[Line], first: usize) {
    page::draw(buf, model.theme, area, lines, first);
}

fn said(model: &Model, width: u16) -> Vec<Line> {
    let asked = &model.why.asked;
    let mut lines = Vec::new();
    if let Some(why) = asked.answer.as_deref() {
        lines.extend(page::sentence("why", &why.verdict, Tone::Strong, width));
        for reason in &why.reasons {
            lines.extend(bullet(reason, width));
        }
    }
    match &asked.error {
        Some(cause) => {
            let text = format!("its share cannot be explained: {cause}");
            lines.extend(page::sentence("why", &text, Tone::Warn, width));
        }
        None if lines.is_empty() => {
            let fact = Fact::new(0, "asking why it gets its share", Tone::Muted);
            lines.push(Line::Facts("why", vec![fact]));
        }
        None => {}
    }
    lines
}

/// A reason, with its further lines below its first word.
fn bullet(text: &str, width: u16) -> Vec<Line> {
    let wrapped = table::wrap(text, width.saturating_sub(LABEL + 2).max(1));
    let line = |(at, part): (usize, String)| {
        let lead = if at == 0 { "-" } else { " " };
        Line::Facts("", vec![Fact::new(0, format!("{lead} {part}"), Tone::Plain)])
    };
    wrapped.into_iter().enumerate().map(line).collect()
}

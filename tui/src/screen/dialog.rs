//! Questions over the screen: a change to confirm, a weight to type, an algorithm to choose.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::message::BackendRef;
use crate::model::{Dialog, Model};
use crate::plan::Plan;
use crate::theme::Tone;
use crate::widget::frame;
use crate::widget::table::{self, Cell};

/// Cells of the labels on the left.
const LABEL: u16 = 10;

/// Widest content of a question.
const WIDEST: u16 = 74;

/// Draws the open dialog, when one is, and says where its focus is.
pub(super) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    match model.dialog.as_ref()? {
        Dialog::Filter { .. } => None,
        Dialog::Weight { target, text } => Some(weight(model, buf, area, target, text)),
        Dialog::Algorithm { pool, position } => Some(algorithms(model, buf, area, pool, *position)),
        Dialog::Confirm { plan, yes } => Some(confirm(model, buf, area, plan, *yes)),
    }
}

fn confirm(model: &Model, buf: &mut Buffer, area: Rect, plan: &Plan, yes: bool) -> Position {
    let theme = model.theme;
    let width = WIDEST.min(area.width.saturating_sub(6));
    let lines = plan_lines(model, plan, width.saturating_sub(LABEL));
    // The answer must be visible even where the reasons are not.
    let kept = lines.len().min(usize::from(area.height.saturating_sub(4)));
    let size = (width, u16::try_from(kept).unwrap_or(u16::MAX).saturating_add(2));
    let content = frame::draw(buf, theme, area, size, &plan.title);
    for (y, (label, cell)) in (content.top()..content.bottom().saturating_sub(2)).zip(lines) {
        table::put(buf, (content.x, y), LABEL, &Cell::new(label, Tone::Muted), theme);
        table::put(buf, (content.x + LABEL, y), content.width.saturating_sub(LABEL), &cell, theme);
    }
    let y = content.bottom().saturating_sub(1);
    let (no_x, yes_x) = (content.x + LABEL, content.x + LABEL + 13);
    let tone = |focus: bool| if focus { Tone::Selected } else { Tone::Plain };
    let mark = |focus: bool, text: &str| if focus { format!("[ {text} ]") } else { format!("  {text}  ") };
    table::put(buf, (no_x, y), 12, &Cell::new(mark(!yes, "No (n)"), tone(!yes)), theme);
    table::put(buf, (yes_x, y), 12, &Cell::new(mark(yes, "Yes (y)"), tone(yes)), theme);
    Position::new(if yes { yes_x } else { no_x }, y)
}

fn plan_lines(model: &Model, plan: &Plan, width: u16) -> Vec<(String, Cell)> {
    let arrow = model.theme.glyphs.arrow;
    let (name, before, after) = &plan.change;
    let mut lines = vec![(name.clone(), Cell::new(format!("{before} {arrow} {after}"), Tone::Strong))];
    for (index, (backend, before, after)) in plan.shares.iter().enumerate() {
        let label = if index == 0 { "shares" } else { "" };
        let tone = if index == 0 { Tone::Strong } else { Tone::Plain };
        let text = format!("{backend:<16} {before:>4} {arrow} {after:>4}");
        lines.push((label.into(), Cell::new(text, tone)));
    }
    let mut label = "effect";
    for (tone, text) in &plan.effects {
        for line in table::wrap(text, width) {
            lines.push((label.into(), Cell::new(line, *tone)));
            label = "";
        }
    }
    lines.push(("same as".into(), Cell::new(plan.order.wish.command(), Tone::Accent)));
    lines
}

fn weight(model: &Model, buf: &mut Buffer, area: Rect, target: &BackendRef, text: &str) -> Position {
    let theme = model.theme;
    let content = frame::draw(buf, theme, area, (40, 2), &format!("Weight of {}", target.id()));
    let now = model.backend(&target.id()).map_or(0, |(_, backend)| backend.weight);
    let hint = Cell::new(format!("now {now}; 0 to {}", aya_api::command::weight::MAX_WEIGHT), Tone::Muted);
    table::put(buf, (content.x, content.y), content.width, &hint, theme);
    let y = content.y + 1;
    let end =
        table::put(buf, (content.x, y), content.width, &Cell::new(format!("> {text}"), Tone::Strong), theme);
    Position::new(end, y)
}

fn algorithms(model: &Model, buf: &mut Buffer, area: Rect, pool: &str, position: usize) -> Position {
    let theme = model.theme;
    let all = &model.algorithms;
    let width = area.width.saturating_sub(8).min(110);
    let list_height =
        u16::try_from(all.len()).unwrap_or(u16::MAX).clamp(1, area.height.saturating_sub(4).max(1));
    let title = format!("Algorithm of {pool}");
    let content = frame::draw(buf, theme, area, (width, list_height + 2), &title);
    if all.is_empty() {
        let cell = Cell::new("asking ayad which algorithms it knows", Tone::Muted);
        table::put(buf, (content.x, content.y), content.width, &cell, theme);
        return Position::new(content.x, content.y);
    }
    let running = model.pool(pool).map(crate::plan::choice);
    let first = (position + 1).saturating_sub(usize::from(list_height));
    let mut focus = Position::new(content.x, content.y);
    for (at, y) in (first..all.len()).zip(content.y..content.y + list_height) {
        let now = if running == Some(all[at].name.as_str()) { " (now)" } else { "" };
        let tone = if at == position { Tone::Selected } else { Tone::Plain };
        table::put(buf, (content.x, y), 32, &Cell::new(format!("{}{now}", all[at].name), tone), theme);
        let summary = Cell::new(all[at].summary.clone(), Tone::Muted);
        table::put(buf, (content.x + 33, y), content.width.saturating_sub(33), &summary, theme);
        if at == position {
            focus = Position::new(content.x, y);
        }
    }
    if let Some(chosen) = all.get(position) {
        let when = Cell::new(chosen.when.clone(), Tone::Accent);
        table::put(buf, (content.x, content.bottom().saturating_sub(1)), content.width, &when, theme);
    }
    focus
}

//! The keys, made from the keymap: what is not in that table does not work and is not promised. Below them,
//! what the titles of the overview mean.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::keymap::BINDINGS;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::table::{self, Cell};

/// Cells of the column of keys.
const KEYS: u16 = 10;

/// What the titles of the overview mean.
const LEGEND: &[(&str, &str)] = &[
    ("figures", "cover 10 s; a dash is not known, not zero"),
    ("FOR", "how long the state to its left has lasted"),
    ("WEIGHT", "2@40%: it gets 40% of its weight of 2"),
    ("PLAN", "share of its pool the algorithm means it to get"),
    ("GOT", "share of its pool it got"),
    ("INFLT", "requests in flight now"),
    ("CONNS", "connections to it: in use/open"),
];

/// From this width on, the groups stand in two columns.
const TWO_COLUMNS: u16 = 100;

/// Draws the keys by group.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let lines = lines(model);
    let split = split(&lines, area.width);
    let width = if split < lines.len() { area.width / 2 } else { area.width };
    for (column, lines) in (0..).zip([&lines[..split], &lines[split..]]) {
        let place = Rect { x: area.x + column * width, width, ..area };
        draw_lines(model, buf, place, lines);
    }
    Some(Position::new(area.x, area.y))
}

/// Lines of the longer column.
pub(crate) fn height(model: &Model) -> usize {
    let lines = lines(model);
    let split = split(&lines, model.size.0);
    split.max(lines.len() - split)
}

/// Where the second column starts: at the heading nearest to the middle, or nowhere in a narrow terminal.
fn split(lines: &[Line], width: u16) -> usize {
    if width < TWO_COLUMNS {
        return lines.len();
    }
    let middle = lines.len() / 2;
    let headings = (1..lines.len()).filter(|at| lines[at - 1].1.is_empty());
    headings.min_by_key(|at| at.abs_diff(middle)).unwrap_or(lines.len())
}

fn draw_lines(model: &Model, buf: &mut Buffer, area: Rect, lines: &[Line]) {
    let theme = model.theme;
    for (y, (keys, text)) in (area.top()..area.bottom()).zip(lines.iter().skip(model.help_scroll)) {
        let Some(keys) = keys else {
            table::put(buf, (area.x, y), area.width, &Cell::new(text.as_str(), Tone::Strong), theme);
            continue;
        };
        table::put(buf, (area.x + 2, y), KEYS, &Cell::new(keys.as_str(), Tone::Accent), theme);
        let room = area.width.saturating_sub(2 + KEYS + 1);
        let text = Cell::new(text.as_str(), Tone::Plain);
        table::put(buf, (area.x + 2 + KEYS + 1, y), room, &text, theme);
    }
}

/// A heading without keys, or a binding with them.
type Line = (Option<String>, String);

/// All lines: headings without keys, bindings with keys. Without `Unicode`, arrows are spelled out.
fn lines(model: &Model) -> Vec<Line> {
    let ascii = model.theme.glyphs.arrow.is_ascii();
    let label = |label: &str| {
        if ascii {
            label
                .replace('←', "Left")
                .replace('→', "Right")
                .replace('↑', "Up")
                .replace('↓', "Down")
                .replace('⌫', "BS")
        } else {
            label.to_owned()
        }
    };
    let mut lines = Vec::new();
    let mut group = "";
    for binding in BINDINGS {
        if binding.group != group {
            group = binding.group;
            if !lines.is_empty() {
                lines.push((None, String::new()));
            }
            lines.push((None, group.to_owned()));
        }
        lines.push((Some(label(binding.label)), binding.help.to_owned()));
    }
    lines.push((None, String::new()));
    lines.push((None, "Read the table".into()));
    for (title, meaning) in LEGEND {
        lines.push((Some((*title).to_owned()), (*meaning).to_owned()));
    }
    lines
}

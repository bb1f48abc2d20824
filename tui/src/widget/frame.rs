//! A box in the middle of the screen, with what is behind it cleared.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Cell};
use crate::theme::{Theme, Tone};

/// Draws an empty box for `width` by `height` cells of content in the middle of `area` and returns the
/// content's place; it is smaller when `area` is.
pub(crate) fn draw(buf: &mut Buffer, theme: Theme, area: Rect, size: (u16, u16), title: &str) -> Rect {
    let width = size.0.saturating_add(4).min(area.width);
    let height = size.1.saturating_add(2).min(area.height);
    let outer =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let [top_left, top_right, bottom_left, bottom_right, across, down] = theme.glyphs.frame;
    let style = theme.style(Tone::Accent);
    for y in outer.top()..outer.bottom() {
        for x in outer.left()..outer.right() {
            let (left, right) = (x == outer.left(), x + 1 == outer.right());
            let (top, bottom) = (y == outer.top(), y + 1 == outer.bottom());
            let symbol = match (top, bottom, left, right) {
                (true, _, true, _) => top_left,
                (true, _, _, true) => top_right,
                (_, true, true, _) => bottom_left,
                (_, true, _, true) => bottom_right,
                (true, ..) | (_, true, ..) => across,
                (_, _, true, _) | (.., true) => down,
                _ => " ",
            };
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
                cell.set_symbol(symbol).set_style(style);
            }
        }
    }
    let title = Cell::new(format!(" {title} "), Tone::Strong);
    table::put(buf, (outer.x + 2, outer.y), outer.width.saturating_sub(4), &title, theme);
    Rect {
        x: outer.x + 2,
        y: outer.y + 1,
        width: outer.width.saturating_sub(4),
        height: outer.height.saturating_sub(2),
    }
}

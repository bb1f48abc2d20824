//! Horizontal bars with a label on the left and a figure on the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Cell, Slot};
use crate::theme::{Theme, Tone};

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: u64,
    pub(crate) figure: String,
}

/// Draws `bars` from top to bottom, scaled to the longest; what does not fit is left out.
pub(crate) fn draw(buf: &mut Buffer, theme: Theme, area: Rect, bars: &[Bar]) {
    let widest = |text: fn(&Bar) -> &str| bars.iter().map(|bar| table::width(text(bar))).max().unwrap_or(0);
    let (labels, figures) = (widest(|bar| &bar.label), widest(|bar| &bar.figure));
    let room = area.width.saturating_sub(labels + figures + 2);
    let top = bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
    for (y, bar) in (area.top()..area.bottom()).zip(bars) {
        let label = Slot { x: area.x, width: labels, right: true };
        table::draw_cell(buf, theme, y, label, &Cell::new(bar.label.clone(), Tone::Muted));
        let exact = bar.value as f64 / top as f64 * f64::from(room);
        let length = if bar.value > 0 { (exact.round() as usize).max(1) } else { 0 };
        let text = theme.glyphs.bar.repeat(length.min(usize::from(room)));
        table::put(buf, (area.x + labels + 1, y), room, &Cell::new(text, Tone::Accent), theme);
        let figure = Slot { x: area.x + labels + 1 + room + 1, width: figures, right: true };
        table::draw_cell(buf, theme, y, figure, &Cell::new(bar.figure.clone(), Tone::Plain));
    }
}

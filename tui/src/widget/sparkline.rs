//! Values over time as bars in eighths of a cell, one line high or more, with the scale given by the caller,
//! so that neighbours compare and nothing jumps by itself.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::theme::{Theme, Tone};

/// Draws `values`, oldest first, so that the newest stands at the right edge; `top` fills the height.
/// More values than columns are averaged, fewer leave the left empty. Where `marks` says so, one for each value or none
/// at all, the bar looks like something that people did.
pub(crate) fn draw(buf: &mut Buffer, theme: Theme, area: Rect, values: &[u32], top: u64, marks: &[bool]) {
    let area = area.intersection(buf.area);
    if area.is_empty() || values.is_empty() {
        return;
    }
    let columns = resample(values, usize::from(area.width));
    let start = area.right() - u16::try_from(columns.len()).unwrap_or(area.width);
    let height = u64::from(area.height);
    let count = columns.len();
    for (at, (x, value)) in (start..).zip(columns).enumerate() {
        let marked = part(marks, at, count).contains(&true);
        let tone = if marked { Tone::Warn } else { Tone::Accent };
        let eighths = eighths(value, top.max(1), height * 8);
        for level in 0..area.height {
            let filled = eighths.saturating_sub(u64::from(level) * 8).min(8);
            let glyph = theme.glyphs.levels[filled as usize];
            let y = area.bottom() - 1 - level;
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.set_symbol(glyph).set_style(theme.style(tone));
            }
        }
    }
}

/// A value above zero is always seen.
fn eighths(value: f64, top: u64, full: u64) -> u64 {
    if value <= 0.0 {
        return 0;
    }
    let scaled = (value * full as f64 / top as f64).round() as u64;
    scaled.clamp(1, full)
}

fn resample(values: &[u32], columns: usize) -> Vec<f64> {
    let count = values.len();
    if count <= columns {
        return values.iter().copied().map(f64::from).collect();
    }
    (0..columns)
        .map(|column| {
            let part = part(values, column, columns);
            part.iter().copied().map(f64::from).sum::<f64>() / part.len() as f64
        })
        .collect()
}

/// The values that column number `column` of `columns` stands for.
fn part<T>(values: &[T], column: usize, columns: usize) -> &[T] {
    let count = values.len();
    if count == 0 {
        return &[];
    }
    let (from, to) = (column * count / columns, (column + 1) * count / columns);
    &values[from..to.max(from + 1).min(count)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_values_in_ten_columns_keep_their_mean() {
        let values: Vec<u32> = (0..60).collect();
        let columns = resample(&values, 10);
        assert_eq!(columns.len(), 10);
        assert!((columns.iter().sum::<f64>() / 10.0 - 29.5).abs() < 1e-9);
    }

    #[test]
    fn little_is_seen_and_too_much_is_cut() {
        assert_eq!(eighths(0.01, 1_000, 8), 1);
        assert_eq!(eighths(0.0, 1_000, 8), 0);
        assert_eq!(eighths(5_000.0, 1_000, 8), 8);
    }
}

//! A line of cells at fixed places: figures at the right edge, words at the left, too much cut with a sign.

use ratatui::buffer::Buffer;
use ratatui::text::Span;

use crate::theme::{Theme, Tone};

/// Text with its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

/// Where a cell goes on its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) x: u16,
    pub(crate) width: u16,
    /// Ends at the right edge.
    pub(crate) right: bool,
}

/// Draws `cell` into `slot` on line `y`.
pub(crate) fn draw_cell(buf: &mut Buffer, theme: Theme, y: u16, slot: Slot, cell: &Cell) {
    let text = cut(&cell.text, slot.width, theme.glyphs.ellipsis);
    let indent = if slot.right { slot.width.saturating_sub(width(&text)) } else { 0 };
    put(buf, (slot.x + indent, y), slot.width - indent, &Cell { text, tone: cell.tone }, theme);
}

/// Draws `cell` at `at`, at most `max` cells wide, and returns the column after it. Outside of the buffer
/// nothing happens.
pub(crate) fn put(buf: &mut Buffer, at: (u16, u16), max: u16, cell: &Cell, theme: Theme) -> u16 {
    let (x, y) = at;
    let area = buf.area;
    if x < area.left() || x >= area.right() || y < area.top() || y >= area.bottom() {
        return x;
    }
    let text = cut(&cell.text, max.min(area.right() - x), theme.glyphs.ellipsis);
    buf.set_stringn(x, y, text, usize::from(max), theme.style(cell.tone)).0
}

/// Cells that `text` takes.
pub(crate) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// `text`, cut to `max` cells with `ellipsis` at the end when it is longer.
pub(crate) fn cut(text: &str, max: u16, ellipsis: &str) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(width(ellipsis));
    let mut kept = String::new();
    let mut used = 0;
    let mut one = [0; 4];
    for c in text.chars() {
        used += width(c.encode_utf8(&mut one));
        if used > room {
            break;
        }
        kept.push(c);
    }
    if max > 0 {
        kept.push_str(ellipsis);
    }
    kept
}

/// Fewest characters that names must begin with alike before it is worth to leave them out.
const WORTH: usize = 4;

/// How many bytes the names wider than `max` begin with alike; 0 when that is next to nothing.
pub(crate) fn common_start<'n>(names: impl Iterator<Item = &'n str>, max: u16) -> usize {
    let mut wide = names.filter(|name| width(name) > max);
    let Some(first) = wide.next() else { return 0 };
    let mut common = first.len();
    let mut count = 1;
    for name in wide {
        let alike = first.char_indices().zip(name.chars()).find(|((_, a), b)| a != b);
        common = common.min(alike.map_or(first.len().min(name.len()), |((at, _), _)| at));
        count += 1;
    }
    if count > 1 && first[..common].chars().count() >= WORTH { common } else { 0 }
}

/// `name`, without its first `start` bytes when it is wider than `max`: what tells names apart must not be cut off.
pub(crate) fn tell_apart(name: &str, start: usize, max: u16, ellipsis: &str) -> String {
    match name.get(start..) {
        Some(rest) if start > 0 && !rest.is_empty() && width(name) > max => format!("{ellipsis}{rest}"),
        _ => name.to_owned(),
    }
}

/// `text` in lines of at most `max` cells, broken between words where there are any.
pub(crate) fn wrap(text: &str, max: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_fits_and_says_that_it_was_cut() {
        assert_eq!(cut("web-1", 5, "…"), "web-1");
        assert_eq!(cut("web-12", 5, "…"), "web-…");
        assert_eq!(cut("中文字", 5, "…"), "中文…");
        assert_eq!(cut("abc", 1, "…"), "…");
        assert_eq!(cut("abc", 0, "…"), "");
    }

    #[test]
    fn names_that_begin_alike_are_told_apart() {
        let names = ["backend-in-frankfurt-1", "backend-in-frankfurt-2", "short"];
        let start = common_start(names.into_iter(), 12);
        let shown = names.map(|name| cut(&tell_apart(name, start, 12, "…"), 12, "…"));
        assert_eq!(shown, ["…1", "…2", "short"]);
        assert_eq!(common_start(["backend-in-frankfurt-1", "cache-in-frankfurt-1"].into_iter(), 12), 0);
        assert_eq!(common_start(["backend-in-frankfurt-1", "web-1"].into_iter(), 12), 0);
        assert_eq!(tell_apart("abc", 3, 2, "…"), "abc");
    }

    #[test]
    fn wrapped_lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""; 0]);
    }
}

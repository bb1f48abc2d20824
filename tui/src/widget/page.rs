//! Lines that may be more than the window has: labelled facts, sentences, and grids whose least important columns give
//! way when it gets narrow.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::strip::{self, Fact};
use super::table::{self, Cell, Slot};
use crate::theme::{Theme, Tone};

/// Cells of the labels on the left.
pub(crate) const LABEL: u16 = 9;

/// Cells between two columns of a grid.
const GAP: u16 = 2;

/// One line.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// A label, and facts of which the least important give way.
    Facts(&'static str, Vec<Fact>),
    /// Cells, each this far from the left edge.
    Cells(Vec<(Slot, Cell)>),
    /// Nothing.
    Gap,
}

impl Line {
    /// A heading over what follows.
    pub(crate) fn heading(text: impl Into<String>) -> Self {
        Self::at(0, Cell::new(text, Tone::Title))
    }

    /// One cell that takes the line from `x` on.
    pub(crate) fn at(x: u16, cell: Cell) -> Self {
        Self::Cells(vec![(Slot { x, width: u16::MAX, right: false }, cell)])
    }
}

/// A sentence behind a label, on as many lines of `width` cells as it needs.
pub(crate) fn sentence(label: &'static str, text: &str, tone: Tone, width: u16) -> Vec<Line> {
    let wrapped = table::wrap(text, width.saturating_sub(LABEL).max(1));
    let lines = wrapped.into_iter().enumerate().map(|(at, part)| {
        let label = if at == 0 { label } else { "" };
        Line::Facts(label, vec![Fact::new(0, part, tone)])
    });
    lines.collect()
}

/// A column of a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Cells it takes; the last column takes what is left, too.
    pub(crate) width: u16,
    /// Cells it takes more where there is room, before the last does.
    pub(crate) more: u16,
    /// Figures stand at the right edge.
    pub(crate) right: bool,
    /// 0 is kept longest.
    pub(crate) rank: u8,
}

impl Column {
    /// The same, which may have `more` cells where there is room.
    pub(crate) const fn up_to(self, more: u16) -> Self {
        Self { more, ..self }
    }
}

/// A column of words.
pub(crate) const fn left(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, more: 0, right: false, rank }
}

/// A column of figures.
pub(crate) const fn right(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, more: 0, right: true, rank }
}

/// Titles and rows, in `width` cells. Each row has a cell for each column.
pub(crate) fn grid(columns: &[Column], rows: Vec<Vec<Cell>>, width: u16) -> Vec<Line> {
    let slots = slots(columns, width);
    let titles = columns.iter().map(|column| Cell::new(column.title, Tone::Title)).collect();
    let line = |cells: Vec<Cell>| {
        let kept = slots.iter().zip(cells).filter_map(|(slot, cell)| Some(((*slot)?, cell)));
        Line::Cells(kept.collect())
    };
    std::iter::once(titles).chain(rows).map(line).collect()
}

/// The place of each column that is kept.
fn slots(columns: &[Column], width: u16) -> Vec<Option<Slot>> {
    let mut kept: Vec<bool> = vec![true; columns.len()];
    let used = |kept: &[bool]| {
        let widths =
            columns.iter().zip(kept).filter(|(_, kept)| **kept).map(|(column, _)| column.width + GAP);
        widths.sum::<u16>().saturating_sub(GAP)
    };
    while used(&kept) > width {
        let shown = columns.iter().enumerate().filter(|(at, column)| kept[*at] && column.rank > 0);
        let Some((last, _)) = shown.max_by_key(|(_, column)| column.rank) else { break };
        kept[last] = false;
    }
    let mut spare = width.saturating_sub(used(&kept));
    let mut growing =
        columns.iter().zip(&kept).filter(|(column, kept)| **kept && column.more > 0).count() as u16;
    let widest = kept.iter().rposition(|kept| *kept);
    let mut x = 0;
    let place = |(at, column): (usize, &Column)| {
        if !kept[at] {
            return None;
        }
        let mut more = if Some(at) == widest && !column.right { spare } else { 0 };
        if column.more > 0 {
            more = more.max(spare / growing).min(column.more);
            spare -= more;
            growing -= 1;
        }
        let slot = Slot { x, width: column.width + more, right: column.right };
        x += slot.width + GAP;
        Some(slot)
    };
    columns.iter().enumerate().map(place).collect()
}

/// Draws the lines from the one numbered `first` on, as far as there is room.
pub(crate) fn draw(buf: &mut Buffer, theme: Theme, area: Rect, lines: &[Line], first: usize) {
    for (y, line) in (area.top()..area.bottom()).zip(lines.iter().skip(first)) {
        match line {
            Line::Facts(label, facts) => {
                table::put(buf, (area.x, y), LABEL.min(area.width), &Cell::new(*label, Tone::Muted), theme);
                let x = area.x + LABEL;
                strip::draw(buf, theme, (x, y), area.right().saturating_sub(x), facts.clone());
            }
            Line::Cells(cells) => {
                for (slot, cell) in cells.iter().filter(|(slot, _)| slot.x < area.width) {
                    let width = slot.width.min(area.width - slot.x);
                    let slot = Slot { x: area.x + slot.x, width, right: slot.right };
                    table::draw_cell(buf, theme, y, slot, cell);
                }
            }
            Line::Gap => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[left("NAME", 6, 0), right("SCORE", 5, 2), right("SEEN", 4, 3), left("WHY", 8, 1)];

    fn places(width: u16) -> Vec<(usize, u16, u16)> {
        let slots = slots(COLUMNS, width);
        slots.iter().enumerate().filter_map(|(at, slot)| slot.map(|slot| (at, slot.x, slot.width))).collect()
    }

    #[test]
    fn the_least_important_column_gives_way_and_the_last_takes_what_is_left() {
        assert_eq!(places(29), [(0, 0, 6), (1, 8, 5), (2, 15, 4), (3, 21, 8)]);
        assert_eq!(places(33)[3], (3, 21, 12));
        assert_eq!(places(28), [(0, 0, 6), (1, 8, 5), (3, 15, 13)]);
        assert_eq!(places(20), [(0, 0, 6), (3, 8, 12)]);
        assert_eq!(places(3), [(0, 0, 6)]);
    }

    #[test]
    fn columns_that_may_grow_share_what_is_left() {
        let columns =
            [left("NAME", 6, 0).up_to(4), right("SCORE", 5, 2), left("OF", 4, 0).up_to(9), left("WHY", 8, 0)];
        let widths =
            |width: u16| slots(&columns, width).iter().flatten().map(|slot| slot.width).collect::<Vec<_>>();
        assert_eq!(widths(29), [6, 5, 4, 8]);
        assert_eq!(widths(32), [7, 5, 6, 8]);
        assert_eq!(widths(60), [10, 5, 13, 26]);
        assert_eq!(widths(26), [8, 6, 8], "a column that gave way makes room");
    }

    #[test]
    fn a_sentence_is_labelled_once() {
        let lines = sentence("why", "one two three", Tone::Plain, LABEL + 7);
        let labels: Vec<&str> =
            lines.iter().map(|line| if let Line::Facts(label, _) = line { label } else { "?" }).collect();
        assert_eq!(labels, ["why", ""]);
    }
}

//! Makes a table fit a narrow terminal.
//!
//! Columns on the right go first: people read from the left, and kinds put what matters most there. Of the
//! columns that stay only sentences are shortened, marked with `…`. Names are never cut, because two cut names
//! look like one; nor are numbers and single words.

use super::cell::Cell;
use super::table::{Grid, MORE};
use super::{Align, View};

/// Headings of columns that say which object a line is about: they are never left out.
const NAMES: [&str; 5] = ["NAME", "BACKEND", "SUBJECT", "OP", "RANK"];
/// Columns a sentence keeps at least.
const SENTENCE: usize = 14;
/// Columns between two columns.
const GAP: usize = 2;

/// The table cut to `width`, and whether columns were left out; `None` when it fits as it is. Columns that
/// were asked for by name stay, even when the terminal has to wrap them.
pub(super) fn fit(grid: &Grid, width: usize, view: &View) -> Option<(Grid, bool)> {
    let full: Vec<usize> = (0..grid.headings.len()).map(|c| widest(grid, c, view, shown)).collect();
    if total(&full) <= width {
        return None;
    }
    let least: Vec<usize> = (0..full.len()).map(|c| least(grid, c, view)).collect();
    let names = grid.headings.iter().rposition(|(heading, _)| NAMES.contains(heading));
    let fewest = if view.columns.is_some() { full.len() } else { names.map_or(1, |last| last + 1) };
    let mut count = full.len();
    while count > fewest && needed(grid, &least[..count], view) > width {
        count -= 1;
    }
    let used = needed(grid, &least[..count], view);
    let widths = share(&least[..count], &full, width.saturating_sub(used));
    let rows = grid.rows.iter().map(|row| row.iter().zip(&widths).map(|(cell, w)| cut(cell, *w)).collect());
    Some((Grid { headings: grid.headings[..count].to_vec(), rows: rows.collect() }, count < full.len()))
}

/// Gives what is left of the width to the columns, from the left.
fn share(least: &[usize], full: &[usize], mut left: usize) -> Vec<usize> {
    let grown = least.iter().zip(full).map(|(least, full)| {
        let more = left.min(full - least);
        left -= more;
        least + more
    });
    grown.collect()
}

/// The width of a table with columns this wide.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// The width of these columns with the mark that says that others are left out, which has room above a column
/// that is wider than its heading.
fn needed(grid: &Grid, widths: &[usize], view: &View) -> usize {
    let bare = total(widths);
    let (Some(last), true) = (widths.len().checked_sub(1), view.headings) else { return bare };
    let (heading, align) = grid.headings[last];
    let room = if align == Align::Left { widths[last] - heading.chars().count() } else { 0 };
    let left_out = widths.len() < grid.headings.len();
    if left_out { bare + MORE.chars().count().saturating_sub(room) } else { bare }
}

/// The width a column cannot do without.
fn least(grid: &Grid, column: usize, view: &View) -> usize {
    let (heading, align) = grid.headings[column];
    let whole = align == Align::Right || NAMES.contains(&heading);
    widest(grid, column, view, if whole { shown } else { readable })
}

fn widest(grid: &Grid, column: usize, view: &View, of: fn(&Cell) -> usize) -> usize {
    let heading = if view.headings { grid.headings[column].0.chars().count() } else { 0 };
    grid.rows.iter().map(|row| of(&row[column])).fold(heading, usize::max)
}

fn shown(cell: &Cell) -> usize {
    cell.shown.chars().count()
}

/// The width at which a cell can still be understood.
fn readable(cell: &Cell) -> usize {
    if cell.number.is_some() {
        return shown(cell);
    }
    let word = if cell.raw.contains(' ') { 0 } else { cell.raw.chars().count() };
    // A note after the word may go, but not without a trace.
    let marked = if cell.raw == cell.shown { word } else { word + 2 };
    shown(cell).min(marked.max(SENTENCE))
}

fn cut(cell: &Cell, width: usize) -> Cell {
    if shown(cell) <= width {
        return cell.clone();
    }
    let kept: String = cell.shown.chars().take(width.saturating_sub(1)).collect();
    Cell { shown: kept.trim_end().to_owned() + "…", ..cell.clone() }
}

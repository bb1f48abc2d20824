//! Borderless tables for people, as kubectl draws them: headings in upper case, numbers to the right.
//!
//! On a terminal a table that is too wide is made to fit (see [`super::fit`]); off a terminal nothing is ever
//! cut.

use tabled::builder::Builder;
use tabled::settings::object::{Cell as At, Columns, Rows};
use tabled::settings::{Alignment, Color, Padding, Style};

use super::cell::{Cell, Tone};
use super::fit::fit;
use super::{Align, Column, View};

/// What follows the headings when columns are left out.
pub(super) const MORE: &str = "  …";

/// A table that is not a list of one kind of object.
#[derive(Debug, Default)]
pub struct Grid {
    /// Headings, and which way their columns lean.
    pub headings: Vec<(&'static str, Align)>,
    /// Its rows, each as long as the headings.
    pub rows: Vec<Vec<Cell>>,
}

/// Draws a list.
pub(super) fn list<T>(items: &[T], columns: &[&Column<T>], view: &View) -> String {
    let headings = columns.iter().map(|column| (column.heading, column.align)).collect();
    let rows = items.iter().map(|item| columns.iter().map(|c| (c.cell)(item, view.now_ms)).collect());
    draw(&Grid { headings, rows: rows.collect() }, view)
}

/// Draws a table.
pub fn draw(grid: &Grid, view: &View) -> String {
    let fitted = view.width.and_then(|width| fit(grid, width, view));
    let (grid, left_out) = fitted.as_ref().map_or((grid, false), |(grid, left_out)| (grid, *left_out));
    let mut text = drawn(grid, view);
    // Columns that are not there must not go unnoticed.
    if left_out && let Some(end) = text.find('\n').filter(|_| view.headings) {
        text.insert_str(end, MORE);
    }
    text
}

fn drawn(grid: &Grid, view: &View) -> String {
    let first = usize::from(view.headings);
    if grid.rows.len() + first == 0 || grid.headings.is_empty() {
        return String::new();
    }
    let mut builder = Builder::default();
    if view.headings {
        builder.push_record(grid.headings.iter().map(|(heading, _)| *heading));
    }
    for row in &grid.rows {
        builder.push_record(row.iter().map(|cell| cell.shown.as_str()));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    for (index, (_, align)) in grid.headings.iter().enumerate() {
        if *align == Align::Right {
            table.modify(Columns::one(index), Alignment::right());
        }
    }
    if view.color {
        if view.headings {
            table.modify(Rows::first(), Color::BOLD);
        }
        for (r, row) in grid.rows.iter().enumerate() {
            for (c, cell) in row.iter().enumerate() {
                if let Some(color) = color(cell.tone) {
                    table.modify(At::new(r + first, c), color);
                }
            }
        }
    }
    super::lines(table.to_string().lines().map(str::trim_end))
}

fn color(tone: Tone) -> Option<Color> {
    match tone {
        Tone::Plain => None,
        Tone::Good => Some(Color::FG_GREEN),
        Tone::Warn => Some(Color::FG_YELLOW),
        Tone::Bad => Some(Color::FG_RED),
        Tone::Dim => Some(Color::FG_BRIGHT_BLACK),
    }
}

/// Colours words that are not in a table.
pub fn paint(words: &str, tone: Tone, view: &View) -> String {
    match color(tone) {
        Some(color) if view.color => color.colorize(words).clone(),
        _ => words.to_owned(),
    }
}

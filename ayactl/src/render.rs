//! How data looks on stdout: one description of each kind of object, seven formats.
//!
//! A kind says once which columns it has ([`Row`]); tables, CSV, `--columns` and `--sort-by` follow from that.
//! JSON and YAML are the shapes of [`aya_api`] as they are, so that machines see what the daemon said and
//! people see what fits a screen.

pub mod cell;
mod csv;
mod fit;
mod json;
pub mod rows;
pub mod table;
mod yaml;

use std::cmp::Ordering;

use serde::Serialize;

use self::cell::Cell;
use crate::args::Format;
use crate::failure::{Failure, closest};

/// How output is to look, as asked for.
#[derive(Clone, Debug)]
pub struct View {
    /// Format.
    pub format: Format,
    /// Only these columns.
    pub columns: Option<Vec<String>>,
    /// Whether tables and CSV begin with headings.
    pub headings: bool,
    /// Column to sort by; a leading `-` turns the order round.
    pub sort_by: Option<String>,
    /// Whether to use colour.
    pub color: bool,
    /// Width of the terminal in columns; absent when nothing may be cut.
    pub width: Option<usize>,
    /// Now, in milliseconds since 1970; ages are counted from here.
    pub now_ms: u64,
}

/// Which way a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One column of a kind of object.
pub struct Column<T> {
    /// What it is called in `--columns` and `--sort-by`, and in CSV.
    pub name: &'static str,
    /// Heading in tables, with the unit.
    pub heading: &'static str,
    /// Which way it leans.
    pub align: Align,
    /// Whether only `-o wide` and CSV show it.
    pub wide: bool,
    /// Of such a column: when it is worth a place in every table, because one of the objects has something to say.
    pub telling: Option<fn(&T) -> bool>,
    /// Its value for one object, at a moment.
    pub cell: fn(&T, u64) -> Cell,
}

impl<T> Column<T> {
    /// A column of words.
    pub const fn left(name: &'static str, heading: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { name, heading, align: Align::Left, wide: false, telling: None, cell }
    }

    /// A column of numbers.
    pub const fn right(name: &'static str, heading: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { name, heading, align: Align::Right, wide: false, telling: None, cell }
    }

    /// The same column, for `-o wide` and CSV alone.
    #[must_use]
    pub const fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// The same column, for `-o wide`, CSV, and tables with an object of which this is true.
    #[must_use]
    pub const fn when(self, telling: fn(&T) -> bool) -> Self {
        Self { wide: true, telling: Some(telling), ..self }
    }
}

/// A kind of object that can be listed.
pub trait Row: Serialize + Sized + 'static {
    /// Its columns, in the order of the table.
    const COLUMNS: &'static [Column<Self>];

    /// What `-o name` prints.
    fn label(&self) -> &str;
}

/// Renders a list in the format asked for. An empty list is `[]` in JSON and YAML, and headings elsewhere.
pub fn list<T: Row>(mut items: Vec<T>, view: &View) -> Result<String, Failure> {
    if let Some(key) = &view.sort_by {
        sort(&mut items, key, view.now_ms)?;
    }
    let columns = chosen(&items, view)?;
    match view.format {
        Format::Table | Format::Wide => Ok(table::list(&items, &columns, view)),
        Format::Csv => csv::list(&items, &columns, view),
        Format::Json => json::pretty(&items),
        Format::Jsonl => json::lines(&items),
        Format::Yaml => yaml::document(&items),
        Format::Name => Ok(lines(items.iter().map(Row::label))),
    }
}

/// Renders one object as a document; `None` for the formats that are for people, which the caller draws.
pub fn document<T: Serialize>(object: &T, view: &View) -> Result<Option<String>, Failure> {
    match view.format {
        Format::Json => json::pretty(object).map(Some),
        Format::Jsonl => json::line(object).map(Some),
        Format::Yaml => yaml::document(object).map(Some),
        Format::Table | Format::Wide | Format::Csv | Format::Name => Ok(None),
    }
}

/// Ends each line and joins them.
pub fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

/// Renders one item of an endless list: a document of its own, or a line without headings.
pub fn item<T: Row>(object: &T, view: &View) -> Result<String, Failure> {
    match view.format {
        Format::Json | Format::Jsonl => json::line(object),
        Format::Yaml => Ok(format!("---\n{}", yaml::document(object)?)),
        Format::Name => Ok(format!("{}\n", object.label())),
        Format::Csv => {
            let view = View { headings: false, ..view.clone() };
            csv::list(std::slice::from_ref(object), &chosen(&[] as &[T], &view)?, &view)
        }
        Format::Table | Format::Wide => {
            let cells =
                chosen(&[] as &[T], view)?.into_iter().map(|column| (column.cell)(object, view.now_ms));
            Ok(format!("{}\n", cells.map(|cell| cell.shown).collect::<Vec<_>>().join("  ")))
        }
    }
}

fn column<T: Row>(name: &str) -> Result<&'static Column<T>, Failure> {
    let wanted = name.to_ascii_lowercase();
    T::COLUMNS.iter().find(|column| column.name == wanted).ok_or_else(|| {
        let names = || T::COLUMNS.iter().map(|column| column.name);
        let all = names().collect::<Vec<_>>().join(", ");
        let hint = match closest(&wanted, names()) {
            Some(close) => format!("did you mean \"{close}\"? there are {all}"),
            None => format!("there are {all}"),
        };
        Failure::usage(format!("there is no column \"{name}\" here"), hint)
    })
}

fn chosen<T: Row>(items: &[T], view: &View) -> Result<Vec<&'static Column<T>>, Failure> {
    if let Some(names) = &view.columns {
        return names.iter().map(|name| column(name)).collect();
    }
    let all = view.format != Format::Table;
    let tells = |column: &Column<T>| column.telling.is_some_and(|telling| items.iter().any(telling));
    Ok(T::COLUMNS.iter().filter(|column| all || !column.wide || tells(column)).collect())
}

fn sort<T: Row>(items: &mut [T], key: &str, now_ms: u64) -> Result<(), Failure> {
    let (name, reverse) = match key.strip_prefix('-') {
        Some(name) => (name, true),
        None => (key, false),
    };
    let cell = column::<T>(name)?.cell;
    items.sort_by(|a, b| {
        let (a, b) = (cell(a, now_ms), cell(b, now_ms));
        // What is not known stays at the end in either direction.
        match (a.is_unknown(), b.is_unknown()) {
            (false, false) if reverse => b.order(&a),
            (false, false) => a.order(&b),
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
        }
    });
    Ok(())
}

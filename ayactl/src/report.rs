//! Reports of experiments and game days: one document, written as text for a terminal, as Markdown, or as one page of
//! HTML that needs nothing else to be read.

mod experiment;
mod gameday;
mod parts;
#[cfg(test)]
mod tests;
mod write;

use aya_load::html::Tone;
use aya_load::html::plot::TimePlot;

pub use experiment::of as of_experiment;
pub use gameday::of as of_gameday;

/// A document in the making.
pub struct Document {
    /// Its title.
    pub title: String,
    /// The colour of its verdict.
    pub tone: Tone,
    /// The verdict, in one line.
    pub verdict: String,
    /// What the verdict rests on, one sentence each.
    pub reasons: Vec<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A part of a document.
pub struct Section {
    /// Its title.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A list of sentences.
    List(Vec<String>),
    /// A table; an empty one is not written.
    Table(Table),
    /// Curves over time. Only the page has them; elsewhere there are tables.
    Plot(TimePlot),
    /// Words with their meanings.
    Terms(Vec<(&'static str, &'static str)>),
}

/// A table.
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Its headings.
    pub head: Vec<&'static str>,
    /// Its cells.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
pub type Cell = (String, Tone);

/// A cell without a colour.
fn plain(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Plain)
}

/// A cell that says whether something is as it has to be.
fn judged(text: impl Into<String>, good: Option<bool>) -> Cell {
    let tone = match good {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Warn,
    };
    (text.into(), tone)
}

impl Section {
    fn new(title: &str, blocks: Vec<Block>) -> Self {
        Self { title: title.to_owned(), blocks }
    }
}

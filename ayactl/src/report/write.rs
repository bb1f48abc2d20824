//! A document in its three forms.

use std::fmt::Write as _;

use aya_load::html::{Cell as HtmlCell, Page, Tone};
use aya_load::report::plain;

use super::{Block, Document, Table};
use crate::render::View;
use crate::render::cell::{self, visible};
use crate::render::table::paint;

impl Document {
    /// Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n**{}**\n", md(&self.title), md(&self.verdict));
        if !self.reasons.is_empty() {
            text.push('\n');
        }
        for reason in &self.reasons {
            let _ = writeln!(text, "- {}", md(reason));
        }
        for section in &self.sections {
            let blocks: String = section.blocks.iter().map(markdown).collect();
            if !blocks.is_empty() {
                let _ = write!(text, "\n## {}\n\n{}", md(&section.title), blocks.trim_end());
                text.push('\n');
            }
        }
        text
    }

    /// A page that carries the JSON it was made of under a file name.
    pub fn html(&self, name: &str, json: &str) -> String {
        let mut page = Page::new(&self.title);
        page.verdict(self.tone, &self.verdict, &self.reasons);
        for section in self.sections.iter().filter(|section| !section.blocks.is_empty()) {
            page.section(&section.title);
            for block in &section.blocks {
                match block {
                    Block::Text(text) => page.text(text),
                    Block::List(list) => {
                        let rows: Vec<Vec<HtmlCell>> =
                            list.iter().map(|item| vec![item.as_str().into()]).collect();
                        page.table("", &[""], &rows);
                    }
                    Block::Table(table) if table.rows.is_empty() => {}
                    Block::Table(table) => {
                        let rows: Vec<Vec<HtmlCell>> = table
                            .rows
                            .iter()
                            .map(|row| {
                                row.iter().map(|(text, tone)| HtmlCell::toned(text.clone(), *tone)).collect()
                            })
                            .collect();
                        page.table(&table.caption, &table.head, &rows);
                    }
                    Block::Plot(plot) => page.figure(&plot.draw()),
                    Block::Terms(terms) => page.terms(terms),
                }
            }
        }
        page.finish(Some((name, json)))
    }

    /// For a terminal: the verdict, and the sections that were asked for by their titles.
    pub fn text(&self, view: &View, sections: &[&str]) -> String {
        let tone = match self.tone {
            Tone::Good => cell::Tone::Good,
            Tone::Warn => cell::Tone::Warn,
            Tone::Bad => cell::Tone::Bad,
            Tone::Plain => cell::Tone::Plain,
        };
        let mut text = format!("{}\n", paint(&visible(self.verdict.clone()), tone, view));
        for reason in &self.reasons {
            let _ = writeln!(text, "  {}", visible(reason.clone()));
        }
        for section in self.sections.iter().filter(|section| sections.contains(&section.title.as_str())) {
            for block in &section.blocks {
                match block {
                    Block::Table(table) if !table.rows.is_empty() => {
                        let _ = write!(text, "\n{}\n{}", table.caption.to_uppercase(), aligned(table));
                    }
                    Block::List(list) => {
                        let _ = writeln!(text, "\n{}", section.title.to_uppercase());
                        for item in list {
                            let _ = writeln!(text, "  {}", visible(item.clone()));
                        }
                    }
                    _ => {}
                }
            }
        }
        text
    }
}

fn markdown(block: &Block) -> String {
    match block {
        Block::Text(text) => format!("{}\n\n", md(text)),
        Block::List(list) => {
            let mut text = String::new();
            for item in list {
                let _ = writeln!(text, "- {}", md(item));
            }
            text + "\n"
        }
        Block::Table(table) if table.rows.is_empty() => String::new(),
        Block::Table(table) => {
            let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
            let mut text = format!("{}\n\n", md(&table.caption));
            text += &line(table.head.iter().map(|head| md(head)).collect());
            text += &line(table.head.iter().map(|_| "---".to_owned()).collect());
            for row in &table.rows {
                text += &line(row.iter().map(|(text, _)| md(text)).collect());
            }
            text + "\n"
        }
        Block::Plot(_) => String::new(),
        Block::Terms(terms) => {
            let mut text = String::new();
            for (term, meaning) in terms {
                let _ = writeln!(text, "- **{term}**: {meaning}");
            }
            text + "\n"
        }
    }
}

/// Text that cannot become markup.
fn md(text: &str) -> String {
    plain(&visible(text.to_owned()))
}

fn aligned(table: &Table) -> String {
    let mut widths: Vec<usize> = table.head.iter().map(|head| head.chars().count()).collect();
    for row in &table.rows {
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from(" ");
        for (width, cell) in widths.iter().zip(cells) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", visible(line.trim_end().to_owned()));
    };
    line(&mut table.head.iter().copied());
    for row in &table.rows {
        line(&mut row.iter().map(|(text, _)| text.as_str()));
    }
    text
}

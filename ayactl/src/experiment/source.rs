//! A file as people see it, and what is wrong with it: file, line, column, the line with a caret, and the remedy.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize;

use crate::render::cell::visible;

/// A text with the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the file, or what stands for it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
    /// The line with a caret below it.
    #[serde(skip)]
    excerpt: String,
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Line and column of a byte, both from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// States what is wrong with some of its bytes.
    pub fn problem(
        &self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (line, column) = self.position(span.start);
        let (message, help) = (visible(message.into()), visible(help.into()));
        let excerpt = self.excerpt(line, column, span);
        Problem { file: self.name.clone(), line, column, message, help, excerpt }
    }

    fn excerpt(&self, line: usize, column: usize, span: &Range<usize>) -> String {
        let Some(shown) = self.text.lines().nth(line - 1).filter(|shown| !shown.is_empty()) else {
            return String::new();
        };
        let room = shown.chars().count().saturating_sub(column - 1).max(1);
        let marked = self
            .text
            .get(span.clone())
            .map_or(1, |text| text.lines().next().map_or(0, |l| l.chars().count()));
        let margin = " ".repeat(line.to_string().len());
        let carets = "^".repeat(marked.clamp(1, room));
        let shown = visible(shown.replace('\t', " "));
        format!("{margin} |\n{line} | {shown}\n{margin} | {}{carets}\n", " ".repeat(column - 1))
    }
}

impl Problem {
    /// As people read it.
    pub fn draw(&self) -> String {
        let mut text =
            format!("{}:{}:{}: {}\n{}", self.file, self.line, self.column, self.message, self.excerpt);
        if !self.help.is_empty() {
            let _ = writeln!(text, "  = {}", self.help);
        }
        text
    }
}

/// Draws them in the order of their lines.
pub fn draw(problems: &mut [Problem]) -> String {
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems.iter().map(Problem::draw).collect::<Vec<_>>().join("\n")
}

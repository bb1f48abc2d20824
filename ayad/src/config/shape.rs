//! The shape of a file: TOML syntax, keys, types, words, formats and ranges. All problems at once.
//!
//! A text is parsed into a tree that knows its bytes and walked against the JSON Schema of
//! [`super::raw`]; what the schema says is the only truth about shapes. serde alone would stop at the first
//! mistake and could not say what was meant. What does not fit is reported and left out, and the rest is
//! still read, so that a typo in one pool does not hide a dangling name in the next. What names mean, and
//! whether values agree with one another, is the business of [`super::check`].

mod elsewhere;
pub mod schema;
pub mod suggest;
mod walk;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::raw::File;
use super::report::{Place, Problem};
use super::source::{KeyPath, Mark, Marks, Source};

/// A text that was read, as far as it could be.
#[derive(Debug)]
pub struct Document {
    /// The text.
    pub source: Arc<Source>,
    /// Where everything in it stands.
    pub marks: Marks,
    /// What it says; without the parts that were reported.
    pub raw: File,
    /// False when it is not TOML, so that keys may be missing from [`Document::raw`] unreported.
    pub parsed: bool,
}

impl Document {
    /// The value at a path.
    pub fn value(&self, path: &KeyPath) -> Place {
        self.place(self.marks.find(path).value)
    }

    /// The key at a path.
    pub fn key(&self, path: &KeyPath) -> Place {
        self.place(self.marks.find(path).key)
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(&self.source), span }
    }
}

/// Reads a file.
pub fn read(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Document {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let parsed = errors.is_empty();
    let is_open =
        |message: &str| ["unclosed array", "unclosed inline"].iter().any(|p| message.starts_with(p));
    let open = errors.iter().find(|error| is_open(error.message()));
    let unclosed = open.is_some();
    if let (Some(open), Some(first)) = (open, errors.first()) {
        // Everything behind an open bracket is read as part of it; only where that began to fail tells.
        let place = Place { source: Arc::clone(source), span: first.span().unwrap_or(0..0) };
        let problem = Problem::new(place, format!("this is not TOML: {}", open.message()));
        problems.push(problem.help("close the bracket that was opened before this place"));
    } else {
        problems.extend(errors.iter().map(|error| syntax(source, error)));
    }
    let mut found = Vec::new();
    let document = shape(source, table.get_ref(), parsed, &mut found);
    if unclosed {
        found.clear();
    } else if !parsed {
        let broken: Vec<_> = problems.iter().map(|problem| problem.place().line()).collect();
        found.retain(|problem| !broken.contains(&problem.place().line()));
    }
    problems.append(&mut found);
    document
}

fn syntax(source: &Arc<Source>, error: &toml::de::Error) -> Problem {
    let place = Place { source: Arc::clone(source), span: error.span().unwrap_or(0..0) };
    let help = unquoted(source.line(place.span.start));
    let problem = Problem::new(place, format!("this is not TOML: {}", error.message()));
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// What to say when a line is a key with a text that lacks its quotes, which is how most files break.
fn unquoted(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.split('#').next()?.trim());
    let is_bare = !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', ',']);
    let quoted = format!("{key} = \"{value}\"");
    (is_bare && DeTable::parse(&quoted).is_ok()).then(|| format!("texts need quotes: {quoted}"))
}

/// Reads addresses of a command line as if they stood in a file. Each comes with its bytes in the text.
pub fn read_flags(
    source: &Arc<Source>,
    listen: &[Range<usize>],
    backends: &[Range<usize>],
    problems: &mut Vec<Problem>,
) -> Document {
    let list = |spans: &[Range<usize>]| {
        let mut list = DeArray::new();
        for span in spans {
            let text = source.text.get(span.clone()).unwrap_or_default().to_owned();
            list.push(Spanned::new(span.clone(), DeValue::String(Cow::Owned(text))));
        }
        let whole = spans.first().map_or(0, |s| s.start)..spans.last().map_or(0, |s| s.end);
        Spanned::new(whole, DeValue::Array(list))
    };
    let (mut table, _) = DeTable::parse_recoverable("aya = 1");
    for (key, spans) in [("listen", listen), ("backends", backends)] {
        let value = list(spans);
        table.get_mut().insert(Spanned::new(value.span(), Cow::Borrowed(key)), value);
    }
    shape(source, table.get_ref(), true, problems)
}

fn shape(source: &Arc<Source>, table: &DeTable<'_>, parsed: bool, problems: &mut Vec<Problem>) -> Document {
    let root = KeyPath::default();
    let mut marks = Marks::default();
    marks.insert(root.clone(), Mark { key: 0..0, value: 0..0 });
    let mut walk = walk::Walk { source, marks, problems, absences: Vec::new(), known: HashMap::new() };
    let value = walk.table(&schema::SCHEMA, &root, &(0..0), table).unwrap_or_default();
    let walk::Walk { marks, absences, .. } = walk;
    if parsed {
        // Beside a syntax error, what seems to be absent may stand in the broken part.
        problems.extend(absences);
    }
    let raw = serde_json::from_value(value).unwrap_or_else(|error| {
        // The schema and the types disagree. Both come from one derive, but a file must not panic us.
        let place = Place { source: Arc::clone(source), span: 0..0 };
        problems.push(Problem::new(place, format!("this file cannot be read: {error}")));
        File::default()
    });
    Document { source: Arc::clone(source), marks, raw, parsed }
}

//! The shape of a file: TOML syntax, keys, types, words, formats and ranges. All problems at once.
//!
//! A text is parsed into a tree that knows its bytes and walked against the JSON Schema of
//! [`super::raw`]; what the schema says is the only truth about shapes. serde alone would stop at the first
//! mistake and could not say what was meant. What does not fit is reported and left out, and the rest is
//! still read, so that a typo in one pool does not hide a dangling name in the next. What names mean, and
//! whether values agree with one another, is the business of [`super::check`].

mod elsewhere;
mod part;
mod path;
pub mod schema;
pub mod suggest;
mod walk;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Origin;
use super::marks::{Marks, Spot};
use super::raw::File;
use super::raw::route::Route;
use super::report::{Place, Problem};
use super::source::Source;
use path::Path;
use walk::{Here, Walk};

/// A text that was read, as far as it could be.
#[derive(Debug)]
pub struct Document {
    /// The text.
    pub source: Arc<Source>,
    /// Where everything in it stands.
    pub marks: Marks,
    /// What it says; without the parts that were reported, and without [`Document::sections`].
    pub raw: File,
    /// Routes that were read by themselves, and where each begins ([`super::sections`]).
    pub sections: Vec<(usize, Arc<Lone>)>,
    /// False when it is not TOML, so that keys may be missing from [`Document::raw`] unreported.
    pub parsed: bool,
}

impl Document {
    /// The file as a whole.
    pub fn root(&self) -> At<'_> {
        At { source: &self.source, marks: &self.marks, start: 0, spot: Spot::ROOT, is_written: true }
    }

    /// The routes, each with its name and where it stands.
    pub fn lone_routes(&self) -> impl Iterator<Item = (&str, &Route, At<'_>)> {
        self.sections.iter().map(|(start, lone)| {
            let (source, marks) = (&self.source, &lone.marks);
            let at = At { source, marks, start: *start, spot: lone.spot, is_written: true };
            (lone.name(), &lone.route, at)
        })
    }
}

/// A route that was read by itself, wherever it stands.
#[derive(Debug)]
pub struct Lone {
    /// Where everything in it stands, counted from its header.
    marks: Marks,
    /// The route among them.
    spot: Spot,
    route: Route,
}

impl Lone {
    /// Its name.
    pub fn name(&self) -> &str {
        self.marks.name_of(self.spot)
    }
}

/// A key of a document. One that is not written stands where the table around it does.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    source: &'a Arc<Source>,
    marks: &'a Marks,
    /// Where in the text the marks count from.
    start: usize,
    spot: Spot,
    is_written: bool,
}

impl<'a> At<'a> {
    /// The text it stands in.
    pub fn source(self) -> &'a Source {
        self.source
    }

    /// One key further down.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.below(|marks, spot| marks.below(spot, key))
    }

    /// One item of this list.
    #[must_use]
    pub fn index(self, index: usize) -> Self {
        self.below(|marks, spot| marks.item(spot, index))
    }

    fn below(self, find: impl FnOnce(&Marks, Spot) -> Option<Spot>) -> Self {
        let found = if self.is_written { find(self.marks, self.spot) } else { None };
        found.map_or(Self { is_written: false, ..self }, |spot| Self { spot, ..self })
    }

    /// The bytes of the key.
    pub fn name(self) -> Place {
        self.place(self.marks.key(self.spot))
    }

    /// The bytes of the value.
    pub fn value(self) -> Place {
        self.place(self.marks.value(self.spot))
    }

    fn place(self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span: self.start + span.start..self.start + span.end }
    }

    /// True when the text has this key, even if its value was no good.
    pub fn is_written(self) -> bool {
        self.is_written
    }

    /// True when nothing at or below it was left out.
    pub fn is_sound(self) -> bool {
        !self.is_written || self.marks.is_sound(self.spot)
    }

    /// True when something was left out of this very value.
    pub fn is_damaged(self) -> bool {
        self.is_written && self.marks.is_damaged(self.spot)
    }

    /// The keys of this table, as they were written, in order, and where each is.
    pub fn children(self) -> impl Iterator<Item = (&'a str, Self)> {
        let table = self.is_written.then_some(self.spot);
        let children = table.into_iter().flat_map(move |table| self.marks.children(table));
        children.map(move |(key, spot)| (key, Self { spot, ..self }))
    }

    /// A problem with the value.
    pub fn problem(self, message: impl Into<String>) -> Problem {
        Problem::new(self.value(), message)
    }

    /// Where it stands, for people.
    pub fn origin(self) -> Origin {
        Origin(self.source.line_name(self.start + self.marks.key(self.spot).start))
    }
}

/// Reads a text that stands for a whole source, byte for byte in the same places. `None` when anything is wrong with it.
pub(super) fn read_flawless(source: &Arc<Source>, text: &str) -> Option<Document> {
    let mut table = DeTable::parse(text).ok()?;
    let mut problems = Vec::new();
    let document = shape(source, std::mem::take(table.get_mut()), true, &mut problems);
    problems.is_empty().then_some(document)
}

/// Reads a section that defines one route and nothing else. `None` when it does not, or when anything is wrong with it.
pub(super) fn read_lone(source: &Arc<Source>, text: &str) -> Option<Lone> {
    let Document { marks, raw, .. } = read_flawless(source, text)?;
    let File {
        aya: None,
        include: None,
        listen: None,
        backends: None,
        daemon: None,
        chaos: None,
        loadtest: None,
        pool: None,
        route,
    } = raw
    else {
        return None;
    };
    let mut routes = route?.into_iter();
    let (Some((name, route)), None) = (routes.next(), routes.next()) else { return None };
    let spot = marks.below(marks.below(Spot::ROOT, "route")?, &name)?;
    Some(Lone { marks, spot, route })
}

/// Reads a file.
pub fn read(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Document {
    let (mut table, errors) = DeTable::parse_recoverable(&source.text);
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
    let document = shape(source, std::mem::take(table.get_mut()), parsed, &mut found);
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
    // A line that can be read by itself is wrong for what stands elsewhere: the same key once more, for one.
    let is_wrong = DeTable::parse(line).is_err();
    (is_bare && is_wrong && DeTable::parse(&quoted).is_ok()).then(|| format!("texts need quotes: {quoted}"))
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
    shape(source, std::mem::take(table.get_mut()), true, problems)
}

fn shape(
    source: &Arc<Source>,
    mut table: DeTable<'_>,
    parsed: bool,
    problems: &mut Vec<Problem>,
) -> Document {
    let mut walk = Walk { source, marks: Marks::default(), problems, absences: Vec::new() };
    let here = Here { path: &Path::ROOT, spot: Spot::ROOT };
    for branch in &part::FILE.branches {
        walk.table(branch, here, &(0..0), &mut table);
    }
    let Walk { marks, absences, .. } = walk;
    if parsed {
        // Beside a syntax error, what seems to be absent may stand in the broken part.
        problems.extend(absences);
    }
    let raw =
        File::deserialize(toml::Deserializer::from(Spanned::new(0..0, table))).unwrap_or_else(|error| {
            // The schema and the types disagree. Both come from one derive, but a file must not panic us.
            let place = Place { source: Arc::clone(source), span: error.span().unwrap_or(0..0) };
            problems.push(Problem::new(place, format!("this file cannot be read: {}", error.message())));
            File::default()
        });
    Document { source: Arc::clone(source), marks, raw, sections: Vec::new(), parsed }
}

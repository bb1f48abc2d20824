//! The walk over the tree of a file, with the schema in the other hand.
//!
//! It marks where everything stands and takes out of the tree what is wrong, so that what is left can be read as it is.
//! Every step says whether enough of its value is right to stay.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use super::elsewhere;
use super::part::{Branch, Part};
use super::path::Path;
use super::schema::describe;
use super::suggest::remedy;
use crate::config::marks::{Marks, Spot};
use crate::config::report::{Place, Problem};
use crate::config::source::Source;

/// A walk in progress.
pub(super) struct Walk<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) marks: Marks,
    /// What is wrong with what is there.
    pub(super) problems: &'a mut Vec<Problem>,
    /// What is not there.
    pub(super) absences: Vec<Problem>,
}

/// A value on the way: its path for messages, its place among the marks.
#[derive(Clone, Copy)]
pub(super) struct Here<'p> {
    pub(super) path: &'p Path<'p>,
    pub(super) spot: Spot,
}

impl Walk<'_> {
    /// Walks a table; `span` is where to show what is missing from it.
    pub(super) fn table(
        &mut self,
        branch: &Branch,
        here: Here<'_>,
        span: &Range<usize>,
        table: &mut DeTable<'_>,
    ) -> bool {
        let children = table.iter().map(|(key, node)| (&**key.get_ref(), key.span(), node.span()));
        let first = self.marks.grow(here.spot, children);
        for &name in branch.required.iter().filter(|name| !table.contains_key(**name)) {
            self.missing_key(branch, here, span, name);
        }
        let mut wrong = Vec::new();
        for (index, (key, node)) in table.iter_mut().enumerate() {
            if !self.entry(branch, here, first.after(index), key, node) {
                wrong.push(key.clone());
            }
        }
        for key in wrong {
            table.remove(&key);
        }
        branch.required.iter().all(|name| table.contains_key(*name))
    }

    fn entry(
        &mut self,
        branch: &Branch,
        table: Here<'_>,
        spot: Spot,
        key: &Spanned<Cow<'_, str>>,
        node: &mut Spanned<DeValue<'_>>,
    ) -> bool {
        let name: &str = key.get_ref();
        let open = branch.open.as_deref();
        let listed = branch.property(name);
        if listed.is_none() && !node.get_ref().is_table() && open.is_some_and(|open| open.has_key(name)) {
            self.misplaced_key(table, key);
            return false;
        }
        let Some(part) = listed.or(open) else {
            self.unknown_key(branch, table, key);
            return false;
        };
        self.value(part, Here { path: &table.path.key(name), spot }, node)
    }

    fn value(&mut self, part: &Part, here: Here<'_>, node: &mut Spanned<DeValue<'_>>) -> bool {
        let fits = |wanted: &&str| part.branches.iter().find(|branch| branch.kind == *wanted);
        let Some(branch) = kinds(node.get_ref()).iter().find_map(fits) else {
            self.wrong_type(part, here, node);
            return false;
        };
        let span = node.span();
        match node.get_mut() {
            DeValue::String(text) => self.text(branch, here, &span, text),
            DeValue::Integer(number) => self.integer(branch, here, &span, number),
            DeValue::Float(number) => self.float(branch, here, &span, number),
            DeValue::Boolean(_) => true,
            DeValue::Array(items) => {
                self.array(branch, here, items);
                true
            }
            DeValue::Table(table) => {
                let key = self.marks.key(here.spot);
                self.table(branch, here, &key, table)
            }
            DeValue::Datetime(_) => false,
        }
    }

    /// Leaves out items that are wrong; those after them move up, and so do their marks.
    fn array(&mut self, branch: &Branch, here: Here<'_>, items: &mut DeArray<'_>) {
        let Some(part) = branch.items.as_deref() else { return };
        let first = self.marks.grow(here.spot, items.iter().map(|node| ("", node.span(), node.span())));
        let mut is_good = Vec::with_capacity(items.len());
        for (index, node) in items.iter_mut().enumerate() {
            let item = Here { path: &here.path.index(index), spot: first.after(index) };
            is_good.push(self.value(part, item, node));
        }
        if is_good.contains(&false) {
            self.marks.put_good_first(here.spot, &is_good);
            let all = std::mem::replace(items, DeArray::new());
            *items = all.into_iter().zip(is_good).filter(|(_, good)| *good).map(|(node, _)| node).collect();
        }
    }

    fn text(&mut self, branch: &Branch, here: Here<'_>, span: &Range<usize>, text: &str) -> bool {
        let path = here.path;
        if let Some(words) = &branch.words {
            if words.contains(&text) {
                return true;
            }
            let title = branch.schema["title"].as_str().unwrap_or("one of the words for this key");
            let message = format!("{path}: \"{text}\" is not {title}");
            let help = elsewhere::remedy(path, text).map(Into::into);
            self.report(here, span, message, help.unwrap_or_else(|| remedy("words", text, words)));
            return false;
        }
        if let Some(format) = branch.format
            && let Err(wrong) = (format.check)(text)
        {
            self.report(here, span, format!("{path}: {}", wrong.what), wrong.help);
            return false;
        }
        true
    }

    fn integer(
        &mut self,
        branch: &Branch,
        here: Here<'_>,
        span: &Range<usize>,
        number: &DeInteger<'_>,
    ) -> bool {
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = parsed.is_some_and(|value| branch.contains(value as f64));
        if !inside {
            self.out_of_range(branch, here, span, number.as_str());
        }
        inside
    }

    fn float(&mut self, branch: &Branch, here: Here<'_>, span: &Range<usize>, number: &DeFloat<'_>) -> bool {
        let inside = number.as_str().parse().is_ok_and(|value| branch.contains(value));
        if !inside {
            self.out_of_range(branch, here, span, number.as_str());
        }
        inside
    }

    fn unknown_key(&mut self, branch: &Branch, here: Here<'_>, key: &Spanned<Cow<'_, str>>) {
        let known: Vec<_> = branch.keys().collect();
        let path = here.path;
        let name: &str = key.get_ref();
        let help = elsewhere::remedy(path, name).map(Into::into);
        self.report(
            here,
            &key.span(),
            format!("unknown key \"{name}\"{}", at(path)),
            help.unwrap_or_else(|| remedy("keys", name, &known)),
        );
    }

    fn misplaced_key(&mut self, here: Here<'_>, key: &Spanned<Cow<'_, str>>) {
        let path = here.path;
        let message =
            format!("\"{}\" stands directly in [{path}], which holds tables with names", key.get_ref());
        self.report(here, &key.span(), message, format!("write [{path}.NAME] above it, e.g. [{path}.main]"));
    }

    fn missing_key(&mut self, branch: &Branch, here: Here<'_>, span: &Range<usize>, name: &str) {
        self.marks.note_damage(here.spot);
        let place = Place { source: Arc::clone(self.source), span: span.clone() };
        let wanted = branch.property(name).map(|part| describe(part.schema)).unwrap_or_default();
        let problem = Problem::new(place, format!("missing key \"{name}\"{}", at(here.path)));
        self.absences.push(problem.help(format!("\"{name}\" takes {wanted}")));
    }

    fn wrong_type(&mut self, part: &Part, here: Here<'_>, node: &Spanned<DeValue<'_>>) {
        let path = here.path;
        let key = path.last_key().unwrap_or("this");
        let found = match node.get_ref() {
            DeValue::String(text) => format!("the text \"{text}\""),
            DeValue::Integer(number) => format!("the number {number}"),
            DeValue::Float(number) => format!("the number {}", number.as_str()),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(date) => format!("the date {date}"),
            DeValue::Array(_) => "a list".into(),
            DeValue::Table(_) => "a table".into(),
        };
        let meant = elsewhere::remedy(path, &found).map(|help| format!("; {help}")).unwrap_or_default();
        self.report(
            here,
            &node.span(),
            format!("{path}: {found} is of the wrong type"),
            format!("\"{key}\" takes {}{meant}", describe(part.schema)),
        );
    }

    fn out_of_range(&mut self, branch: &Branch, here: Here<'_>, span: &Range<usize>, number: &str) {
        let path = here.path;
        let key = path.last_key().unwrap_or("this");
        let help = match (branch.least, branch.most) {
            (Some(least), Some(most)) => format!("\"{key}\" is {least} to {most}"),
            (Some(least), None) => format!("\"{key}\" is at least {least}"),
            _ => format!("\"{key}\" is a number of at most 63 bits"),
        };
        self.report(here, span, format!("{path}: {number} is out of range"), help);
    }

    fn report(&mut self, here: Here<'_>, span: &Range<usize>, message: String, help: String) {
        self.marks.note_damage(here.spot);
        let place = Place { source: Arc::clone(self.source), span: span.clone() };
        self.problems.push(Problem::new(place, message).help(help));
    }
}

/// The types of the schema that a value may stand for.
fn kinds(value: &DeValue<'_>) -> &'static [&'static str] {
    match value {
        DeValue::String(_) => &["string"],
        DeValue::Integer(_) => &["integer", "number"],
        DeValue::Float(_) => &["number"],
        DeValue::Boolean(_) => &["boolean"],
        DeValue::Array(_) => &["array"],
        DeValue::Table(_) => &["object"],
        DeValue::Datetime(_) => &[],
    }
}

/// ` in pool.shop`, or nothing at the root.
fn at(path: &Path<'_>) -> String {
    let path = path.to_string();
    if path.is_empty() { path } else { format!(" in {path}") }
}

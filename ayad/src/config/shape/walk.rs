//! The walk over the tree of a file, with the schema in the other hand.
//!
//! Every step returns the part of the value that is right, as JSON, or nothing when too little of it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use super::elsewhere;
use super::schema::{branches, describe, kind, resolve, words};
use super::suggest::remedy;
use crate::config::raw::format::Format;
use crate::config::report::{Place, Problem};
use crate::config::source::{KeyPath, Mark, Marks, Source};

/// A walk in progress.
pub(super) struct Walk<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) marks: Marks,
    /// What is wrong with what is there.
    pub(super) problems: &'a mut Vec<Problem>,
    /// What is not there.
    pub(super) absences: Vec<Problem>,
    /// What parts of the schema say, looked up once each: a file has thousands of values and the schema a few
    /// dozen parts.
    pub(super) known: HashMap<*const Value, Rc<[Branch]>>,
}

/// One alternative of a schema.
pub(super) struct Branch {
    schema: &'static Value,
    kind: &'static str,
    /// The words it allows, when it allows only words.
    words: Option<Vec<&'static str>>,
    format: Option<&'static Format>,
}

impl Branch {
    fn new(schema: &'static Value) -> Self {
        let format = schema["format"].as_str().and_then(Format::find);
        Self { schema, kind: kind(schema), words: words(schema), format }
    }
}

impl Walk<'_> {
    /// Walks a table; `span` is where to show what is missing from it.
    pub(super) fn table(
        &mut self,
        schema: &'static Value,
        path: &KeyPath,
        span: &Range<usize>,
        table: &DeTable<'_>,
    ) -> Option<Value> {
        let mut good = Map::new();
        let properties = schema["properties"].as_object();
        for (key, node) in table {
            let name: &str = key.get_ref();
            let inner = path.key(name);
            let listed = properties.and_then(|properties| properties.get(name));
            let open = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
            let below = || open.is_some_and(|schema| is_misplaced(schema, name));
            if listed.is_none() && !node.get_ref().is_table() && below() {
                self.misplaced_key(path, key);
                continue;
            }
            self.marks.insert(inner.clone(), Mark { key: key.span(), value: node.span() });
            match listed.or(open) {
                Some(schema) => {
                    if let Some(value) = self.value(schema, &inner, node) {
                        good.insert(name.to_owned(), value);
                    }
                }
                None => self.unknown_key(schema, path, key),
            }
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut whole = true;
        for name in required.iter().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                self.missing_key(schema, path, span, name);
            }
            whole &= good.contains_key(name);
        }
        whole.then_some(Value::Object(good))
    }

    fn value(
        &mut self,
        schema: &'static Value,
        path: &KeyPath,
        node: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let branches = self.branches(schema);
        let fits = |wanted: &&str| branches.iter().find(|branch| branch.kind == *wanted);
        let Some(branch) = kinds(node.get_ref()).iter().find_map(fits) else {
            self.wrong_type(schema, path, node);
            return None;
        };
        let span = node.span();
        match node.get_ref() {
            DeValue::String(text) => self.text(branch, path, &span, text),
            DeValue::Integer(number) => self.integer(branch.schema, path, &span, number),
            DeValue::Float(number) => self.float(branch.schema, path, &span, number),
            DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
            DeValue::Array(items) => Some(self.array(branch.schema, path, items)),
            DeValue::Table(table) => {
                let key = self.marks.find(path).key;
                self.table(branch.schema, path, &key, table)
            }
            DeValue::Datetime(_) => None,
        }
    }

    fn branches(&mut self, schema: &'static Value) -> Rc<[Branch]> {
        let made = || branches(schema).into_iter().map(Branch::new).collect();
        Rc::clone(self.known.entry(std::ptr::from_ref(schema)).or_insert_with(made))
    }

    fn array(&mut self, schema: &'static Value, path: &KeyPath, items: &DeArray<'_>) -> Value {
        let mut good = Vec::new();
        for (index, node) in items.iter().enumerate() {
            let written = path.index(index);
            self.marks.insert(written.clone(), Mark { key: node.span(), value: node.span() });
            if let Some(value) = self.value(&schema["items"], &written, node) {
                if good.len() < index {
                    // Items that were wrong are left out; those after them move up, and so do their marks.
                    self.marks.alias(&written, &path.index(good.len()));
                }
                good.push(value);
            }
        }
        Value::Array(good)
    }

    fn text(&mut self, branch: &Branch, path: &KeyPath, span: &Range<usize>, text: &str) -> Option<Value> {
        if let Some(words) = &branch.words {
            if words.contains(&text) {
                return Some(text.into());
            }
            let title = branch.schema["title"].as_str().unwrap_or("one of the words for this key");
            let message = format!("{path}: \"{text}\" is not {title}");
            let help = elsewhere::remedy(path, text).map(Into::into);
            self.report(path, span, message, help.unwrap_or_else(|| remedy("words", text, words)));
            return None;
        }
        if let Some(format) = branch.format
            && let Err(wrong) = (format.check)(text)
        {
            self.report(path, span, format!("{path}: {}", wrong.what), wrong.help);
            return None;
        }
        Some(text.into())
    }

    fn integer(
        &mut self,
        schema: &'static Value,
        path: &KeyPath,
        span: &Range<usize>,
        number: &DeInteger<'_>,
    ) -> Option<Value> {
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = parsed.is_some_and(|value| is_inside(schema, value as f64));
        if !inside {
            self.out_of_range(schema, path, span, number.as_str());
        }
        parsed.filter(|_| inside).map(Value::from)
    }

    fn float(
        &mut self,
        schema: &'static Value,
        path: &KeyPath,
        span: &Range<usize>,
        number: &DeFloat<'_>,
    ) -> Option<Value> {
        let parsed = number.as_str().parse().ok().filter(|value| is_inside(schema, *value));
        if parsed.is_none() {
            self.out_of_range(schema, path, span, number.as_str());
        }
        parsed.and_then(Number::from_f64).map(Value::Number)
    }

    fn unknown_key(&mut self, schema: &'static Value, path: &KeyPath, key: &Spanned<Cow<'_, str>>) {
        let known: Vec<_> = schema["properties"].as_object().into_iter().flat_map(Map::keys).collect();
        let known: Vec<_> = known.into_iter().map(String::as_str).collect();
        let name: &str = key.get_ref();
        let help = elsewhere::remedy(path, name).map(Into::into);
        self.report(
            path,
            &key.span(),
            format!("unknown key \"{name}\"{}", at(path)),
            help.unwrap_or_else(|| remedy("keys", name, &known)),
        );
    }

    fn misplaced_key(&mut self, path: &KeyPath, key: &Spanned<Cow<'_, str>>) {
        let message =
            format!("\"{}\" stands directly in [{path}], which holds tables with names", key.get_ref());
        self.report(path, &key.span(), message, format!("write [{path}.NAME] above it, e.g. [{path}.main]"));
    }

    fn missing_key(&mut self, schema: &'static Value, path: &KeyPath, span: &Range<usize>, name: &str) {
        self.marks.note_damage(path.clone());
        let place = Place { source: Arc::clone(self.source), span: span.clone() };
        let wanted = describe(&schema["properties"][name]);
        let problem = Problem::new(place, format!("missing key \"{name}\"{}", at(path)));
        self.absences.push(problem.help(format!("\"{name}\" takes {wanted}")));
    }

    fn wrong_type(&mut self, schema: &'static Value, path: &KeyPath, node: &Spanned<DeValue<'_>>) {
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
            path,
            &node.span(),
            format!("{path}: {found} is of the wrong type"),
            format!("\"{key}\" takes {}{meant}", describe(schema)),
        );
    }

    fn out_of_range(&mut self, schema: &'static Value, path: &KeyPath, span: &Range<usize>, number: &str) {
        let key = path.last_key().unwrap_or("this");
        let help = match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(least), Some(most)) => format!("\"{key}\" is {least} to {most}"),
            (Some(least), None) => format!("\"{key}\" is at least {least}"),
            _ => format!("\"{key}\" is a number of at most 63 bits"),
        };
        self.report(path, span, format!("{path}: {number} is out of range"), help);
    }

    fn report(&mut self, path: &KeyPath, span: &Range<usize>, message: String, help: String) {
        self.marks.note_damage(path.clone());
        let place = Place { source: Arc::clone(self.source), span: span.clone() };
        self.problems.push(Problem::new(place, message).help(help));
    }
}

/// Whether a key in a table of tables belongs one level further down: `[pool] backends = […]`.
fn is_misplaced(inner: &Value, name: &str) -> bool {
    resolve(inner)["properties"].get(name).is_some()
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

/// Whether a number is finite and between the bounds of its schema.
fn is_inside(schema: &'static Value, value: f64) -> bool {
    let above = schema["minimum"].as_f64().is_none_or(|least| value >= least);
    let below = schema["maximum"].as_f64().is_none_or(|most| value <= most);
    value.is_finite() && above && below
}

/// ` in pool.shop`, or nothing at the root.
fn at(path: &KeyPath) -> String {
    let path = path.to_string();
    if path.is_empty() { path } else { format!(" in {path}") }
}

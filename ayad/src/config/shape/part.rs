//! The schema, read once: what the walk asks of it for each value, ready to be answered.
//!
//! A file has thousands of values and the schema a few hundred parts.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::schema::{self, branches, kind, words};
use crate::config::raw::format::Format;

/// What the file as a whole may be.
pub(super) static FILE: LazyLock<Part> = LazyLock::new(|| Part::of(&schema::SCHEMA));

/// What one value may be.
#[derive(Debug)]
pub(super) struct Part {
    /// The schema it was read from, for messages.
    pub(super) schema: &'static Value,
    pub(super) branches: Vec<Branch>,
}

/// One alternative.
#[derive(Debug)]
pub(super) struct Branch {
    /// The schema it was read from, for messages.
    pub(super) schema: &'static Value,
    /// The type it asks for.
    pub(super) kind: &'static str,
    /// The words it allows, when it allows only words.
    pub(super) words: Option<Vec<&'static str>>,
    pub(super) format: Option<&'static Format>,
    /// Bounds of a number.
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    /// What each item of a list may be.
    pub(super) items: Option<Box<Part>>,
    /// What the keys of a table may be; sorted by key.
    properties: Vec<(&'static str, Part)>,
    /// What the other keys of a table may be.
    pub(super) open: Option<Box<Part>>,
    /// The keys a table must have.
    pub(super) required: Vec<&'static str>,
}

impl Part {
    /// Reads a schema. Recursion ends because no type of the file contains itself.
    fn of(schema: &'static Value) -> Self {
        Self { schema, branches: branches(schema).into_iter().map(Branch::of).collect() }
    }

    /// True when some alternative is a table with this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.branches.iter().any(|branch| branch.property(key).is_some())
    }
}

impl Branch {
    fn of(schema: &'static Value) -> Self {
        let boxed = |schema: &'static Value| Some(Box::new(Part::of(schema)));
        let properties = schema["properties"].as_object().into_iter().flat_map(Map::iter);
        let mut properties: Vec<_> =
            properties.map(|(key, schema)| (key.as_str(), Part::of(schema))).collect();
        properties.sort_by_key(|(key, _)| *key);
        let required = schema["required"].as_array().into_iter().flatten();
        let object = |key: &str| Some(&schema[key]).filter(|inner| inner.is_object());
        Self {
            schema,
            kind: kind(schema),
            words: words(schema),
            format: schema["format"].as_str().and_then(Format::find),
            least: schema["minimum"].as_f64(),
            most: schema["maximum"].as_f64(),
            items: object("items").and_then(boxed),
            properties,
            open: object("additionalProperties").and_then(boxed),
            required: required.filter_map(Value::as_str).collect(),
        }
    }

    /// What a key that the schema names may be.
    pub(super) fn property(&self, key: &str) -> Option<&Part> {
        let at = self.properties.binary_search_by_key(&key, |(known, _)| known).ok()?;
        Some(&self.properties[at].1)
    }

    /// The keys that the schema names, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.properties.iter().map(|(key, _)| *key)
    }

    /// Whether a number is finite and between the bounds.
    pub(super) fn contains(&self, value: f64) -> bool {
        let above = self.least.is_none_or(|least| value >= least);
        let below = self.most.is_none_or(|most| value <= most);
        value.is_finite() && above && below
    }
}

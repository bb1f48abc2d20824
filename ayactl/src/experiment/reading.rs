//! Reads a file of experiments or game days: TOML syntax, keys, types and formats against the schema of its type, all
//! problems at once, and `$name` in its texts replaced by what `[vars]` and `--var` say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::formats;
use super::source::{Problem, Source};
use crate::failure::closest;

/// Texts by name.
pub type Vars = BTreeMap<String, String>;

/// Where every key of a file stands, by its path: `step[1].fault`.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, Range<usize>>);

impl Places {
    /// The bytes of a value; those of what is around it where it is not written.
    pub fn of(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(span) = self.0.get(path) {
                return span.clone();
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = &path[..at],
                None => return 0..0,
            }
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct Document<T> {
    /// What it says.
    pub file: T,
    /// Where.
    pub places: Places,
}

/// The JSON Schema of a kind of file.
pub fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema["title"] = title.into();
    schema
}

/// Takes `null` out, because TOML has none and an optional key is one that may be absent.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
                branches.retain(|branch| branch["type"] != "null");
                if let [Value::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads a file. `given` are the texts of `--var`.
pub fn read<T: JsonSchema + DeserializeOwned>(
    source: &Source,
    given: &Vars,
) -> Result<Document<T>, Vec<Problem>> {
    let (mut table, errors) = DeTable::parse_recoverable(&source.text);
    if !errors.is_empty() {
        let told = errors.iter().map(|error| {
            let message = format!("this is not TOML: {}", error.message());
            source.problem(&error.span().unwrap_or(0..0), message, "texts need quotes, lists need brackets")
        });
        return Err(told.collect());
    }
    let mut problems = Vec::new();
    let vars = vars(table.get_ref(), source, given, &mut problems);
    for (key, node) in table.get_mut().iter_mut() {
        if key.get_ref() != "vars" {
            replace(node, &vars, source, &mut problems);
        }
    }
    let root = schema_of::<T>("");
    let mut walk = Walk { source, root: &root, places: Places::default(), problems };
    walk.table(&root, "", &(0..0), table.get_ref());
    let Walk { places, mut problems, .. } = walk;
    if !problems.is_empty() {
        return Err(problems);
    }
    let whole = Spanned::new(0..0, std::mem::take(table.get_mut()));
    T::deserialize(toml::Deserializer::from(whole)).map(|file| Document { file, places }).map_err(|error| {
        // The schema and the type come from one derive; were they to differ, it is said all the same.
        problems.push(source.problem(&error.span().unwrap_or(0..0), error.message(), ""));
        problems
    })
}

/// What the file says, overridden by what was given; what was given for nothing is a mistake.
fn vars(table: &DeTable<'_>, source: &Source, given: &Vars, problems: &mut Vec<Problem>) -> Vars {
    let mut vars = Vars::new();
    let written = table.get("vars");
    if let Some(DeValue::Table(table)) = written.map(Spanned::get_ref) {
        for (key, value) in table {
            if let DeValue::String(text) = value.get_ref() {
                vars.insert(key.get_ref().to_string(), text.to_string());
            }
        }
    }
    for (name, value) in given {
        if vars.contains_key(name) {
            vars.insert(name.clone(), value.clone());
            continue;
        }
        let span = written.map_or(0..0, Spanned::span);
        let help = match closest(name, vars.keys().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if vars.is_empty() => "this file has no [vars]".to_owned(),
            None => format!("there are: {}", vars.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        problems.push(source.problem(
            &span,
            format!("--var {name}: the file has no variable of that name"),
            help,
        ));
    }
    vars
}

/// Puts the texts of variables where their names are; `$$` is a dollar sign.
fn replace(node: &mut Spanned<DeValue<'_>>, vars: &Vars, source: &Source, problems: &mut Vec<Problem>) {
    let span = node.span();
    match node.get_mut() {
        DeValue::String(text) if text.contains('$') => match filled(text, vars) {
            Ok(full) => *text = Cow::Owned(full),
            Err(name) => {
                let help = match closest(&name, vars.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean \"${near}\"?"),
                    None => "name it in [vars], or write $$ for a dollar sign".to_owned(),
                };
                problems.push(source.problem(&span, format!("there is no variable \"{name}\""), help));
            }
        },
        DeValue::Array(items) => items.iter_mut().for_each(|item| replace(item, vars, source, problems)),
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(_, value)| replace(value, vars, source, problems));
        }
        _ => {}
    }
}

/// A text with its variables filled in, or the first name that means nothing.
fn filled(text: &str, vars: &Vars) -> Result<String, String> {
    let mut full = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        full.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            full.push('$');
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        full.push_str(vars.get(name).ok_or_else(|| name.to_owned())?);
        rest = &rest[end..];
    }
    full.push_str(rest);
    Ok(full)
}

/// A walk over the tree of a file, with the schema in the other hand.
struct Walk<'a> {
    source: &'a Source,
    root: &'a Value,
    places: Places,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")) {
            schema = &self.root["$defs"][name];
        }
        schema
    }

    fn say(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(self.source.problem(span, message, help));
    }

    fn table(&mut self, schema: &'a Value, path: &str, around: &Range<usize>, table: &DeTable<'_>) {
        let known = schema["properties"].as_object();
        let open = schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]);
        let place = if path.is_empty() { String::new() } else { format!(" in {path}") };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                let takes = self.describe(&schema["properties"][name]);
                self.say(
                    around,
                    format!("missing key \"{name}\"{place}"),
                    format!("\"{name}\" takes {takes}"),
                );
            }
        }
        for (key, node) in table {
            let name: &str = key.get_ref();
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let Some(part) = known.and_then(|known| known.get(name)).or(open) else {
                let names = || known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                let help = match closest(name, names()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("known keys: {}", names().collect::<Vec<_>>().join(", ")),
                };
                self.say(&key.span(), format!("unknown key \"{name}\"{place}"), help);
                continue;
            };
            self.value(part, &below, &key.span(), node);
        }
    }

    fn value(&mut self, schema: &'a Value, path: &str, key: &Range<usize>, node: &Spanned<DeValue<'_>>) {
        let schema = self.resolve(schema);
        let span = node.span();
        self.places.0.insert(path.to_owned(), span.clone());
        match (node.get_ref(), schema["type"].as_str().unwrap_or("string")) {
            (DeValue::Table(table), "object") => self.table(schema, path, key, table),
            (DeValue::Array(items), "array") => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&schema["items"], &format!("{path}[{index}]"), &item.span(), item);
                }
            }
            (DeValue::String(text), "string") => {
                if let Some(format) = schema["format"].as_str()
                    && let Err((message, help)) = formats::check(format, text)
                {
                    self.say(&span, format!("{path}: {message}"), help);
                }
            }
            (DeValue::Integer(number), "integer") => {
                let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
                if value.is_none_or(|value| value < least || value > i64::from(u32::MAX)) {
                    self.say(
                        &span,
                        format!("{path}: {} is out of range", number.as_str()),
                        format!("at least {least}"),
                    );
                }
            }
            (DeValue::Boolean(_), "boolean") | (DeValue::Float(_) | DeValue::Integer(_), "number") => {}
            (found, _) => {
                let found = match found {
                    DeValue::String(text) => format!("the text \"{text}\""),
                    DeValue::Integer(number) => format!("the number {}", number.as_str()),
                    DeValue::Float(number) => format!("the number {}", number.as_str()),
                    DeValue::Boolean(truth) => truth.to_string(),
                    DeValue::Datetime(date) => format!("the date {date}"),
                    DeValue::Array(_) => "a list".to_owned(),
                    DeValue::Table(_) => "a table".to_owned(),
                };
                let takes = self.describe(schema);
                self.say(&span, format!("{path}: {found} is of the wrong type"), format!("it takes {takes}"));
            }
        }
    }

    fn describe(&self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        match schema["type"].as_str().unwrap_or("string") {
            "array" => format!("a list, each item {}", self.describe(&schema["items"])),
            "integer" => "a whole number".to_owned(),
            "number" => "a number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "object" => "a table".to_owned(),
            _ => formats::describe(schema["format"].as_str().unwrap_or_default()),
        }
    }
}

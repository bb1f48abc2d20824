//! The JSON Schema, generated from the types of the file, and the few questions the walk asks of it.
//!
//! Only the keywords those types produce are understood; this is no general validator.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::raw::File;
use crate::config::raw::format::Format;

/// The schema of the file format.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    tidy(&mut schema);
    schema["title"] = "ayad.toml".into();
    schema
});

/// Takes `null` out of every schema, because TOML has none and an optional key is one that may be absent;
/// and line breaks out of descriptions, because they are those of the source code.
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

/// Follows references to the definition behind them.
pub fn resolve(mut schema: &Value) -> &Value {
    while let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")) {
        schema = &SCHEMA["$defs"][name];
    }
    schema
}

/// The alternatives of a schema; itself when there is only one.
pub fn branches(schema: &Value) -> Vec<&Value> {
    let schema = resolve(schema);
    match &schema["anyOf"] {
        Value::Array(branches) => branches.iter().flat_map(self::branches).collect(),
        _ => vec![schema],
    }
}

/// The words a schema allows, when it allows only words.
pub fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Value::Array(words) = &schema["enum"] {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    if let Value::Array(variants) = &schema["oneOf"] {
        return Some(variants.iter().filter_map(|variant| variant["const"].as_str()).collect());
    }
    schema["const"].as_str().map(|word| vec![word])
}

/// The type a schema without alternatives asks for.
pub fn kind(schema: &Value) -> &str {
    if words(schema).is_some() { "string" } else { schema["type"].as_str().unwrap_or("object") }
}

/// What a schema asks for, for people: `a duration such as "2s"`.
pub fn describe(schema: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    for branch in branches(schema) {
        let items = describe_items(branch);
        let part = match &items {
            Some(items) if parts.contains(items) => "a list of these".into(),
            _ => describe_one(branch),
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" or ")
}

fn describe_items(schema: &Value) -> Option<String> {
    (kind(schema) == "array").then(|| describe(&schema["items"]))
}

fn describe_one(schema: &Value) -> String {
    if let Some(words) = words(schema) {
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) };
    }
    match kind(schema) {
        "string" => match schema["format"].as_str().and_then(Format::find) {
            Some(format) => format!("{} such as \"{}\"", format.noun, format.example),
            None => "a text in quotes".into(),
        },
        "integer" => "a whole number".into(),
        "number" => "a number".into(),
        "boolean" => "true or false".into(),
        "array" => format!("a list, each item {}", describe(&schema["items"])),
        _ => "a table".into(),
    }
}

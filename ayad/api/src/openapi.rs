//! The `OpenAPI` 3.1 document, made from [`COMMANDS`] and the schemas of the shapes.

use serde_json::{Map, Value, json};

use crate::SCHEMA_VERSION;
use crate::command::{COMMANDS, Spec};
use crate::error::ApiError;

/// Builds the document.
pub fn document() -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    let error = hoist(schemars::schema_for!(ApiError).to_value(), &mut schemas);
    for spec in COMMANDS {
        let operation = operation(spec, &error, &mut schemas);
        let path = paths.entry(spec.path).or_insert_with(|| json!({}));
        path[spec.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ayad control API",
            "version": SCHEMA_VERSION.to_string(),
            "description": "HTTP/1.1 and JSON over the Unix socket of the daemon.",
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(spec: &Spec, error: &Value, schemas: &mut Map<String, Value>) -> Value {
    let mut parameters: Vec<Value> = ["pool", "backend", "id"]
        .into_iter()
        .filter(|name| spec.path.contains(&format!("{{{name}}}")))
        .map(|name| parameter(name, "path", "Its name", true))
        .collect();
    parameters.extend(spec.query.iter().map(|(name, meaning)| parameter(name, "query", meaning, false)));
    if spec.is_change() {
        parameters.extend(
            CHANGE_PARAMETERS.iter().map(|(name, place, meaning)| parameter(name, place, meaning, false)),
        );
    }
    let answer = match spec.reply {
        Some(schema) => json!({ "application/json": { "schema": hoist(schema().to_value(), schemas) } }),
        None => json!({ "text/plain": { "schema": { "type": "string" } } }),
    };
    let mut operation = json!({
        "operationId": format!("{:?}", spec.id),
        "summary": spec.summary,
        "x-level": spec.level.as_str(),
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": answer },
            "default": { "description": "Refused", "content": { "application/json": { "schema": error } } },
        },
    });
    if let Some(body) = spec.body {
        let schema = hoist(body().to_value(), schemas);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

const CHANGE_PARAMETERS: &[(&str, &str, &str)] = &[
    ("dry_run", "query", "1: only say what would change"),
    ("reason", "query", "Why, for the journal"),
    ("for_ms", "query", "Revert by itself after this many milliseconds"),
    (
        "run",
        "query",
        "The run that orders it: with for_ms it reverts as soon as the run is lost or forgotten",
    ),
    ("If-Match", "header", "Only if the subject still has this ETag"),
    ("Idempotency-Key", "header", "The same key twice is one change"),
];

fn parameter(name: &str, place: &str, meaning: &str, required: bool) -> Value {
    json!({
        "name": name, "in": place, "description": meaning, "required": required,
        "schema": { "type": "string" },
    })
}

/// Moves the definitions of a schema to the shared place and points its references there.
fn hoist(mut schema: Value, schemas: &mut Map<String, Value>) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(definitions)) = object.remove("$defs") {
            for (name, definition) in definitions {
                schemas.insert(name, repoint(definition));
            }
        }
    }
    repoint(schema)
}

fn repoint(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(key, value)| match (key.as_str(), &value) {
                    ("$ref", Value::String(to)) => {
                        (key, Value::String(to.replace("#/$defs/", "#/components/schemas/")))
                    }
                    _ => (key, repoint(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(repoint).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_points_at_a_schema() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not defined");
        }
        assert_eq!(document["paths"].as_object().unwrap().len(), {
            let mut paths: Vec<_> = COMMANDS.iter().map(|c| c.path).collect();
            paths.dedup();
            paths.len()
        });
    }
}

//! `algorithm`: a name, or a table with parameters. Which there are, and what each takes, is the table of `aya-core`;
//! beside those, `auto` chooses among them ([`super::auto`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use aya_core::pick::{PICKERS, ParamKind, ParamSpec};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::auto::{AUTO, AutoKeys};

/// How a backend is picked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Algorithm {
    /// The name of an algorithm.
    Name(AlgorithmName),
    /// With parameters.
    Tuned(Tuned),
}

/// The name of an algorithm.
#[derive(Clone, Debug, Deserialize)]
pub struct AlgorithmName(pub String);

/// An algorithm with parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Tuned {
    /// Its name.
    pub name: AlgorithmName,
    /// What belongs to `auto`.
    #[serde(flatten)]
    pub auto: AutoKeys,
    /// Parameters by name.
    #[serde(flatten)]
    pub params: BTreeMap<String, ParamValue>,
}

/// The value of a parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A number.
    Number(f64),
    /// A word or a time.
    Text(String),
}

impl ParamValue {
    /// As `ayactl` takes it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl JsonSchema for AlgorithmName {
    fn schema_name() -> Cow<'static, str> {
        "AlgorithmName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = PICKERS.iter().map(|picker| picker.name).chain([AUTO]).collect();
        json_schema!({ "type": "string", "title": "an algorithm", "enum": names })
    }
}

impl JsonSchema for Tuned {
    fn schema_name() -> Cow<'static, str> {
        "TunedAlgorithm".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        let mut name = generator.subschema_for::<AlgorithmName>().to_value();
        name["description"] = "The name of the algorithm. Required.".into();
        properties.insert("name".into(), name);
        for (picker, param) in PICKERS.iter().flat_map(|p| p.params.iter().map(move |param| (p, param))) {
            let words = format!(
                "With {}: {}. Default: {}; {} is accepted.",
                picker.name,
                param.about,
                param.show(param.default),
                param.accepted()
            );
            let known = properties.entry(param.name).or_insert_with(|| value_schema(param));
            let before = known["description"].as_str().map_or(String::new(), |text| format!("{text} "));
            known["description"] = Value::String(before + &words);
        }
        AutoKeys::add_to(&mut properties, generator);
        json_schema!({
            "type": "object",
            "title": "an algorithm with parameters",
            "description": "An algorithm with parameters; each algorithm has its own.",
            "properties": properties,
            "required": ["name"],
            "additionalProperties": false,
        })
    }
}

fn value_schema(param: &ParamSpec) -> Value {
    match param.kind {
        ParamKind::Number => json!({ "type": "number", "minimum": param.min, "maximum": param.max }),
        ParamKind::Count => {
            json!({ "type": "integer", "minimum": param.min as i64, "maximum": param.max as i64 })
        }
        ParamKind::Time => json!({ "type": "string", "format": "aya-duration" }),
        ParamKind::Word(words) => json!({ "type": "string", "enum": words }),
    }
}

//! A fault as a line: its kind, whom it hits, and its figures, as after `ayactl chaos`.
//!
//! What a kind takes follows from its shape in the API: `--mean 200ms` is its `mean_ms`, `--status 503` its `status`.

use aya_api::condition::Condition;
use aya_api::fault::{Fault, FaultBody, FaultTarget, KINDS, Per};
use schemars::schema_for;
use serde_json::{Map, Value, json};

use super::formats;
use crate::failure::closest;
use crate::time::parse_some;

/// A mistake and its remedy.
type Wrong = (String, String);

/// What every fault takes.
const COMMON: [&str; 6] = ["percent", "match", "per", "seed", "for", "stop-if"];

/// Reads it.
pub fn parse(line: &str) -> Result<FaultBody, Wrong> {
    let mut words = line.split_whitespace();
    let kind = words.next().ok_or_else(|| ("which fault?".to_owned(), kinds()))?;
    if !KINDS.iter().any(|known| known.name == kind) {
        let near = closest(kind, KINDS.iter().map(|known| known.name));
        let help = near.map_or_else(kinds, |near| format!("did you mean \"{near}\"?"));
        return Err((format!("there is no fault \"{kind}\""), help));
    }
    let shape = shape(kind);
    let mut fault = Map::new();
    fault.insert("kind".into(), kind.into());
    let mut body = FaultBody::new(Fault::Refuse {}, FaultTarget::default());
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else {
            body.target = aim(body.target, word)?;
            continue;
        };
        let value = words.next().ok_or_else(|| (format!("--{name} needs a value"), String::new()))?;
        if COMMON.contains(&name) {
            common(&mut body, name, value)?;
        } else {
            let (key, value) = own(kind, &shape, name, value)?;
            fault.insert(key, value);
        }
    }
    body.fault = serde_json::from_value(Value::Object(fault)).map_err(|error| {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match missing {
            Some(key) => (format!("{kind} needs --{}", flag(key)), takes(kind, &shape)),
            None => (format!("{kind}: {text}"), takes(kind, &shape)),
        }
    })?;
    if body.target.is_everything() {
        return Err((format!("{kind} whom?"), format!("name a pool or a backend: {kind} shop/web-1")));
    }
    Ok(body)
}

fn kinds() -> String {
    format!("there are {}", KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "))
}

/// The figures of a kind: key and schema.
fn shape(kind: &str) -> Map<String, Value> {
    let schema = schema_for!(Fault).to_value();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let mine = variants.into_iter().find(|variant| variant["properties"]["kind"]["const"] == kind);
    let mut keys = mine.and_then(|mine| mine["properties"].as_object().cloned()).unwrap_or_default();
    keys.remove("kind");
    keys
}

/// `mean_ms` as it is typed: `mean`.
fn flag(key: &str) -> String {
    let bare = ["_ms", "_us"].iter().find_map(|unit| key.strip_suffix(unit)).unwrap_or(key);
    bare.replace('_', "-")
}

fn takes(kind: &str, shape: &Map<String, Value>) -> String {
    let flags: Vec<String> = shape.keys().map(|key| format!("--{}", flag(key))).collect();
    let all = COMMON.iter().take(4).map(|name| format!("--{name}"));
    format!("{kind} takes {}", flags.into_iter().chain(all).collect::<Vec<_>>().join(", "))
}

/// A pool, or `pool/backend`.
fn aim(target: FaultTarget, word: &str) -> Result<FaultTarget, Wrong> {
    let slot = if word.contains('/') { &target.backend } else { &target.pool };
    if slot.is_some() {
        return Err((
            format!("a fault is for one target, and \"{word}\" is another"),
            "write a step for each".into(),
        ));
    }
    Ok(match word.contains('/') {
        true => FaultTarget { backend: Some(word.to_owned()), ..target },
        false => FaultTarget { pool: Some(word.to_owned()), ..target },
    })
}

fn common(body: &mut FaultBody, name: &str, value: &str) -> Result<(), Wrong> {
    match name {
        "percent" => body.share = percent(value)?,
        "match" => {
            let (name, value) = value
                .split_once('=')
                .ok_or_else(|| (format!("--match {value}"), "write it like --match zone=a".to_owned()))?;
            aim_part(&mut body.target, name, value)?;
        }
        "per" => {
            body.per = match value {
                "request" => Per::Request,
                "connection" => Per::Connection,
                _ => return Err((format!("--per {value}"), "it is request or connection".into())),
            }
        }
        "seed" => {
            let seed =
                value.parse().map_err(|_| (format!("--seed {value} is not a number"), String::new()))?;
            body.seed = Some(seed);
        }
        "for" => {
            let length = parse_some(value).map_err(|error| (format!("--for: {error}"), String::new()))?;
            body.for_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        }
        "stop-if" => {
            value.parse::<Condition>().map_err(|error| (format!("--stop-if: {error}"), String::new()))?;
            body.stop_if.push(value.to_owned());
        }
        _ => return Err((format!("a fault does not take --{name}"), String::new())),
    }
    Ok(())
}

/// A part of a target: `zone=a`.
fn aim_part(target: &mut FaultTarget, name: &str, value: &str) -> Result<(), Wrong> {
    let slot = match name {
        "zone" => &mut target.zone,
        "label" => &mut target.label,
        "route" => &mut target.route,
        "method" => &mut target.method,
        "path" => &mut target.path,
        "header" => &mut target.header,
        "client" => &mut target.client,
        _ => {
            let help = "there are zone, label, route, method, path, header, client";
            return Err((format!("nothing can be matched by \"{name}\""), help.to_owned()));
        }
    };
    *slot = Some(value.to_owned());
    Ok(())
}

/// A share in percent, with or without the sign, as 0 to 1.
fn percent(text: &str) -> Result<f64, Wrong> {
    formats::share(&format!("{}%", text.trim_end_matches('%')))
}

/// A figure of one kind.
fn own(kind: &str, shape: &Map<String, Value>, name: &str, value: &str) -> Result<(String, Value), Wrong> {
    let found = shape.iter().find(|(key, _)| flag(key) == name);
    let Some((key, schema)) = found else {
        let names: Vec<String> = shape.keys().map(|key| flag(key)).collect();
        let near = closest(name, names.iter().map(String::as_str).chain(COMMON));
        let help = near.map_or_else(|| takes(kind, shape), |near| format!("did you mean --{near}?"));
        return Err((format!("{kind} does not take --{name}"), help));
    };
    let wrong = |what: &str| (format!("--{name} {value} is not {what}"), String::new());
    let unit = [("_ms", 1e3), ("_us", 1e6)].into_iter().find(|(unit, _)| key.ends_with(unit));
    let types = schema["type"].to_string();
    let parsed = if let Some((_, factor)) = unit {
        let length = parse_some(value).map_err(|_| wrong("a duration such as 200ms"))?;
        let number = length.as_secs_f64() * factor;
        if types.contains("integer") { json!(number.round() as u64) } else { json!(number) }
    } else if key == "away" {
        json!(percent(value)?)
    } else if types.contains("integer") {
        json!(value.parse::<u64>().map_err(|_| wrong("a whole number"))?)
    } else if types.contains("number") {
        json!(value.parse::<f64>().map_err(|_| wrong("a number"))?)
    } else if types.contains("array") {
        json!([value])
    } else {
        json!(value)
    };
    Ok((key.clone(), parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_they_are_typed() {
        let body = parse("latency shop/web-1 --mean 200ms --jitter 50ms --percent 30 --for 10s").unwrap();
        assert_eq!(body.fault.to_string(), "latency 200 ms ± 50 ms uniform");
        assert_eq!((body.target.to_string(), body.share, body.for_ms), ("shop/web-1".into(), 0.3, 10_000));
        assert_eq!(parse("refuse --match zone=a").unwrap().target.to_string(), "zone=a");
        assert_eq!(parse("error shop --status 503").unwrap().fault.to_string(), "error 503");
        assert_eq!(
            parse("flap shop/a --period 2s --away 30").unwrap().fault.to_string(),
            "flap 30 % of every 2000 ms"
        );
        assert_eq!(parse("health-lie shop/a --says down").unwrap().fault.to_string(), "health-lie down");
        assert_eq!(parse("breaker shop/a --order open").unwrap().fault.to_string(), "breaker open");
    }

    #[test]
    fn mistakes_come_with_their_remedy() {
        for (line, what, help) in [
            ("refsue shop", "no fault \"refsue\"", "did you mean \"refuse\"?"),
            ("refuse", "refuse whom?", "name a pool"),
            ("latency shop", "latency needs --mean", "--jitter"),
            ("latency shop --maen 5ms", "does not take --maen", "did you mean --mean?"),
            ("latency shop --mean 5", "is not a duration", ""),
            ("error shop --status x", "is not a whole number", ""),
            ("refuse shop img", "\"img\" is another", "a step for each"),
            ("refuse shop --percent x", "is not a share", "50%"),
            ("refuse shop --for", "needs a value", ""),
            ("health-lie shop --says maybe", "health-lie: unknown variant", "--says"),
        ] {
            let wrong = parse(line).unwrap_err();
            assert!(wrong.0.contains(what) && wrong.1.contains(help), "{line}: {wrong:?}");
        }
    }
}

//! Lists of backends, as files and commands give them: read strictly, and as a whole or not at all.
//!
//! A list is JSON, or TOML with the list under `backends`. Each entry is an address, or a table as in the
//! configuration, with a `priority` besides. One entry that is wrong makes the whole list wrong: half a list would take
//! backends away that somebody only misspelled.

use std::collections::HashSet;
use std::net::SocketAddr;

use aya_api::command::weight::MAX_WEIGHT;
use serde::Deserialize;
use serde_json::Value;

use super::Answer;
use crate::config::raw::format;
use crate::config::{Backend, Endpoint, Origin};

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
}

/// Most tags of a backend.
const MAX_TAGS: usize = 64;
/// Longest tag or zone, in bytes.
const MAX_WORD: usize = 256;

/// A backend as it may be written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    address: String,
    weight: Option<u32>,
    zone: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    priority: u8,
}

/// The backends of a list, with their host names resolved.
pub(super) async fn answer(bytes: &[u8], format: Format, source: &str) -> Result<Answer, String> {
    let mut backends = Vec::new();
    for written in read(bytes, format)? {
        backends.push(resolved(written, source).await?);
    }
    Ok(Answer { backends, is_whole: true, ..Answer::default() })
}

fn read(bytes: &[u8], format: Format) -> Result<Vec<Written>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the list is not UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let parsed: Value = match format {
        Format::Json => {
            serde_json::from_str(text).map_err(|error| format!("the list is no JSON: {error}"))?
        }
        Format::Toml => {
            toml::from_str(text).map_err(|error| format!("the list is no TOML: {}", error.message()))?
        }
    };
    let list = match parsed {
        Value::Array(list) => list,
        Value::Object(mut table) => match table.remove("backends") {
            Some(Value::Array(list)) if table.is_empty() => list,
            _ => return Err("the list is a table with something else than \"backends\" = [...]".to_owned()),
        },
        _ => return Err("the list is no list".to_owned()),
    };
    let mut names = HashSet::new();
    let mut all = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let written =
            one(value).and_then(checked).map_err(|wrong| format!("entry {}: {wrong}", index + 1))?;
        let name = written.name.as_ref().unwrap_or(&written.address);
        if !names.insert(name.clone()) {
            return Err(format!("entry {}: the name \"{name}\" is there twice", index + 1));
        }
        all.push(written);
    }
    Ok(all)
}

fn one(value: Value) -> Result<Written, String> {
    match value {
        Value::String(address) => Ok(Written { address, ..Written::default() }),
        Value::Object(_) => serde_json::from_value(value).map_err(|error| error.to_string()),
        _ => Err("is neither an address nor a table".to_owned()),
    }
}

fn checked(written: Written) -> Result<Written, String> {
    format::address(&written.address).map_err(|wrong| format!("{}: {}", wrong.what, wrong.help))?;
    let name = written.name.as_ref().unwrap_or(&written.address);
    format::name(name).map_err(|wrong| format!("{}: {}", wrong.what, wrong.help))?;
    if let Some(weight) = written.weight.filter(|weight| *weight > MAX_WEIGHT) {
        return Err(format!("weight {weight} is over {MAX_WEIGHT}"));
    }
    let words = written.tags.iter().chain(&written.zone);
    if written.tags.len() > MAX_TAGS || words.map(String::len).any(|length| length > MAX_WORD) {
        return Err(format!("there are over {MAX_TAGS} tags, or a word has over {MAX_WORD} bytes"));
    }
    Ok(written)
}

async fn resolved(written: Written, source: &str) -> Result<Backend, String> {
    let endpoint = match literal(&written.address) {
        Some(endpoint) => endpoint,
        None => Endpoint::Tcp(host(&written.address).await?),
    };
    Ok(backend(written, endpoint, source))
}

/// Asks the system about a host. Which of several addresses is taken is always the same.
async fn host(address: &str) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host(address).await;
    let mut found: Vec<_> =
        found.map_err(|error| format!("\"{address}\" does not resolve: {error}"))?.collect();
    found.sort_unstable();
    found.first().copied().ok_or_else(|| format!("\"{address}\" has no address"))
}

/// What an address stands for without anybody being asked.
pub fn literal(address: &str) -> Option<Endpoint> {
    match address.strip_prefix(format::UNIX) {
        Some(path) => Some(Endpoint::Unix(path.into())),
        None => address.parse().ok().map(Endpoint::Tcp),
    }
}

fn backend(written: Written, resolved: Endpoint, source: &str) -> Backend {
    let Written { name, address, weight, zone, tags, priority } = written;
    Backend {
        name: name.unwrap_or_else(|| address.clone()),
        address,
        resolved,
        weight: weight.unwrap_or(1),
        zone,
        priority,
        tags,
        origin: Origin(source.to_owned()),
    }
}

/// A backend of this name as JSON describes it, if its address needs no resolving; else what is wrong with it.
pub fn entry(name: &str, value: Value, source: &str) -> Result<Backend, String> {
    let written = Written { name: Some(name.to_owned()), ..one(value)? };
    let written = checked(written)?;
    let Some(endpoint) = literal(&written.address) else {
        return Err(format!("\"{}\" is a host name; write IP:PORT or unix:/PATH", written.address));
    };
    Ok(backend(written, endpoint, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_addresses_and_tables_in_json_or_toml() {
        let json = br#"["127.0.0.1:1", {"name": "b", "address": "127.0.0.1:2", "weight": 3, "zone": "a", "tags": ["x"]}]"#;
        let toml = b"backends = [\"127.0.0.1:1\", { name = \"b\", address = \"127.0.0.1:2\", priority = 1 }]";
        let names =
            |list: Vec<Written>| list.into_iter().map(|w| w.name.unwrap_or(w.address)).collect::<Vec<_>>();
        assert_eq!(names(read(json, Format::Json).unwrap()), ["127.0.0.1:1", "b"]);
        assert_eq!(names(read(toml, Format::Toml).unwrap()), ["127.0.0.1:1", "b"]);
        assert!(read(b" \n", Format::Json).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |text: &str| read(text.as_bytes(), Format::Json).unwrap_err();
        assert!(wrong("[1").starts_with("the list is no JSON: "), "{}", wrong("[1"));
        assert!(wrong("{\"servers\": []}").contains("\"backends\""));
        assert!(wrong("[\"127.0.0.1:1\", \"http://x\"]").starts_with("entry 2: "));
        assert!(wrong("[\"a:1\", \"a:1\"]").contains("twice"));
        assert!(wrong("[{\"address\": \"a:1\", \"wieght\": 2}]").contains("wieght"));
        assert!(wrong("[{\"address\": \"a:1\", \"weight\": 1001}]").contains("over 1000"));
        assert!(wrong("[[]]").contains("neither"));
    }

    #[test]
    fn an_entry_of_the_api_needs_an_address_that_nobody_has_to_be_asked_about() {
        let value = |address: &str| serde_json::json!({ "address": address });
        assert_eq!(entry("a", value("127.0.0.1:1"), "api").unwrap().name, "a");
        assert!(entry("a", value("host:1"), "api").unwrap_err().contains("host name"));
        assert!(entry("a b", value("127.0.0.1:1"), "api").is_err());
        assert_eq!(entry("a", value("unix:/run/a b"), "api").unwrap().name, "a");
    }

    proptest::proptest! {
        #[test]
        fn any_list_is_read_or_refused(bytes: Vec<u8>, text in "[\\[\\]{}\"a-z0-9:,=. ]{0,64}") {
            for format in [Format::Json, Format::Toml] {
                drop(read(&bytes, format));
                drop(read(text.as_bytes(), format));
            }
        }
    }
}

//! `ayactl metrics`: the daemon's metrics, as Prometheus would read them or as a list of samples.

use std::collections::BTreeMap;

use aya_api::command::metrics;
use serde::Serialize;

use crate::args::Format;
use crate::failure::Failure;
use crate::render::cell::Cell;
use crate::render::{self, Column, Row};
use crate::session::Session;

/// One sample of the Prometheus text format.
#[derive(Debug, PartialEq, Serialize)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    /// As written: JSON has no infinity, and large counters would lose digits as floating point.
    value: String,
}

impl Row for Sample {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |s, _| Cell::text(&s.name)),
        Column::left("labels", "LABELS", |s, _| labels(s)),
        Column::right("value", "VALUE", |s, _| Cell { number: s.value.parse().ok(), ..Cell::text(&s.value) }),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

fn labels(sample: &Sample) -> Cell {
    let pairs: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Cell::maybe(Some(&pairs.join(",")))
}

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>) -> Result<u8, Failure> {
    let text = session.client.text(metrics::SPEC.path).await?;
    let text = match session.view.format {
        Format::Table => text,
        Format::Wide | Format::Json | Format::Jsonl | Format::Yaml | Format::Csv | Format::Name => {
            render::list(text.lines().filter_map(sample).collect(), &session.view)?
        }
    };
    session.print(&text)?;
    Ok(0)
}

/// Reads one line of the text format; comments and blank lines are none.
fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let value = rest.split_whitespace().next()?;
    Some(Sample { name: name.into(), labels, value: value.into() })
}

/// Reads `name="value",…}` and returns what follows the brace.
fn read_labels<'t>(mut rest: &'t str, labels: &mut BTreeMap<String, String>) -> Option<&'t str> {
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.into(), value);
        rest = &quoted[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_labels_with_quotes_and_braces() {
        let found = sample(r#"aya_x_total{pool="a}b",why="say \"no\",\n"} 12 1700000000"#).unwrap();
        assert_eq!(found.name, "aya_x_total");
        assert_eq!(found.labels["pool"], "a}b");
        assert_eq!(found.labels["why"], "say \"no\",\n");
        assert_eq!(found.value, "12");
    }

    #[test]
    fn comments_and_garbage_are_no_samples() {
        for line in ["", "# HELP x y", "nospace", "x{a=\"", "x{a} 1"] {
            assert_eq!(sample(line), None, "{line}");
        }
        assert_eq!(sample("up 1").unwrap().value, "1");
    }
}

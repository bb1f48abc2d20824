//! Which names listeners serve over TLS, by which file, and until when.

use aya_core::time::civil_date;
use serde_json::{Value, json};

use crate::clock;
use crate::config::{Config, Covered, CoveredBy};

const DAY_S: i64 = 86_400;

/// One row for each certificate of each listener.
pub(super) fn rows(config: &Config) -> Vec<Vec<String>> {
    let row = |(listener, covered): (&str, &Covered)| {
        let (source, end, note) = match &covered.source {
            CoveredBy::File { cert, life, is_default } => {
                let end = format!("until {} ({})", date(life.not_after), left(life.days_left(now_s())));
                let note = if *is_default { "also for other names" } else { "" };
                (cert.display().to_string(), end, note)
            }
            CoveredBy::Acme(directory) => {
                (format!("acme {directory}"), "got and renewed by itself".to_owned(), "")
            }
        };
        let names = if covered.names.is_empty() { "no name".to_owned() } else { covered.names.join(" ") };
        vec![listener.to_owned(), names, source, end, note.to_owned()]
    };
    all(config).map(row).collect()
}

/// The same as JSON.
pub(super) fn json(config: &Config) -> Vec<Value> {
    let object = |(listener, covered): (&str, &Covered)| match &covered.source {
        CoveredBy::File { cert, life, is_default } => json!({
            "listener": listener, "names": covered.names, "source": format!("file {}", cert.display()),
            "default": is_default, "not_after_ms": life.not_after.saturating_mul(1000),
            "days_left": life.days_left(now_s()),
        }),
        CoveredBy::Acme(directory) => json!({
            "listener": listener, "names": covered.names, "source": format!("acme {directory}"),
            "default": false, "not_after_ms": null, "days_left": null,
        }),
    };
    all(config).map(object).collect()
}

fn all(config: &Config) -> impl Iterator<Item = (&str, &Covered)> {
    let each = config.listeners.iter().zip(&config.covered);
    each.flat_map(|(listener, covered)| covered.iter().map(|one| (listener.name.as_str(), one)))
}

fn date(at_s: i64) -> String {
    let (year, month, day) = civil_date(at_s.div_euclid(DAY_S));
    format!("{year:04}-{month:02}-{day:02}")
}

fn left(days: i64) -> String {
    match days {
        ..0 => "expired".to_owned(),
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn now_s() -> i64 {
    (clock::wall_ms() / 1000).cast_signed()
}

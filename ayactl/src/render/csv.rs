//! Comma-separated values: column names as headings, raw values, empty for what is not known.

use aya_api::exit::Exit;

use super::{Column, View};
use crate::failure::Failure;

/// A list with its headings.
pub(super) fn list<T>(items: &[T], columns: &[&Column<T>], view: &View) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if view.headings {
        writer.write_record(columns.iter().map(|column| column.name)).map_err(|error| failed(&error))?;
    }
    for item in items {
        let record = columns.iter().map(|column| (column.cell)(item, view.now_ms).raw);
        writer.write_record(record).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Error, "internal", format!("cannot write CSV: {error}"), "try -o json")
}

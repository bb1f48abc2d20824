//! JSON as documents and as lines.

use aya_api::exit::Exit;
use serde::Serialize;

use crate::failure::Failure;

/// One document, indented.
pub(super) fn pretty<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| failed(&error))
}

/// One document on one line.
pub(super) fn line<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(|error| failed(&error))
}

/// One line an item; nothing at all for an empty list.
pub(super) fn lines<T: Serialize>(items: &[T]) -> Result<String, Failure> {
    items.iter().map(line).collect()
}

fn failed(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Error, "internal", format!("cannot write JSON: {error}"), "")
}

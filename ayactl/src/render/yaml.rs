//! YAML documents.

use aya_api::exit::Exit;
use serde::Serialize;

use crate::failure::Failure;

/// One document.
pub(super) fn document<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    serde_norway::to_string(value).map_err(|error| {
        Failure::new(Exit::Error, "internal", format!("cannot write YAML: {error}"), "try -o json")
    })
}

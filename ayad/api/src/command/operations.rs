//! `GET /v1/operations`: The journal: what people changed, newest first.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::change::Operation;

/// Reads the journal.
#[derive(Clone, Copy, Debug)]
pub struct GetOperations;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Operations,
    method: Method::Get,
    path: "/v1/operations",
    summary: "The journal: what people changed, newest first",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<Operation>)),
};

plain_read!(GetOperations, Vec<Operation>);

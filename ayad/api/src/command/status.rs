//! `GET /v1/status`: Everything an operator sees first, in one picture.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::Status;

/// Reads the daemon, its listeners and its pools in one picture.
#[derive(Clone, Copy, Debug)]
pub struct GetStatus;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Status,
    method: Method::Get,
    path: "/v1/status",
    summary: "Everything an operator sees first, in one picture",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Status)),
};

plain_read!(GetStatus, Status);

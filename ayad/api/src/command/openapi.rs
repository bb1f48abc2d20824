//! `GET /v1/openapi.json`: this API, described for machines.

use super::{Id, Method, Spec};
use crate::axis::Level;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Openapi,
    method: Method::Get,
    path: "/v1/openapi.json",
    summary: "This document",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: None,
};

//! `GET /metrics`: everything for Prometheus, in its text format.

use super::{Id, Method, Spec};
use crate::axis::Level;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Metrics,
    method: Method::Get,
    path: "/metrics",
    summary: "Metrics in the Prometheus text format",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: None,
};

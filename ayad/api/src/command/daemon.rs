//! `GET /v1/daemon`: The daemon as a process.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::DaemonView;

/// Reads the daemon.
#[derive(Clone, Copy, Debug)]
pub struct GetDaemon;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Daemon,
    method: Method::Get,
    path: "/v1/daemon",
    summary: "The daemon as a process",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(DaemonView)),
};

plain_read!(GetDaemon, DaemonView);

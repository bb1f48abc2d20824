//! `POST /v1/reload`: read the configuration again and apply what differs.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::change::Change;

/// Applies the configuration file as it is now. A bad file changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Reload;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Reload,
    method: Method::Post,
    path: "/v1/reload",
    summary: "Read the configuration again and apply what differs",
    level: Level::Admin,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Change)),
};

plain_read!(Reload, Change);

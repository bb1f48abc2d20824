//! `GET /v1/listeners`: All listeners.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::ListenerView;

/// Reads all listeners.
#[derive(Clone, Copy, Debug)]
pub struct GetListeners;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Listeners,
    method: Method::Get,
    path: "/v1/listeners",
    summary: "All listeners",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<ListenerView>)),
};

plain_read!(GetListeners, Vec<ListenerView>);

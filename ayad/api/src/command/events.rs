//! `GET /v1/events`: the events still kept, oldest first.

use schemars::schema_for;

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::event::Event;

/// Reads events.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetEvents {
    /// Only events after this sequence number.
    pub since: u64,
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Events,
    method: Method::Get,
    path: "/v1/events",
    summary: "The events still kept, oldest first",
    level: Level::Observe,
    query: &[("since", "only events after this sequence number")],
    body: None,
    reply: Some(|| schema_for!(Vec<Event>)),
};

impl Call for GetEvents {
    type Reply = Vec<Event>;
    type Body = ();
    const SPEC: Spec = SPEC;

    fn query(&self) -> Vec<(&'static str, String)> {
        vec![("since", self.since.to_string())]
    }
}

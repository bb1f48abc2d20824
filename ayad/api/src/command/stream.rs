//! `GET /v1/stream`: events as they happen, one JSON object a line, for as long as the caller reads.
//!
//! A reader that is too slow is told how many events it missed; it never slows the daemon.

use schemars::schema_for;

use super::{Id, Method, Spec};
use crate::axis::Level;
use crate::event::StreamItem;

/// Its line in the table. The client reads it line by line, see [`crate::client`].
pub const SPEC: Spec = Spec {
    id: Id::Stream,
    method: Method::Get,
    path: "/v1/stream",
    summary: "Events as they happen, one JSON object a line",
    level: Level::Observe,
    query: &[("since", "start after this sequence number; without it, with the next event")],
    body: None,
    reply: Some(|| schema_for!(StreamItem)),
};

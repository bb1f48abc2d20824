//! `GET /v1/status`: Everything an operator sees first, in one picture.

use schemars::schema_for;

use super::{Call, Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::Status;

/// Reads the daemon, its listeners and its pools in one picture.
#[derive(Clone, Copy, Debug)]
pub struct GetStatus;

/// The same with traffic over fewer or more seconds than [`crate::view::WINDOW_S`], for those who want to know what is so now.
#[derive(Clone, Copy, Debug)]
pub struct GetStatusOver {
    /// Seconds, 1 to [`crate::view::SPARK_POINTS`].
    pub window_s: u32,
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Status,
    method: Method::Get,
    path: "/v1/status",
    summary: "Everything an operator sees first, in one picture",
    level: Level::Observe,
    query: &[("window_s", "seconds over which traffic is taken, 1 to 60; 10 when absent")],
    body: None,
    reply: Some(|| schema_for!(Status)),
};

plain_read!(GetStatus, Status);

impl Call for GetStatusOver {
    type Reply = Status;
    type Body = ();
    const SPEC: Spec = SPEC;

    fn query(&self) -> Vec<(&'static str, String)> {
        vec![("window_s", self.window_s.to_string())]
    }
}

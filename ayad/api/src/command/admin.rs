//! `PUT /v1/backends/{pool}/{backend}/admin`: drain a backend, take it out, or make it ready.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::{Admin, Level, StickyDrain};
use crate::change::Change;

/// Sets the admin state of a backend.
#[derive(Clone, Debug)]
pub struct SetAdmin {
    pool: String,
    backend: String,
    body: AdminBody,
}

/// Body of the call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminBody {
    /// The state to go to: `ready`, `draining` or `maint`. `drained` is reached by draining, never ordered.
    pub state: Admin,
    /// What happens to bound clients while draining; default `honour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyDrain>,
}

impl SetAdmin {
    /// Orders `state` for `pool/backend`.
    pub fn new(pool: &str, backend: &str, state: Admin, sticky: Option<StickyDrain>) -> Self {
        Self { pool: pool.into(), backend: backend.into(), body: AdminBody { state, sticky } }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Admin,
    method: Method::Put,
    path: "/v1/backends/{pool}/{backend}/admin",
    summary: "Drain a backend, take it out of service, or make it ready",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(AdminBody)),
    reply: Some(|| schema_for!(Change)),
};

impl Call for SetAdmin {
    type Reply = Change;
    type Body = AdminBody;
    const SPEC: Spec = SPEC;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }

    fn body(&self) -> Option<&AdminBody> {
        Some(&self.body)
    }
}

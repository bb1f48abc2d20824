//! `PUT /v1/backends/{pool}/{backend}/breaker` and `POST …/breaker/reset`: force, hold, release and reset a breaker.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::{BreakerOrder, Level};
use crate::change::Change;

/// Puts an order about the breaker of a backend in force, or releases it.
#[derive(Clone, Debug)]
pub struct OrderBreaker {
    pool: String,
    backend: String,
    body: BreakerBody,
}

/// Body of the call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerBody {
    /// `open`, `closed`, `held`, or `none` to go on by what it has learned.
    pub order: BreakerOrder,
}

impl OrderBreaker {
    /// Orders `order` for `pool/backend`.
    pub fn new(pool: &str, backend: &str, order: BreakerOrder) -> Self {
        Self { pool: pool.into(), backend: backend.into(), body: BreakerBody { order } }
    }
}

/// Has breaker and outlier detection forget what they learned about a backend.
#[derive(Clone, Debug)]
pub struct ResetBreaker {
    pool: String,
    backend: String,
}

impl ResetBreaker {
    /// Resets `pool/backend`.
    pub fn new(pool: &str, backend: &str) -> Self {
        Self { pool: pool.into(), backend: backend.into() }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Breaker,
    method: Method::Put,
    path: "/v1/backends/{pool}/{backend}/breaker",
    summary: "Force the breaker of a backend open or closed, hold it, or release it",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(BreakerBody)),
    reply: Some(|| schema_for!(Change)),
};

/// The line of the other call.
pub const SPEC_RESET: Spec = Spec {
    id: Id::BreakerReset,
    method: Method::Post,
    path: "/v1/backends/{pool}/{backend}/breaker/reset",
    summary: "Forget what breaker and outlier detection have learned about a backend",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Change)),
};

impl Call for OrderBreaker {
    type Reply = Change;
    type Body = BreakerBody;
    const SPEC: Spec = SPEC;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }

    fn body(&self) -> Option<&BreakerBody> {
        Some(&self.body)
    }
}

impl Call for ResetBreaker {
    type Reply = Change;
    type Body = ();
    const SPEC: Spec = SPEC_RESET;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }
}

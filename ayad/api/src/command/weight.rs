//! `PUT /v1/backends/{pool}/{backend}/weight`: change how much of the traffic a backend gets.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::change::Change;

/// Greatest weight.
pub const MAX_WEIGHT: u32 = 1000;

/// Sets the weight of a backend.
#[derive(Clone, Debug)]
pub struct SetWeight {
    pool: String,
    backend: String,
    body: WeightBody,
}

/// Body of the call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightBody {
    /// 0 to [`MAX_WEIGHT`]; 0 gets no new requests under algorithms that use weights.
    pub weight: u32,
}

impl SetWeight {
    /// Orders `weight` for `pool/backend`.
    pub fn new(pool: &str, backend: &str, weight: u32) -> Self {
        Self { pool: pool.into(), backend: backend.into(), body: WeightBody { weight } }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Weight,
    method: Method::Put,
    path: "/v1/backends/{pool}/{backend}/weight",
    summary: "Change the weight of a backend",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(WeightBody)),
    reply: Some(|| schema_for!(Change)),
};

impl Call for SetWeight {
    type Reply = Change;
    type Body = WeightBody;
    const SPEC: Spec = SPEC;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }

    fn body(&self) -> Option<&WeightBody> {
        Some(&self.body)
    }
}

//! `PUT /v1/pools/{pool}/algorithm`: change how a pool picks.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::change::Change;

/// Sets the algorithm of a pool.
#[derive(Clone, Debug)]
pub struct SetAlgorithm {
    pool: String,
    body: AlgorithmBody,
}

/// Body of the call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmBody {
    /// One of the names in `/v1/algorithms`.
    pub algorithm: String,
}

impl SetAlgorithm {
    /// Orders `algorithm` for `pool`.
    pub fn new(pool: &str, algorithm: &str) -> Self {
        Self { pool: pool.into(), body: AlgorithmBody { algorithm: algorithm.into() } }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Algorithm,
    method: Method::Put,
    path: "/v1/pools/{pool}/algorithm",
    summary: "Change the algorithm of a pool",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(AlgorithmBody)),
    reply: Some(|| schema_for!(Change)),
};

impl Call for SetAlgorithm {
    type Reply = Change;
    type Body = AlgorithmBody;
    const SPEC: Spec = SPEC;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, ""]
    }

    fn body(&self) -> Option<&AlgorithmBody> {
        Some(&self.body)
    }
}

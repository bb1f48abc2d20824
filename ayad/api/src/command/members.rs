//! `PUT` and `DELETE /v1/pools/{pool}/members/{backend}`: add a backend to a pool that takes them from operators, or
//! take it out again.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::change::Change;

/// Adds a backend, or changes what is known of it.
#[derive(Clone, Debug)]
pub struct AddMember {
    pool: String,
    backend: String,
    body: MemberBody,
}

/// Body of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// Where it is: `IP:PORT` or `unix:/PATH`.
    pub address: String,
    /// Its weight, 0 to 1000; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Zone it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Words to select it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its priority group: the lowest number serves first; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl AddMember {
    /// Adds `pool/backend`.
    pub fn new(pool: &str, backend: &str, body: MemberBody) -> Self {
        Self { pool: pool.into(), backend: backend.into(), body }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::AddMember,
    method: Method::Put,
    path: "/v1/pools/{pool}/members/{backend}",
    summary: "Add a backend to a pool that takes them from operators",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(MemberBody)),
    reply: Some(|| schema_for!(Change)),
};

impl Call for AddMember {
    type Reply = Change;
    type Body = MemberBody;
    const SPEC: Spec = SPEC;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }

    fn body(&self) -> Option<&MemberBody> {
        Some(&self.body)
    }
}

/// Takes out a backend that was added.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    pool: String,
    backend: String,
}

impl RemoveMember {
    /// Takes out `pool/backend`.
    pub fn new(pool: &str, backend: &str) -> Self {
        Self { pool: pool.into(), backend: backend.into() }
    }
}

/// Its line in the table.
pub const SPEC_REMOVE: Spec = Spec {
    id: Id::RemoveMember,
    method: Method::Delete,
    path: SPEC.path,
    summary: "Take a backend out of a pool that takes them from operators",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Change)),
};

impl Call for RemoveMember {
    type Reply = Change;
    type Body = ();
    const SPEC: Spec = SPEC_REMOVE;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }
}

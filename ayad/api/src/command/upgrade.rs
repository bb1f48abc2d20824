//! `POST /v1/upgrade`: hand everything over to a new process, without a client noticing.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::change::Change;

/// Starts a new process that takes over; answers once it serves, or with why it does not.
#[derive(Clone, Debug, Default)]
pub struct Upgrade {
    body: UpgradeBody,
}

/// Body of the call.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// Path of the binary to start; by default the one this process was started from, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}

impl Upgrade {
    /// Upgrades to the binary at this path, or to the one the daemon was started from.
    pub fn to(binary: Option<String>) -> Self {
        Self { body: UpgradeBody { binary } }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Upgrade,
    method: Method::Post,
    path: "/v1/upgrade",
    summary: "Start a new process that takes over every socket, and finish what this one has",
    level: Level::Admin,
    query: &[],
    body: Some(|| schema_for!(UpgradeBody)),
    reply: Some(|| schema_for!(Change)),
};

impl Call for Upgrade {
    type Reply = Change;
    type Body = UpgradeBody;
    const SPEC: Spec = SPEC;

    fn body(&self) -> Option<&UpgradeBody> {
        Some(&self.body)
    }
}

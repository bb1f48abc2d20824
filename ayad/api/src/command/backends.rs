//! `GET /v1/backends` and `GET /v1/backends/{pool}/{backend}`: backends, and one with its past.

use schemars::schema_for;

use super::{Call, Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::{BackendDetail, BackendView};

/// Reads all backends of all pools.
#[derive(Clone, Copy, Debug)]
pub struct GetBackends;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Backends,
    method: Method::Get,
    path: "/v1/backends",
    summary: "All backends of all pools",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<BackendView>)),
};

plain_read!(GetBackends, Vec<BackendView>);

/// Reads one backend with its history, checks and latency histogram.
#[derive(Clone, Debug)]
pub struct GetBackend {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub backend: String,
}

/// Its line in the table.
pub const SPEC_ONE: Spec = Spec {
    id: Id::Backend,
    path: "/v1/backends/{pool}/{backend}",
    summary: "One backend with its history, checks and latency histogram",
    reply: Some(|| schema_for!(BackendDetail)),
    ..SPEC
};

impl Call for GetBackend {
    type Reply = BackendDetail;
    type Body = ();
    const SPEC: Spec = SPEC_ONE;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }
}

//! `GET /v1/pools` and `GET /v1/pools/{pool}`: pools with their backends.

use schemars::schema_for;

use super::{Call, Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::PoolView;

/// Reads all pools.
#[derive(Clone, Copy, Debug)]
pub struct GetPools;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Pools,
    method: Method::Get,
    path: "/v1/pools",
    summary: "All pools with their backends",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<PoolView>)),
};

plain_read!(GetPools, Vec<PoolView>);

/// Reads one pool.
#[derive(Clone, Debug)]
pub struct GetPool {
    /// Its name.
    pub pool: String,
}

/// Its line in the table.
pub const SPEC_ONE: Spec = Spec {
    id: Id::Pool,
    path: "/v1/pools/{pool}",
    summary: "One pool with its backends",
    reply: Some(|| schema_for!(PoolView)),
    ..SPEC
};

impl Call for GetPool {
    type Reply = PoolView;
    type Body = ();
    const SPEC: Spec = SPEC_ONE;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, ""]
    }
}

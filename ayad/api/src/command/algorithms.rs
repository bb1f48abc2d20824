//! `GET /v1/algorithms`: The algorithms pools can use.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::AlgorithmInfo;

/// Reads the table of algorithms.
#[derive(Clone, Copy, Debug)]
pub struct GetAlgorithms;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Algorithms,
    method: Method::Get,
    path: "/v1/algorithms",
    summary: "The algorithms pools can use",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<AlgorithmInfo>)),
};

plain_read!(GetAlgorithms, Vec<AlgorithmInfo>);

//! `GET /v1/routes`: All routes, in the order in which they are tried.

use schemars::schema_for;

use super::{Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::view::RouteView;

/// Reads all routes.
#[derive(Clone, Copy, Debug)]
pub struct GetRoutes;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Routes,
    method: Method::Get,
    path: "/v1/routes",
    summary: "All routes, in the order in which they are tried",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<RouteView>)),
};

plain_read!(GetRoutes, Vec<RouteView>);

//! Why requests go where they go.

use schemars::schema_for;

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::view::{BackendExplanation, PickExplanation, RequestExplanation};

/// Asks what the next pick of a pool would see.
#[derive(Clone, Debug)]
pub struct ExplainPick {
    /// The pool.
    pub pool: String,
    /// What an algorithm with keys would hash.
    pub key: Option<String>,
    /// The rule of the pool that the requests in question are under, by its number.
    pub rule: Option<u8>,
}

/// Its line in the table.
pub const SPEC_PICK: Spec = Spec {
    id: Id::ExplainPick,
    method: Method::Get,
    path: "/v1/pools/{pool}/explain",
    summary: "What the next pick of a pool would see: every backend with its score, or what keeps it out",
    level: Level::Observe,
    query: &[
        ("key", "What an algorithm with keys hashes, e.g. the value of a header; an address for clients"),
        (
            "rule",
            "The number of a rule for some requests, in a pool that chooses by itself: the pick is one of those",
        ),
    ],
    body: None,
    reply: Some(|| schema_for!(PickExplanation)),
};

impl Call for ExplainPick {
    type Reply = PickExplanation;
    type Body = ();
    const SPEC: Spec = SPEC_PICK;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, ""]
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let key = self.key.iter().map(|key| ("key", key.clone()));
        key.chain(self.rule.map(|rule| ("rule", rule.to_string()))).collect()
    }
}

/// Asks why a backend gets the share it gets.
#[derive(Clone, Debug)]
pub struct ExplainBackend {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub backend: String,
}

/// Its line in the table.
pub const SPEC_BACKEND: Spec = Spec {
    id: Id::ExplainBackend,
    path: "/v1/backends/{pool}/{backend}/explain",
    summary: "Why a backend gets the share of requests it gets, or none",
    query: &[],
    reply: Some(|| schema_for!(BackendExplanation)),
    ..SPEC_PICK
};

impl Call for ExplainBackend {
    type Reply = BackendExplanation;
    type Body = ();
    const SPEC: Spec = SPEC_BACKEND;

    fn path_values(&self) -> [&str; 2] {
        [&self.pool, &self.backend]
    }
}

/// Asks what became of a request.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// Its id.
    pub id: String,
}

/// Its line in the table.
pub const SPEC_REQUEST: Spec = Spec {
    id: Id::ExplainRequest,
    path: "/v1/requests/{id}",
    summary: "What became of one request: route, attempts, scores of the candidates, times",
    query: &[],
    reply: Some(|| schema_for!(RequestExplanation)),
    ..SPEC_PICK
};

impl Call for ExplainRequest {
    type Reply = RequestExplanation;
    type Body = ();
    const SPEC: Spec = SPEC_REQUEST;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }
}

/// Reads the requests that can be explained.
#[derive(Clone, Debug, Default)]
pub struct GetRequests {
    /// Only those of this pool.
    pub pool: Option<String>,
    /// Only those that failed.
    pub failed: bool,
    /// At most so many, the newest.
    pub limit: Option<u64>,
}

/// Its line in the table.
pub const SPEC_REQUESTS: Spec = Spec {
    id: Id::Requests,
    path: "/v1/requests",
    summary: "The requests that can be explained, newest first: those that failed or were tried again, and a sample",
    query: &[
        ("pool", "only requests of this pool"),
        ("failed", "1 for only requests that failed"),
        ("limit", "at most so many, the newest; all without it"),
    ],
    reply: Some(|| schema_for!(Vec<RequestExplanation>)),
    ..SPEC_PICK
};

impl Call for GetRequests {
    type Reply = Vec<RequestExplanation>;
    type Body = ();
    const SPEC: Spec = SPEC_REQUESTS;

    fn query(&self) -> Vec<(&'static str, String)> {
        let pool = self.pool.iter().map(|pool| ("pool", pool.clone()));
        let failed = self.failed.then(|| ("failed", "1".to_owned()));
        pool.chain(failed).chain(self.limit.map(|limit| ("limit", limit.to_string()))).collect()
    }
}

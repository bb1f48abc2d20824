//! `/v1/runs`: load tests, experiments and game days, as those who run them tell the daemon.

use schemars::schema_for;

use super::{Call, Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::run::{RunBody, RunView};

/// Reads the runs that were told of.
#[derive(Clone, Copy, Debug)]
pub struct GetRuns;

/// Tells of a run. To be repeated before [`crate::run::LOST_AFTER_MS`] are over, until its end.
#[derive(Clone, Debug)]
pub struct PutRun {
    id: String,
    body: RunBody,
}

/// Forgets a run, and ends the faults that are part of it.
#[derive(Clone, Debug)]
pub struct EndRun {
    id: String,
}

impl PutRun {
    /// Tells of the run `id`: 1 to 64 letters, digits and `-`, `_`, `.`, chosen by the caller.
    pub fn new(id: &str, body: RunBody) -> Self {
        Self { id: id.into(), body }
    }
}

impl EndRun {
    /// Forgets the run `id`.
    pub fn new(id: &str) -> Self {
        Self { id: id.into() }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Runs,
    method: Method::Get,
    path: "/v1/runs",
    summary: "Load tests, experiments and game days that were told of lately, newest first",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<RunView>)),
};

/// The line of the call that tells.
pub const SPEC_PUT: Spec = Spec {
    id: Id::PutRun,
    method: Method::Put,
    path: "/v1/runs/{id}",
    summary: "Tell of a run, or how it goes",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(RunBody)),
    reply: Some(|| schema_for!(RunView)),
};

/// The line of the call that forgets.
pub const SPEC_END: Spec = Spec {
    id: Id::EndRun,
    method: Method::Delete,
    path: "/v1/runs/{id}",
    summary: "Forget a run, and end the faults that are part of it",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(RunView)),
};

plain_read!(GetRuns, Vec<RunView>);

impl Call for PutRun {
    type Reply = RunView;
    type Body = RunBody;
    const SPEC: Spec = SPEC_PUT;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }

    fn body(&self) -> Option<&RunBody> {
        Some(&self.body)
    }
}

impl Call for EndRun {
    type Reply = RunView;
    type Body = ();
    const SPEC: Spec = SPEC_END;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }
}

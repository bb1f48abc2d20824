//! `/v1/faults`: inject a fault, keep an attached one alive, end one or all, and read what they do.

use schemars::schema_for;

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::fault::{FaultBody, FaultView};

/// Reads the faults that are injected.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetFaults {
    /// Also those that have ended, as far as they are kept.
    pub all: bool,
}

/// Reads one fault, also one that has ended.
#[derive(Clone, Debug)]
pub struct GetFault {
    id: String,
}

/// Injects a fault. A dry run says whom it would hit.
#[derive(Clone, Debug)]
pub struct StartFault {
    body: FaultBody,
}

/// Tells that the caller of an attached fault is still there.
#[derive(Clone, Debug)]
pub struct RenewFault {
    id: String,
}

/// Ends a fault. One that has ended already stays as it is.
#[derive(Clone, Debug)]
pub struct StopFault {
    id: String,
}

/// Ends every fault, and answers with those that were ended.
#[derive(Clone, Copy, Debug)]
pub struct StopAll;

impl GetFault {
    /// The fault of this id.
    pub fn new(id: &str) -> Self {
        Self { id: id.into() }
    }
}

impl StartFault {
    /// Injects `body`.
    pub fn new(body: FaultBody) -> Self {
        Self { body }
    }
}

impl RenewFault {
    /// Renews the fault of this id.
    pub fn new(id: &str) -> Self {
        Self { id: id.into() }
    }
}

impl StopFault {
    /// Ends the fault of this id.
    pub fn new(id: &str) -> Self {
        Self { id: id.into() }
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Faults,
    method: Method::Get,
    path: "/v1/faults",
    summary: "Faults that are injected, oldest first",
    level: Level::Observe,
    query: &[("all", "1: also the last ones that ended, after the others, newest first")],
    body: None,
    reply: Some(|| schema_for!(Vec<FaultView>)),
};

/// The line of the call for one.
pub const SPEC_ONE: Spec = Spec {
    id: Id::Fault,
    method: Method::Get,
    path: "/v1/faults/{id}",
    summary: "One fault, also one of the last that ended",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(FaultView)),
};

/// The line of the call that injects.
pub const SPEC_START: Spec = Spec {
    id: Id::StartFault,
    method: Method::Post,
    path: "/v1/faults",
    summary: "Inject a fault, or say whom it would hit",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(FaultBody)),
    reply: Some(|| schema_for!(FaultView)),
};

/// The line of the call that renews.
pub const SPEC_RENEW: Spec = Spec {
    id: Id::RenewFault,
    method: Method::Post,
    path: "/v1/faults/{id}/renew",
    summary: "Tell that the caller of an attached fault is still there",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(FaultView)),
};

/// The line of the call that ends one.
pub const SPEC_STOP: Spec = Spec {
    id: Id::StopFault,
    method: Method::Delete,
    path: "/v1/faults/{id}",
    summary: "End a fault",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(FaultView)),
};

/// The line of the call that ends all.
pub const SPEC_STOP_ALL: Spec = Spec {
    id: Id::StopFaults,
    method: Method::Delete,
    path: "/v1/faults",
    summary: "End every fault at once",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(Vec<FaultView>)),
};

impl Call for GetFaults {
    type Reply = Vec<FaultView>;
    type Body = ();
    const SPEC: Spec = SPEC;

    fn query(&self) -> Vec<(&'static str, String)> {
        if self.all { vec![("all", "1".into())] } else { Vec::new() }
    }
}

impl Call for GetFault {
    type Reply = FaultView;
    type Body = ();
    const SPEC: Spec = SPEC_ONE;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }
}

impl Call for StartFault {
    type Reply = FaultView;
    type Body = FaultBody;
    const SPEC: Spec = SPEC_START;

    fn body(&self) -> Option<&FaultBody> {
        Some(&self.body)
    }
}

impl Call for RenewFault {
    type Reply = FaultView;
    type Body = ();
    const SPEC: Spec = SPEC_RENEW;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }
}

impl Call for StopFault {
    type Reply = FaultView;
    type Body = ();
    const SPEC: Spec = SPEC_STOP;

    fn path_values(&self) -> [&str; 2] {
        [&self.id, ""]
    }
}

impl Call for StopAll {
    type Reply = Vec<FaultView>;
    type Body = ();
    const SPEC: Spec = SPEC_STOP_ALL;
}

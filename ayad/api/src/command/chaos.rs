//! `GET /v1/chaos`, `POST /v1/chaos/panic`, `PUT` and `DELETE /v1/chaos/lock`: faults as a whole, and who may inject any.

use schemars::schema_for;

use super::{Call, Id, Method, Spec, plain_read};
use crate::axis::Level;
use crate::fault::ChaosView;

/// Reads everything about faults.
#[derive(Clone, Copy, Debug)]
pub struct GetChaos;

/// Ends every fault at once, and locks. The reason goes along as that of every change.
#[derive(Clone, Copy, Debug)]
pub struct Panic;

/// Lets nobody inject a fault from now on; those that are injected go on. It needs a reason.
#[derive(Clone, Copy, Debug)]
pub struct Lock;

/// Lets people inject faults again.
#[derive(Clone, Copy, Debug)]
pub struct Unlock;

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::Chaos,
    method: Method::Get,
    path: "/v1/chaos",
    summary: "Faults that are injected, the last ones that ended, and what limits them",
    level: Level::Observe,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(ChaosView)),
};

/// The line of the call that ends everything.
pub const SPEC_PANIC: Spec = Spec {
    id: Id::ChaosPanic,
    method: Method::Post,
    path: "/v1/chaos/panic",
    summary: "End every fault at once and let nobody inject another",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(ChaosView)),
};

/// The line of the call that locks.
pub const SPEC_LOCK: Spec = Spec {
    id: Id::ChaosLock,
    method: Method::Put,
    path: "/v1/chaos/lock",
    summary: "Let nobody inject a fault; those that are injected go on",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(ChaosView)),
};

/// The line of the call that unlocks.
pub const SPEC_UNLOCK: Spec = Spec {
    id: Id::ChaosUnlock,
    method: Method::Delete,
    path: "/v1/chaos/lock",
    summary: "Let people inject faults again",
    level: Level::Operate,
    query: &[],
    body: None,
    reply: Some(|| schema_for!(ChaosView)),
};

plain_read!(GetChaos, ChaosView);

impl Call for Panic {
    type Reply = ChaosView;
    type Body = ();
    const SPEC: Spec = SPEC_PANIC;
}

impl Call for Lock {
    type Reply = ChaosView;
    type Body = ();
    const SPEC: Spec = SPEC_LOCK;
}

impl Call for Unlock {
    type Reply = ChaosView;
    type Body = ();
    const SPEC: Spec = SPEC_UNLOCK;
}

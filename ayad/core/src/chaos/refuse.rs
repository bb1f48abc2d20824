//! A backend that refuses connections, of requests alone: checks still get through.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "refuse",
    does: "No connection is made: the backend seems to refuse it",
    acts: Acts::Connects,
};

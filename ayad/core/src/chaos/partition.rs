//! A backend that cannot be reached: connections to it are never made, and never refused.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "partition",
    does: "Connections are left hanging while they are made, also those of checks",
    acts: Acts::Connects,
};

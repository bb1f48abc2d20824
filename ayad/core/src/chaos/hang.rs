//! An attempt that waits without end. When the fault ends it goes on as if nothing had been.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "hang",
    does: "An attempt waits until the fault ends or somebody's patience does",
    acts: Acts::Waits,
};

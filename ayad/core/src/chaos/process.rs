//! The process of a backend, paused or killed by whoever started it. Nothing here acts: the daemon keeps who does it, why
//! and until when, and holds it to the same limits.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "process",
    does: "The process of a practice backend is paused or killed by whoever started it",
    acts: Acts::Elsewhere,
};

//! Checks that lie. The next check after its end tells the truth again.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec =
    FaultSpec { name: "health-lie", does: "Checks say what the fault says", acts: Acts::Thinks };

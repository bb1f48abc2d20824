//! Requests in flight that do not exist: whoever picks sees them, and nothing is sent.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec =
    FaultSpec { name: "load", does: "More requests seem to be in flight than are", acts: Acts::Thinks };

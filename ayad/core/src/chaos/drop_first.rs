//! The first attempts at each backend are refused, then all is well.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "drop-first",
    does: "The first attempts at each backend are refused, then all is well",
    acts: Acts::Connects,
};

/// Whether the attempt after `before` others at the same backend is refused.
pub fn is_dropped(count: u64, before: u64) -> bool {
    before < count
}

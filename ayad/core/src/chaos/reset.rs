//! Connections that are reset: before the answer, or after so many of its bytes. Also where answers are cut short.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "reset",
    does: "The connection of an attempt is reset, before its answer or inside it",
    acts: Acts::Bytes,
};

/// How many bytes may still pass, of a stream that ends after `after` of which `passed` have; 0 when it ends here.
pub fn left(after: u64, passed: u64) -> u64 {
    after.saturating_sub(passed)
}

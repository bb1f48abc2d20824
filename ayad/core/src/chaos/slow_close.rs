//! Answers and connections that end late.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "slow-close",
    does: "The last bytes of an answer, and the end of a connection, come later",
    acts: Acts::Bytes,
};

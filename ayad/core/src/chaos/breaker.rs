//! A breaker that is forced. The order of people stands beside it, and holds again after its end.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "breaker",
    does: "A breaker is as the fault orders, beside what people ordered",
    acts: Acts::Thinks,
};

//! An answer made up in place of the backend's. It goes the way of every answer, so that retries and breakers see it.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec =
    FaultSpec { name: "error", does: "An attempt gets an answer that no backend gave", acts: Acts::Answers };

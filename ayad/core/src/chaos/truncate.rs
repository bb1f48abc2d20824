//! Answers that end early, as if the backend had closed the connection.

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec =
    FaultSpec { name: "truncate", does: "The bytes of an answer end early", acts: Acts::Bytes };

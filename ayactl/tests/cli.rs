//! The command line as people and scripts meet it, against a control API that answers from fixtures.
//!
//! Everything runs in process but the completion hooks, which need a real shell and the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/change.rs"]
mod change;
#[path = "cli/explained.rs"]
mod explained;
#[path = "cli/fake.rs"]
mod fake;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/local.rs"]
mod local;
#[path = "cli/read.rs"]
mod read;
#[path = "cli/told.rs"]
mod told;

//! A discrete-event simulator on `aya-core`: the daemon's own decisions in front of imagined servers.
//!
//! A scenario file says how requests arrive, what servers do and what must come out of it; [`Comparison::play`] plays it
//! in virtual time under several [`Arm`]s and seeds, and [`check`] says everything that came out otherwise. Pickers, load
//! cells, breakers and health machines are the real ones; only sockets and time are imagined. The same file
//! gives the same report on every machine, because all chance follows from its seed.
//!
//! Arrivals, clients and the work of each request are drawn before anything is picked, so that two algorithms
//! compared on one scenario face exactly the same requests.
//!
//! What it deliberately does not do: HTTP, connections or the daemon's own cost; those are measured on the real
//! daemon. It answers one kind of question: does this way of deciding do the right
//! thing?
//!
//! Reading order: [`Scenario`], [`Arm`], the event loop (`play`), the servers (`server`), the proxies (`proxy`), [`Report`],
//! [`Comparison`], [`Verdict`].

#![forbid(unsafe_code)]

mod arm;
mod compare;
mod expect;
mod job;
mod play;
mod proxy;
mod report;
mod scenario;
mod server;
mod shares;
mod trouble;
mod unit;

pub use arm::{Arm, ArmError, Reports, Way};
pub use compare::{Comparison, Outcome, Point, Spread};
pub use expect::{Verdict, Violation, check};
pub use play::{play, run};
pub use report::{BackendReport, Report, Turn};
pub use scenario::{Scenario, ScenarioError};

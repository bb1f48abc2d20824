//! Faults that are injected on purpose: whom one hits, and what it does there. One fault a file, one line of [`FAULTS`].
//!
//! Everything here is pure. Whether the n-th thing that matches is hit depends on the seed and on n alone ([`share`]), so
//! the same seed hits the same ones; times and numbers are drawn from a generator that the caller seeds.
//!
//! What it deliberately does not do: know who may inject, for how long, or why. That is for whoever starts a fault.

pub mod bandwidth;
mod breaker;
pub mod cap;
pub mod caution;
pub mod corrupt;
pub mod drop_first;
mod error;
pub mod flap;
mod hang;
mod health_lie;
pub mod interval;
pub mod latency;
mod load;
mod partition;
mod process;
mod refuse;
pub mod reset;
pub mod share;
pub mod slice;
mod slow_close;
pub mod target;
mod truncate;
pub mod undo;

/// How a fault acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    /// An attempt waits before it goes on.
    Waits,
    /// An attempt is answered in place of the backend, or gets no answer.
    Answers,
    /// No connection is made for an attempt.
    Connects,
    /// The bytes of an attempt are changed, delayed or cut.
    Bytes,
    /// What the daemon thinks of a backend is changed.
    Thinks,
    /// Somebody else does it, and the daemon knows.
    Elsewhere,
}

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultSpec {
    /// Its name, also on the wire.
    pub name: &'static str,
    /// What it does, in one sentence without a period.
    pub does: &'static str,
    /// How it acts.
    pub acts: Acts,
}

/// Every fault. The order is that of help.
pub const FAULTS: &[FaultSpec] = &[
    latency::SPEC,
    error::SPEC,
    reset::SPEC,
    hang::SPEC,
    refuse::SPEC,
    bandwidth::SPEC,
    slow_close::SPEC,
    slice::SPEC,
    truncate::SPEC,
    corrupt::SPEC,
    drop_first::SPEC,
    flap::SPEC,
    health_lie::SPEC,
    breaker::SPEC,
    partition::SPEC,
    load::SPEC,
    process::SPEC,
];

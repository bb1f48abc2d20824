//! How far people may go who try what the service stands.

use std::time::Duration;

use aya_core::chaos::caution::Limits;

/// Limits of faults that are injected on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// Whether any may be injected.
    pub allow: bool,
    /// Longest time of one.
    pub longest: Duration,
    /// How much they may hit.
    pub limits: Limits,
    /// Most of them at once.
    pub max_faults: u32,
    /// What load tests may do.
    pub load: Loadtest,
}

/// Limits of load tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loadtest {
    /// Hosts that may be targets, beyond those that always may.
    pub allow: Vec<String>,
    /// Most requests a second.
    pub max_rate: Option<u32>,
}

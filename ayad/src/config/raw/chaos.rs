//! `[chaos]` and `[loadtest]`: how far people may go who try what the service stands.

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{Period, Share};

/// Limits of faults that are injected on purpose. Callers may narrow them, never widen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chaos {
    /// Whether faults may be injected at all. Default: true.
    pub allow: Option<bool>,
    /// Longest time of a fault, e.g. "10m" (the default). Every fault has an end; without a word it is one minute.
    pub longest: Option<Period>,
    /// Most backends that faults may be for at once, over all pools. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_backends: Option<u32>,
    /// Largest share of a pool's requests that faults may hit, e.g. "10%". Default: all of them. What is over is not
    /// hit, and counted.
    pub max_traffic: Option<Share>,
    /// Backends of a pool that must stay without a fault and able to serve. Default: 0, so that faults may be for a
    /// whole pool.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_ready: Option<u32>,
    /// Most requests that one fault may hold at once. Default: any number. What is over is not held, and counted.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_held: Option<u32>,
    /// Most faults at once. Default: 16.
    #[schemars(range(min = 1, max = 64))]
    pub max_faults: Option<u32>,
}

/// Limits of load tests (`ayactl loadtest`), which reads them from here.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loadtest {
    /// Hosts beyond loopback and the listeners of this daemon that may be targets: names such as "staging.example.com"
    /// or "*.test", addresses, networks. Default: none.
    pub allow: Option<Vec<String>>,
    /// Most requests a second. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_rate: Option<u32>,
}

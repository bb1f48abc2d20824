//! How a pool is divided before its algorithm picks in it, and what its requests are told apart by.

use aya_core::pick::{MAX_ZONES, Plan, Standing, TierRules};

use super::Backend;

/// How a pool is divided before its algorithm picks, and what its requests are hashed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    /// What requests are hashed by.
    pub hash: HashBy,
    /// Zone in which requests stay.
    pub local_zone: Option<String>,
    /// Tells this daemon apart from others in front of the same backends.
    pub instance: u64,
    /// Share of its capacity in use up to which a zone keeps all of its requests, 0 to 1.
    pub spill: f64,
    /// Requests in flight for each unit of weight that use all of a backend that reports nothing.
    pub capacity: u32,
    /// Healthy share below which health is ignored, 0 to 1.
    pub panic: f64,
    /// Most backends used; `usize::MAX` for all.
    pub subset: usize,
    /// Most load in relation to the mean; infinite for no bound.
    pub bounded_load: f64,
}

/// What a request is hashed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The address of its client.
    Source,
    /// Its path.
    Path,
    /// The value of a header field.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a parameter of its query.
    Query(String),
}

impl Division {
    /// The zones of these backends, in the order of the numbers they have in a plan.
    pub fn zones(backends: &[Backend]) -> Vec<String> {
        let mut zones: Vec<String> = backends.iter().filter_map(|backend| backend.zone.clone()).collect();
        zones.sort_unstable();
        zones.dedup();
        zones.truncate(MAX_ZONES);
        zones
    }

    /// The plan for these backends, whose zones are `zones`.
    pub fn plan(&self, backends: &[Backend], zones: &[String]) -> Plan {
        let number = |zone: &Option<String>| {
            let found = zones.binary_search_by(|known| Some(known).cmp(&zone.as_ref()));
            found.ok().map(|position| position as u8)
        };
        let standings = backends.iter();
        let standings =
            standings.map(|backend| Standing { priority: backend.priority, zone: number(&backend.zone) });
        let rules = TierRules {
            local: number(&self.local_zone),
            spill: self.spill as f32,
            capacity: self.capacity as f32,
            panic: self.panic,
            subset: self.subset,
            instance: self.instance,
            bound: self.bounded_load as f32,
        };
        Plan { rules, standings: standings.collect() }
    }
}

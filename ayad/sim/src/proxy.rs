//! One proxy in front of the servers: the daemon's own cells, pickers and machines, shared with no other proxy.

use std::sync::Arc;

use aya_core::axis::{Admin, Health};
use aya_core::breaker::BreakerRules;
use aya_core::hash::{hash64, mix};
use aya_core::health::{HealthMachine, Start};
use aya_core::load::Load;
use aya_core::outlier::{Guard, Quota};
use aya_core::pick::Picker;
use aya_core::retry::RetryBudget;
use aya_core::rng::Rng;
use aya_core::time::Tick;

use crate::arm::{Arm, Way};
use crate::scenario::{Backend, Scenario};

/// A worker: what it keeps to itself.
pub(crate) struct Worker {
    /// `None` for the oracle, which is no picker.
    pub(crate) picker: Option<Box<dyn Picker>>,
    pub(crate) rng: Rng,
}

pub(crate) struct Proxy {
    pub(crate) loads: Vec<Arc<Load>>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) machines: Vec<HealthMachine>,
    pub(crate) budget: RetryBudget,
    /// Finds who does worse than the others, and gives each its share.
    pub(crate) guard: Guard,
    pub(crate) quota: Quota,
    /// Draws when to check and to repeat.
    pub(crate) rng: Rng,
    /// Probes that are owed: a rate of less than one a request adds up.
    pub(crate) probes_due: f64,
}

impl Proxy {
    pub(crate) fn new(scenario: &Scenario, arm: &Arm, seed: u64) -> Self {
        let loads: Vec<_> = scenario.servers.iter().map(|backend| load(scenario, backend)).collect();
        let worker = |number: u32| {
            let picker = match &arm.way {
                Way::Oracle => None,
                Way::Picks(choice) => {
                    let mut picker = choice.build(mix(seed, u64::from(number) + 10));
                    picker.learn_set(&loads);
                    Some(picker)
                }
            };
            Worker { picker, rng: Rng::seeded(mix(seed, u64::from(number) + 1_000)) }
        };
        Self {
            workers: (0..scenario.workers).map(worker).collect(),
            machines: loads.iter().map(|_| HealthMachine::new(Start::Unknown, Tick::ZERO)).collect(),
            budget: RetryBudget::new(),
            guard: Guard::default(),
            quota: Quota::default(),
            rng: Rng::seeded(mix(seed, 2)),
            probes_due: 0.0,
            loads,
        }
    }

    /// Requests that its backends have now, by its own count.
    pub(crate) fn in_flight(&self) -> u32 {
        self.loads.iter().map(|load| load.in_flight()).sum()
    }
}

fn load(scenario: &Scenario, backend: &Backend) -> Arc<Load> {
    let load = Load::new(hash64(backend.name.as_bytes()), backend.weight, Health::Unknown);
    let rules = scenario.breaker.map(|b| BreakerRules {
        failures: b.failures,
        open_for: b.open_for,
        open_max: b.open_for,
        ..BreakerRules::default()
    });
    load.breaker().configure(rules.as_ref());
    if backend.joins.is_some() {
        load.set_admin(Admin::Maint, false);
    }
    Arc::new(load)
}

//! What a backend was before faults reached it, and making it that again: what was learned of attempts that a fault hit says
//! nothing about the backend.

use crate::axis::{BreakerState, Health};
use crate::load::{LearnedLoad, Load};
use crate::outlier::{OutlierChange, Return, Standing};
use crate::time::Tick;

/// A backend before faults reached it.
#[derive(Clone, Debug)]
pub struct Before {
    at: Tick,
    health: Health,
    is_closed: bool,
    is_in: bool,
    learned: Option<LearnedLoad>,
}

/// What was undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// What its breaker was, where traffic did not flow.
    pub breaker: Option<BreakerState>,
    /// What it is among the others again, where it was held to be odd.
    pub outlier: Option<OutlierChange>,
}

impl Before {
    /// As it is now.
    pub fn of(load: &Load, now: Tick) -> Self {
        Self {
            at: now,
            health: load.health(),
            is_closed: flows(load.breaker().state()),
            is_in: load.watched().standing() == Standing::In,
            learned: load.learned(now),
        }
    }

    /// Its health.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Makes breaker, outlier detection and latency what they were; what was bad before stays as it is now.
    pub fn put_back(&self, load: &Load, now: Tick) -> Undone {
        let was = load.breaker().state();
        if self.is_closed {
            load.breaker().reset(now);
        }
        let outlier = if self.is_in { load.pardon(now, Return::FaultOver) } else { None };
        match &self.learned {
            Some(learned) => {
                let age = learned.age + now.since(self.at);
                load.learn_from(now, &LearnedLoad { age, ..*learned });
            }
            None => load.forget_latency(),
        }
        Undone { breaker: (self.is_closed && !flows(was)).then_some(was), outlier }
    }
}

fn flows(state: BreakerState) -> bool {
    matches!(state, BreakerState::Off | BreakerState::Closed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::breaker::BreakerRules;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn backend() -> Load {
        let load = Load::new(1, 10, Health::Up);
        load.breaker().configure(Some(&BreakerRules { failures: 3, ..BreakerRules::default() }));
        for n in 1..=20 {
            load.record(at(n), Duration::from_millis(5), true);
        }
        load
    }

    fn fail(load: &Load, from: u64) {
        for n in from..from + 5 {
            load.breaker().record(at(n), false);
            load.record(at(n), Duration::from_secs(2), false);
        }
    }

    #[test]
    fn what_was_learned_of_a_fault_is_forgotten() {
        let load = backend();
        let known = load.latency_ns().expect("it has answered");
        let before = Before::of(&load, at(100));
        fail(&load, 200);
        assert_eq!(load.breaker().state(), BreakerState::Open);
        assert!(load.latency_ns().expect("it has") > known * 2.0);

        let undone = before.put_back(&load, at(300));

        assert_eq!(undone, Undone { breaker: Some(BreakerState::Open), outlier: None });
        assert_eq!((load.breaker().state(), load.breaker().failures()), (BreakerState::Closed, 0));
        assert!((load.latency_ns().expect("it has") - known).abs() < known * 0.01);
    }

    #[test]
    fn what_was_bad_before_stays() {
        let load = backend();
        fail(&load, 50);
        let before = Before::of(&load, at(100));
        fail(&load, 200);
        let undone = before.put_back(&load, at(300));
        assert_eq!((undone.breaker, load.breaker().state()), (None, BreakerState::Open));
    }
}

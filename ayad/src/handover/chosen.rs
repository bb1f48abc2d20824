//! What is known about pools that choose their algorithm by themselves, as it travels to the next process.

use std::time::Duration;

use aya_core::auto::{Epochs, LearnedArm, LearnedAuto, LearnedTrial};
use serde::{Deserialize, Serialize};

/// One pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chosen {
    /// Its name.
    pub pool: String,
    /// By what rules it chooses: under others it begins anew.
    pub fingerprint: String,
    /// Since when its arm steers, wall clock.
    pub since_ms: u64,
    /// Why it does.
    pub reason: String,
    current: usize,
    learned: usize,
    rule: Option<usize>,
    holding: u32,
    epoch_left_ns: u64,
    history: Epochs,
    trial: Option<Trial>,
    arms: Vec<Arm>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trial {
    from: usize,
    before: Epochs,
    after: Epochs,
    silent: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Arm {
    capital: Vec<f64>,
    blocks: u32,
    value: Option<f64>,
    samples: u32,
    failures: u32,
    blocked_for_ns: Option<u64>,
}

impl Chosen {
    /// What one pool has learned.
    pub fn new(pool: &str, fingerprint: String, since_ms: u64, reason: &str, was: LearnedAuto) -> Self {
        let LearnedAuto { current, learned, rule, holding, epoch_left, history, trial, arms } = was;
        let trial = trial.map(|trial| {
            let LearnedTrial { from, before, after, silent } = trial;
            Trial { from, before, after, silent }
        });
        let arm = |arm: LearnedArm| {
            let LearnedArm { evidence: (capital, blocks), value: (value, samples), failures, blocked_for } =
                arm;
            let blocked_for_ns = blocked_for.map(|wait| wait.as_nanos() as u64);
            Arm { capital, blocks, value, samples, failures, blocked_for_ns }
        };
        Self {
            pool: pool.to_owned(),
            fingerprint,
            since_ms,
            reason: reason.to_owned(),
            current,
            learned,
            rule,
            holding,
            epoch_left_ns: epoch_left.as_nanos() as u64,
            history,
            trial,
            arms: arms.into_iter().map(arm).collect(),
        }
    }

    /// The same, for `aya-core`.
    pub fn learned(&self) -> LearnedAuto {
        let trial = |trial: &Trial| {
            let Trial { from, before, after, silent } = trial.clone();
            LearnedTrial { from, before, after, silent }
        };
        let arm = |arm: &Arm| LearnedArm {
            evidence: (arm.capital.clone(), arm.blocks),
            value: (arm.value, arm.samples),
            failures: arm.failures,
            blocked_for: arm.blocked_for_ns.map(Duration::from_nanos),
        };
        LearnedAuto {
            current: self.current,
            learned: self.learned,
            rule: self.rule,
            holding: self.holding,
            epoch_left: Duration::from_nanos(self.epoch_left_ns),
            history: self.history.clone(),
            trial: self.trial.as_ref().map(trial),
            arms: self.arms.iter().map(arm).collect(),
        }
    }
}

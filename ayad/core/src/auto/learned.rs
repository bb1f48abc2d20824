//! What is known to one process about a pool that chooses by itself, for the one that goes on in its place.
//!
//! What cells gave does not go along: half of it is forgotten with each epoch anyway, and an epoch has enough for more.

use std::sync::Arc;
use std::time::Duration;

use super::evidence::Evidence;
use super::trial::{History, Trial};
use super::{Auto, AutoRules};
use crate::time::Tick;

/// Epochs: the objective as a logarithm, and the rate.
pub type Epochs = Vec<(f64, f64)>;

/// What a pool has learned. Arms and rules are positions, and mean nothing to other rules.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedAuto {
    /// The arm that steers.
    pub current: usize,
    /// The arm that does while no rule holds.
    pub learned: usize,
    /// The rule for all requests that holds.
    pub rule: Option<usize>,
    /// The rules for some requests that hold: bits by position.
    pub holding: u32,
    /// Time until the epoch ends.
    pub epoch_left: Duration,
    /// Epochs under the arm that steers.
    pub history: Epochs,
    /// The switch that is being looked at.
    pub trial: Option<LearnedTrial>,
    /// Each arm.
    pub arms: Vec<LearnedArm>,
}

/// A switch that is being looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedTrial {
    /// The arm before.
    pub from: usize,
    /// Epochs under it.
    pub before: Epochs,
    /// Epochs since.
    pub after: Epochs,
    /// Epochs since that had too few requests.
    pub silent: u32,
}

/// What is known about an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedArm {
    /// The bets on it, and the blocks they were made on.
    pub evidence: (Vec<f64>, u32),
    /// Its objective in the last epoch, and the sampled requests behind that.
    pub value: (Option<f64>, u32),
    /// How often it turned out worse.
    pub failures: u32,
    /// Time for which it is not tried yet.
    pub blocked_for: Option<Duration>,
}

impl AutoRules {
    /// What must be the same for [`LearnedAuto`] to mean the same: the arms, the rules, and how arms are judged.
    pub fn fingerprint(&self) -> String {
        let Self { arms, learned, start, epoch, objective, margin, advises, rules, offset } = self;
        let arms: Vec<String> = arms.iter().map(ToString::to_string).collect();
        let rules: Vec<String> = rules.iter().map(|rule| format!("{rule} = {}", rule.arm)).collect();
        let (arms, rules, objective) = (arms.join(", "), rules.join("; "), objective.as_str());
        format!("{arms} | {learned} {start} {epoch:?} {objective} {margin} {advises} | {rules} | {offset}")
    }
}

impl Auto {
    /// What was learned so far.
    pub fn learned(&self, now: Tick) -> LearnedAuto {
        let trial = self.trial.as_ref().map(|trial| {
            let (from, before, after, silent) = trial.parts();
            LearnedTrial { from, before: before.epochs(), after: after.epochs(), silent }
        });
        let arm = |arm: &super::Arm| LearnedArm {
            evidence: (arm.evidence.capital().to_vec(), arm.evidence.blocks()),
            value: (arm.value, arm.samples),
            failures: arm.failures,
            blocked_for: arm.blocked_until.map(|until| until.since(now)),
        };
        LearnedAuto {
            current: self.current,
            learned: self.learned,
            rule: self.rule,
            holding: self.holding,
            epoch_left: self.epoch_until.since(now),
            history: self.history.epochs(),
            trial,
            arms: self.arms.iter().map(arm).collect(),
        }
    }

    /// Goes on with what was learned by the same rules. `None` when it cannot have been.
    pub fn resume(rules: Arc<AutoRules>, was: &LearnedAuto, now: Tick) -> Option<Self> {
        let is_arm = |arm: usize| arm < rules.arms.len();
        let is_rule = |rule: usize| rules.rules.get(rule).is_some_and(|rule| rule.class.is_none());
        let is_sound = is_arm(was.current)
            && was.learned < rules.learned
            && was.rule.is_none_or(is_rule)
            && was.trial.as_ref().is_none_or(|trial| is_arm(trial.from))
            && was.arms.len() == rules.arms.len();
        if !is_sound {
            return None;
        }
        let longest = rules.epoch;
        let mut auto = Self::new(rules, was.current, now);
        auto.learned = was.learned;
        auto.rule = was.rule;
        auto.holding = was.holding;
        auto.epoch_until = now.after(was.epoch_left.min(longest));
        auto.history = History::of(&was.history);
        auto.trial = was.trial.as_ref().map(|trial| {
            let LearnedTrial { from, before, after, silent } = trial;
            Trial::of(*from, History::of(before), History::of(after), *silent)
        });
        for (arm, was) in auto.arms.iter_mut().zip(&was.arms) {
            arm.evidence = Evidence::of(&was.evidence.0, was.evidence.1);
            (arm.value, arm.samples) = was.value;
            arm.failures = was.failures;
            arm.blocked_until = was.blocked_for.map(|wait| now.after(wait));
        }
        Some(auto)
    }
}

//! Choosing the algorithm: which of some arms steers a pool, by evidence from its own traffic, and by rules.
//!
//! An arm is an algorithm with its parameters. One steers; the others only say whom they would have picked ([`shadow`]),
//! which is worth what requests there really got. An epoch is 30 to 60 s. At its end the arm whose evidence of being
//! better by more than the margin is enough ([`evidence`]) takes over, on trial ([`trial`]): when what clients get is
//! worse than before, the arm before steers again, and the other one is not tried for a while, which doubles each time.
//! Rules that need no learning ([`rule`]) come first: while one holds, its arm steers and nothing is learned. A rule for
//! some requests ([`class`]) takes those out of all this: its arm picks for them.
//!
//! What it deliberately does not do: learn for single requests, tune parameters that no arm names, or overrule people.
//! While somebody has ordered an algorithm ([`Auto::hold`]) it waits.

mod class;
mod decision;
mod evidence;
mod learned;
mod objective;
mod rule;
mod shadow;
mod trial;

use std::sync::Arc;
use std::time::Duration;

pub use self::class::{Class, Request, Shift};
pub use self::decision::{Decision, Proof, Why};
pub use self::evidence::{FALSE_SWITCHES, HORIZON, enough};
pub use self::learned::{Epochs, LearnedArm, LearnedAuto, LearnedTrial};
pub use self::objective::Objective;
pub use self::rule::{DAY, Rule, When};
pub use self::shadow::{Ballot, Cell};

use self::evidence::Evidence;
use self::objective::Spread;
use self::shadow::{Cells, Named};
use self::trial::{History, Trial, Verdict};
use crate::pick::Choice;
use crate::time::Tick;

/// Most arms of a pool.
pub const MAX_ARMS: usize = 8;
/// Most rules of a pool.
pub const MAX_RULES: usize = 32;
/// Blocks of an epoch.
const BLOCKS: u32 = 10;
/// Sampled requests that make a block.
const LEAST_BALLOTS: u32 = 20;
/// Results that make an epoch.
const LEAST_RESULTS: f64 = 50.0;
/// Epochs under an arm before it is given up for another.
const LEAST_EPOCHS: usize = 2;
/// Epochs for which an arm that turned out worse is not tried again, the first time.
const BACK_OFF: u32 = 10;
/// How often that doubles.
const MOST_DOUBLINGS: u32 = 10;

/// How a pool chooses its algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoRules {
    /// The arms: first those that are learned about, then those that only rules name. At most [`MAX_ARMS`].
    pub arms: Vec<Choice>,
    /// How many of them are learned about.
    pub learned: usize,
    /// The one that steers first.
    pub start: usize,
    /// Time between two decisions.
    pub epoch: Duration,
    /// What is to be low.
    pub objective: Objective,
    /// By what part an arm must be better, and how much worse a switch may make it.
    pub margin: f64,
    /// It only says what it would do.
    pub advises: bool,
    /// Rules, the first that holds wins.
    pub rules: Vec<Rule>,
    /// Minutes that the day of the rules is ahead of UTC.
    pub offset: i32,
}

impl AutoRules {
    /// The minute of the day, at a time in milliseconds since 1970.
    pub fn minute(&self, wall_ms: u64) -> u16 {
        let minutes = i64::try_from(wall_ms / 60_000).unwrap_or_default() + i64::from(self.offset);
        minutes.rem_euclid(i64::from(DAY)) as u16
    }

    /// The position of an arm.
    pub fn position(&self, choice: &Choice) -> Option<usize> {
        self.arms.iter().position(|arm| arm == choice)
    }
}

/// What is known about one arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArmView {
    /// Its objective in the last epoch: estimated, of the arm that steers too. Seconds, or a share.
    pub value: Option<f64>,
    /// Sampled requests behind that.
    pub samples: u32,
    /// Its evidence against the arm that steers; absent of that one.
    pub e_value: Option<f64>,
    /// It is not tried before.
    pub blocked_until: Option<Tick>,
}

/// One arm while it is watched.
#[derive(Clone, Debug)]
struct Arm {
    block: Named,
    epoch: Named,
    evidence: Evidence,
    value: Option<f64>,
    samples: u32,
    blocked_until: Option<Tick>,
    failures: u32,
}

/// Chooses for one pool. Fed with samples, asked each second.
#[derive(Debug)]
pub struct Auto {
    rules: Arc<AutoRules>,
    arms: Vec<Arm>,
    current: usize,
    /// What steers while no rule holds.
    learned: usize,
    rule: Option<usize>,
    /// Rules for some requests that hold: bits by position.
    holding: u32,
    is_held: bool,
    cells: Cells,
    block_until: Tick,
    epoch_until: Tick,
    results: Spread,
    rates: (f64, u32),
    history: History,
    trial: Option<Trial>,
}

impl Auto {
    /// Begins at `now` with the arm at `current` steering.
    pub fn new(rules: Arc<AutoRules>, current: usize, now: Tick) -> Self {
        let arm = Arm {
            block: Named::default(),
            epoch: Named::default(),
            evidence: Evidence::none(),
            value: None,
            samples: 0,
            blocked_until: None,
            failures: 0,
        };
        let learned = if current < rules.learned { current } else { rules.start };
        Self {
            arms: vec![arm; rules.arms.len()],
            current,
            learned,
            rule: None,
            holding: 0,
            is_held: false,
            cells: Cells::default(),
            block_until: now.after(rules.epoch / BLOCKS),
            epoch_until: now.after(rules.epoch),
            results: Spread::default(),
            rates: (0.0, 0),
            history: History::default(),
            trial: None,
            rules,
        }
    }

    /// The arm that steers, or that will when nobody has ordered otherwise.
    pub fn current(&self) -> usize {
        self.current
    }

    /// The rule that holds, by position.
    pub fn rule(&self) -> Option<usize> {
        self.rule
    }

    /// Whether a switch is being looked at.
    pub fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// What is known about each arm.
    pub fn arms(&self) -> impl Iterator<Item = ArmView> + '_ {
        self.arms.iter().enumerate().map(|(index, arm)| ArmView {
            value: arm.value,
            samples: arm.samples,
            e_value: (index != self.current && index < self.rules.learned).then(|| arm.evidence.value()),
            blocked_until: arm.blocked_until,
        })
    }

    /// Somebody has ordered an algorithm, or has not any more. Nothing is decided meanwhile.
    pub fn hold(&mut self, is_held: bool, now: Tick) {
        if self.is_held != is_held {
            self.is_held = is_held;
            self.trial = None;
            self.begin(History::default(), now);
        }
    }

    /// The backends of the pool are others now: what is known of cells and evidence is about none of them.
    pub fn forget(&mut self, now: Tick) {
        self.cells = Cells::default();
        self.trial = None;
        self.begin(History::default(), now);
    }

    /// A sampled request: whom the arms would have picked, and whom the one that steers has.
    pub fn named(&mut self, ballot: &Ballot) {
        for (arm, cell) in self.arms.iter_mut().zip(ballot) {
            if let Some(cell) = cell {
                arm.block.add(*cell);
            }
        }
    }

    /// A sampled result.
    pub fn served(&mut self, cell: Cell, took: Duration, ok: bool) {
        self.cells.served(cell, took, ok);
        self.results.add(took, ok);
    }

    /// Decides what is due. `minute` is that of the day by the rules' zone, `rate` the pool's requests per second.
    pub fn tick(&mut self, now: Tick, minute: u16, rate: f64) -> Option<Decision> {
        self.rates = (self.rates.0 + rate, self.rates.1 + 1);
        if self.is_held {
            self.end_epoch_unseen(now);
            return None;
        }
        let decision = self.by_rules(now, minute, rate);
        if decision.is_some() {
            return decision;
        }
        if now >= self.block_until {
            self.end_block(now);
        }
        if now < self.epoch_until {
            return None;
        }
        self.end_epoch(now)
    }

    fn by_rules(&mut self, now: Tick, minute: u16, rate: f64) -> Option<Decision> {
        let held = self.rule;
        let holds = |(at, rule): (usize, &Rule)| {
            rule.class.is_none() && rule.when.holds(minute, rate, held == Some(at))
        };
        let rule = self.rules.rules.iter().enumerate().position(holds);
        if rule == held {
            return None;
        }
        self.rule = rule;
        let (to, why) = match rule {
            Some(at) => (self.rules.rules[at].arm, Why::Rule(at)),
            None => (self.learned, Why::RuleEnded),
        };
        self.trial = None;
        self.begin(History::default(), now);
        self.decide(to, why)
    }

    /// What one block says of each arm, against the one that steers.
    fn end_block(&mut self, now: Tick) {
        let Some(steers) = self.arms.get(self.current) else { return };
        if steers.block.total() < LEAST_BALLOTS && now < self.epoch_until {
            return;
        }
        let length = self.rules.epoch / BLOCKS;
        self.block_until = now.after(length);
        let AutoRules { objective, margin, .. } = *self.rules;
        let is_enough = steers.block.total() >= LEAST_BALLOTS;
        let current = self.cells.value(&steers.block, objective).filter(|_| is_enough);
        let income = evidence::income(length);
        for (index, arm) in self.arms.iter_mut().enumerate() {
            let other = self.cells.value(&arm.block, objective);
            // Evidence about an arm that may not be tried would be old when it may.
            let is_asked = index != self.current && arm.blocked_until.is_none_or(|until| now >= until);
            if let (true, Some(current), Some(other)) = (is_asked, current, other) {
                arm.evidence.take(current, other, margin, income);
            }
            let block = std::mem::take(&mut arm.block);
            arm.epoch.add_all(&block);
        }
    }

    fn end_epoch(&mut self, now: Tick) -> Option<Decision> {
        let AutoRules { objective, margin, .. } = *self.rules;
        for arm in &mut self.arms {
            arm.value = self.cells.value(&arm.epoch, objective);
            arm.samples = arm.epoch.total();
            arm.blocked_until = arm.blocked_until.filter(|until| now < *until);
        }
        let results = std::mem::take(&mut self.results);
        let value = results.value(objective).filter(|_| results.count() >= LEAST_RESULTS);
        let rate = self.rates.0 / f64::from(self.rates.1.max(1));
        self.end_epoch_unseen(now);
        if self.rule.is_some() {
            return None;
        }
        if let Some(mut trial) = self.trial.take() {
            let verdict = trial.epoch(value, rate, margin);
            return self.after_trial(trial, &verdict, results.count(), now);
        }
        if let Some(value) = value {
            self.history.add(value, rate);
        }
        self.better(now)
    }

    fn after_trial(&mut self, trial: Trial, verdict: &Verdict, results: f64, now: Tick) -> Option<Decision> {
        match *verdict {
            Verdict::Open => {
                self.trial = Some(trial);
                None
            }
            Verdict::Passed => {
                self.arms[self.current].failures = 0;
                self.history = trial.into_after();
                None
            }
            Verdict::Failed { before, now: worse } => {
                self.block(self.current, now);
                let to = trial.from;
                self.begin(trial.before, now);
                let objective = self.rules.objective;
                let samples = results as u64;
                let why = Why::Worse(Proof { objective, from: worse, to: before, samples, e_value: None });
                self.learned = to;
                self.decide(to, why)
            }
        }
    }

    /// The arm with the most evidence, when that is enough and the last epoch says so too.
    fn better(&mut self, now: Tick) -> Option<Decision> {
        let AutoRules { objective, margin, learned, advises, .. } = *self.rules;
        let from = self.arms.get(self.current)?.value?;
        let enough = enough(learned.saturating_sub(1));
        let is_better = |(index, arm): &(usize, &Arm)| {
            *index != self.current
                && arm.blocked_until.is_none()
                && arm.evidence.value() >= enough
                && arm.value.is_some_and(|to| from / to >= 1.0 + margin)
        };
        let best = self.arms.iter().enumerate().take(learned).filter(is_better);
        let (to, arm) = best.max_by(|a, b| a.1.evidence.value().total_cmp(&b.1.evidence.value()))?;
        if self.history.len() < LEAST_EPOCHS {
            return None;
        }
        let (e_value, samples) = (Some(arm.evidence.value()), u64::from(arm.samples));
        let why = Why::Better(Proof { objective, from, to: arm.value?, samples, e_value });
        if advises {
            // Said once; again only after some time and with new evidence.
            self.arms[to].evidence = Evidence::none();
            self.block(to, now);
            return Some(Decision { from: self.current, to, why, is_advice: true });
        }
        let before = std::mem::take(&mut self.history);
        self.trial = Some(Trial::new(self.current, before));
        self.begin(History::default(), now);
        self.learned = to;
        self.decide(to, why)
    }

    /// Another arm steers, unless it does already or this only advises.
    fn decide(&mut self, to: usize, why: Why) -> Option<Decision> {
        let from = self.current;
        let is_advice = self.rules.advises;
        if !is_advice {
            self.current = to;
        }
        (from != to).then_some(Decision { from, to, why, is_advice })
    }

    /// Evidence is against the arm that steers: with another one, it begins anew.
    fn begin(&mut self, history: History, now: Tick) {
        self.history = history;
        self.results = Spread::default();
        for arm in &mut self.arms {
            arm.evidence = Evidence::none();
            arm.block = Named::default();
        }
        self.block_until = now.after(self.rules.epoch / BLOCKS);
        self.end_epoch_unseen(now);
    }

    fn end_epoch_unseen(&mut self, now: Tick) {
        if self.is_held && now < self.epoch_until {
            return;
        }
        self.epoch_until = now.after(self.rules.epoch);
        self.cells.fade();
        self.results = Spread::default();
        self.rates = (0.0, 0);
        self.arms.iter_mut().for_each(|arm| arm.epoch = Named::default());
    }

    fn block(&mut self, arm: usize, now: Tick) {
        let arm = &mut self.arms[arm];
        let epochs = BACK_OFF << arm.failures.min(MOST_DOUBLINGS);
        arm.failures = arm.failures.saturating_add(1);
        arm.blocked_until = Some(now.after(self.rules.epoch.saturating_mul(epochs)));
    }

    /// Evidence in blocks, for tests and people who want to know how often it was looked at.
    pub fn blocks(&self, arm: usize) -> u32 {
        self.arms.get(arm).map_or(0, |arm| arm.evidence.blocks())
    }
}

/// The standard deviation that a median absolute deviation stands for, when noise is normal.
fn spread_of(median_deviation: f64) -> f64 {
    1.4826 * median_deviation
}

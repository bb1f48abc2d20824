//! Pools that choose their algorithm by themselves: once a second what workers told is handed to `aya-core`, and what it
//! decides becomes the next snapshot and an event with its evidence. What people order stands until they take it back.

use std::collections::HashMap;
use std::sync::Arc;

use aya_api::event::Severity;
use aya_api::view::{AutoArm, AutoRuleView, AutoView};
use aya_core::auto::{Auto, AutoRules, Decision, Rule, Shift, Why, enough};
use aya_core::pick::Choice;
use aya_core::time::Tick;

use super::Control;
use crate::clock;
use crate::handover::chosen::Chosen;
use crate::state::{NewEvent, Note, Pool, Scouted, Snapshot, State};

/// Who is told to have switched.
const BY: &str = "auto";

/// Every pool that chooses by itself, by name.
#[derive(Debug, Default)]
pub(super) struct Autos(HashMap<String, Running>);

/// One of them.
#[derive(Debug)]
struct Running {
    scouted: Arc<Scouted>,
    auto: Auto,
    since_ms: u64,
    reason: String,
    switches: u64,
}

impl Running {
    /// Begins with what steers the pool; with the first arm, where that was ordered by somebody.
    fn new(pool: &Pool, scouted: &Arc<Scouted>, is_held: bool, now: Tick) -> Self {
        let rules = &scouted.rules;
        let current = rules.position(&pool.algorithm).filter(|_| !is_held).unwrap_or(rules.start);
        Self {
            auto: Auto::new(Arc::clone(rules), current, now),
            scouted: Arc::clone(scouted),
            since_ms: clock::wall_ms(),
            reason: "it steers first".to_owned(),
            switches: 0,
        }
    }

    /// Goes on with what the configuration says now.
    fn follow(&mut self, pool: &Pool, scouted: &Arc<Scouted>, is_held: bool, now: Tick) {
        if Arc::ptr_eq(&self.scouted, scouted) {
            return;
        }
        if self.scouted.rules == scouted.rules {
            self.auto.forget(now);
            self.scouted = Arc::clone(scouted);
        } else {
            *self = Self::new(pool, scouted, is_held, now);
        }
    }

    /// The rules, for people.
    fn rules(&self, is_held: bool) -> Vec<AutoRuleView> {
        let AutoRules { arms, rules, .. } = &*self.scouted.rules;
        let in_force = if is_held { 0 } else { self.auto.in_force() };
        let each = rules.iter().zip(self.scouted.requests()).enumerate();
        let view = |(at, (rule, requests)): (usize, (&Rule, u64))| AutoRuleView {
            rule: at as u64 + 1,
            when: rule.to_string(),
            arm: arms[rule.arm].to_string(),
            holds: in_force & (1 << at) != 0,
            requests: rule.class.as_ref().map(|_| requests),
        };
        each.map(view).collect()
    }
}

impl Autos {
    /// Goes on with what the process before knew of pools that still choose in the same way. Has their arms steer; what
    /// people have ordered comes after that.
    pub(super) fn resume(state: &State, chosen: &[Chosen]) -> Self {
        let snapshot = state.snapshot.load_full();
        let resumed = chosen.iter().filter_map(|chosen| {
            let pool = snapshot.pool(&chosen.pool)?;
            let scouted = pool.auto.as_ref().filter(|auto| auto.rules.fingerprint() == chosen.fingerprint)?;
            let auto = Auto::resume(Arc::clone(&scouted.rules), &chosen.learned(), clock::now())?;
            scouted.set_open(auto.open());
            steer(state, &pool.name, scouted.rules.arms[auto.current()]);
            let (since_ms, reason) = (chosen.since_ms, chosen.reason.clone());
            let running = Running { auto, scouted: Arc::clone(scouted), since_ms, reason, switches: 0 };
            Some((chosen.pool.clone(), running))
        });
        Self(resumed.collect())
    }

    /// What is known of the pools of a snapshot, for the process that goes on.
    pub(super) fn chosen(&self, snapshot: &Snapshot) -> Vec<Chosen> {
        let now = clock::now();
        let known = snapshot.pools.iter().filter_map(|pool| {
            let running = self.0.get(&pool.name).filter(|running| {
                pool.auto.as_ref().is_some_and(|auto| auto.rules == running.scouted.rules)
            })?;
            let Running { scouted, auto, since_ms, reason, switches: _ } = running;
            Some(Chosen::new(&pool.name, scouted.rules.fingerprint(), *since_ms, reason, auto.learned(now)))
        });
        known.collect()
    }

    /// The algorithm that steers a pool while nobody has ordered another one.
    pub(super) fn steering(&self, pool: &Pool) -> Option<Choice> {
        let rules = &pool.auto.as_ref()?.rules;
        let running = self.0.get(&pool.name).filter(|running| running.scouted.rules == *rules);
        Some(rules.arms[running.map_or(rules.start, |running| running.auto.current())])
    }

    /// How a pool chooses, for people.
    pub(super) fn view(&self, pool: &Pool, is_held: bool) -> Option<AutoView> {
        let running = self.0.get(&pool.name).filter(|_| pool.auto.is_some())?;
        let rules = &running.scouted.rules;
        let auto = &running.auto;
        let arms = auto.arms().zip(&rules.arms).enumerate().map(|(index, (arm, choice))| AutoArm {
            name: choice.to_string(),
            learned: index < rules.learned,
            value: arm.value,
            samples: u64::from(arm.samples),
            e_value: arm.e_value,
            blocked_until_ms: arm.blocked_until.map(clock::wall_of),
        });
        Some(AutoView {
            arm: rules.arms[auto.current()].to_string(),
            since_ms: running.since_ms,
            reason: running.reason.clone(),
            mode: if rules.advises { "shadow" } else { "enforce" }.to_owned(),
            objective: rules.objective.as_str().to_owned(),
            margin: rules.margin,
            epoch_ms: rules.epoch.as_millis() as u64,
            enough: enough(rules.learned.saturating_sub(1)),
            is_held,
            is_on_trial: auto.is_on_trial(),
            rule: auto.rule().map(|rule| rule as u64 + 1),
            switches: running.switches,
            lost_notes: running.scouted.lost(),
            arms: arms.collect(),
            rules: running.rules(is_held),
        })
    }

    /// The rule for all requests that holds in a pool, counted from 1.
    pub(super) fn rule(&self, pool: &Pool) -> Option<u64> {
        let running = self.0.get(&pool.name).filter(|running| !running.auto.is_held())?;
        running.auto.rule().map(|rule| rule as u64 + 1)
    }

    /// The rules for some requests that are in force in a pool.
    pub(super) fn in_force(&self, pool: &Pool) -> Vec<AutoRuleView> {
        let Some(running) = self.0.get(&pool.name) else { return Vec::new() };
        let rules = running.rules(running.auto.is_held()).into_iter();
        rules.filter(|rule| rule.holds && rule.requests.is_some()).collect()
    }
}

/// Has another algorithm pick in a pool from now on. Its revision stays: neither people nor the configuration have changed
/// it.
fn steer(state: &State, name: &str, algorithm: Choice) {
    let mut snapshot = (*state.snapshot.load_full()).clone();
    for pool in snapshot.pools.iter_mut().filter(|pool| pool.name == name) {
        *pool = Arc::new(pool.with_algorithm(algorithm, state.next_rev(), pool.rev));
    }
    state.publish(&Arc::new(snapshot));
}

/// Tells that a rule for some requests holds from now on, or does not any more.
fn tell(state: &State, pool: &Pool, rules: &AutoRules, shift: Shift) {
    let Some(rule) = rules.rules.get(shift.rule) else { return };
    let (number, arm) = (shift.rule + 1, rules.arms[rule.arm]);
    let verb = match shift {
        Shift { holds: false, .. } => "picks no more",
        Shift { is_advice: true, .. } => "would be advised to pick",
        Shift { .. } => "picks",
    };
    let word = if shift.holds { "holds" } else { "holds no more" };
    let cause = format!("rule {number} {word}: {arm} {verb} for its requests ({rule})");
    let event = NewEvent::new(Severity::Info, "algorithm", &pool.name, cause);
    state.events.push(event.ordered(Some(BY.to_owned()), None));
}

impl Control {
    /// Takes what workers told of pools that choose by themselves, and does what is decided.
    pub(super) fn choose(&mut self, now: Tick) {
        // Another process is told what is known, and decides from then on.
        if self.upgrades.is_frozen() {
            return;
        }
        let snapshot = self.state.snapshot.load_full();
        self.autos.0.retain(|name, _| snapshot.pool(name).is_some_and(|pool| pool.auto.is_some()));
        for pool in &snapshot.pools {
            let Some(scouted) = &pool.auto else { continue };
            let rate: u32 = pool.backends.iter().map(|b| self.sampler.last_second(b)).sum();
            scouted.set_rate(f64::from(rate));
            let is_held = self.is_auto_held(pool);
            let fresh = || Running::new(pool, scouted, is_held, now);
            let running = self.autos.0.entry(pool.name.clone()).or_insert_with(fresh);
            running.follow(pool, scouted, is_held, now);
            let auto = &mut running.auto;
            auto.hold(is_held, now);
            scouted.take(|note| match note {
                Note::Named(ballot) => auto.named(&ballot),
                Note::Served { cell, took, ok } => auto.served(cell, took, ok),
            });
            let minute = scouted.rules.minute(clock::wall_ms());
            for shift in auto.shift(minute, f64::from(rate)) {
                tell(&self.state, pool, &scouted.rules, shift);
            }
            if let Some(decision) = auto.tick(now, minute, f64::from(rate)) {
                self.decided(pool, &decision);
            }
            if let Some(running) = self.autos.0.get(&pool.name) {
                scouted.set_open(running.auto.open());
            }
        }
    }

    fn decided(&mut self, pool: &Pool, decision: &Decision) {
        let Some(running) = self.autos.0.get_mut(&pool.name) else { return };
        let rules: &AutoRules = &running.scouted.rules;
        let [from, to] = [decision.from, decision.to].map(|arm| rules.arms[arm]);
        if decision.is_advice {
            let cause = format!("{to} in place of {from} would be advised: {}", decision.why);
            let event = NewEvent::new(Severity::Info, "algorithm", &pool.name, cause);
            self.state.events.push(event.ordered(Some(BY.to_owned()), None));
            return;
        }
        running.since_ms = clock::wall_ms();
        running.reason = decision.why.to_string();
        running.switches += 1;
        let severity = if matches!(decision.why, Why::Worse(_)) { Severity::Warning } else { Severity::Info };
        let event = NewEvent::new(severity, "algorithm", &pool.name, running.reason.clone());
        steer(&self.state, &pool.name, to);
        let event = event.change(from.to_string(), to.to_string());
        self.state.events.push(event.ordered(Some(BY.to_owned()), None));
    }

    /// Whether somebody has ordered an algorithm for a pool that would choose one itself.
    pub(super) fn is_auto_held(&self, pool: &Pool) -> bool {
        pool.auto.is_some() && self.algorithm_orders.contains_key(&pool.name)
    }
}

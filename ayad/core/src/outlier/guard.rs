//! The look at a whole pool, ten times a second: who is odd, who may come back, and what share of its weight each gets.

use std::sync::Arc;
use std::time::Duration;

use super::looks;
use super::norm::{Found, LEAST_SHARE, Norm, evidence, median};
use super::watch::{LONG, Span};
use super::{FEWEST, Finding, Oddity, OutlierChange, OutlierRules, Quota, Return, Standing};
use crate::axis::{Admin, Health};
use crate::load::{Load, SlowStart};
use crate::time::Tick;

/// Evidence from which on a backend is suspected, doubted, ejected. Chance gives 18 once in 65 million looks.
const SUSPECT: f64 = 10.0;
const DOUBT: f64 = 14.0;
const EJECT: f64 = 18.0;
/// How long a slow backend stands as it does before it is treated worse.
const WORSE_AFTER: Duration = Duration::from_millis(500);
/// How long nothing odd is seen of a backend before it is treated better.
const BETTER_AFTER: Duration = Duration::from_secs(2);
/// How long a backend is like the others for each past ejection that is forgiven.
const FORGIVE_AFTER: Duration = Duration::from_secs(10);
/// Failures in a row that count as a run when it is asked whether all have one.
const RUN: u32 = 2;
/// How a backend comes back after its trials where its pool has no slow start.
const RETURN: SlowStart = SlowStart { window: Duration::from_secs(2), aggression: 1.0, min: 0.1 };

/// What a pool is tended by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// How outliers are found; `None` for not at all.
    pub outliers: Option<&'a OutlierRules>,
    /// How backends come into traffic; `None` for at once.
    pub slow_start: Option<&'a SlowStart>,
}

/// Room to compute in; what is known is in the cells. One may serve any number of pools.
#[derive(Debug, Default)]
pub struct Guard {
    spans: Vec<[Span; 2]>,
    in_service: Vec<bool>,
    wanted: Vec<(f64, usize, Finding)>,
}

/// What is true of the pool as a whole.
struct Pool {
    norms: [Option<Norm>; 2],
    /// Share of failures that is usual, also where there is too little for a norm.
    usual: f64,
    /// As many fail as do not.
    is_bad: bool,
    /// How many more may be ejected.
    spare: usize,
    /// How many people and checks leave in service.
    served_by: usize,
}

impl Guard {
    /// Looks at a pool, changes how its backends stand, and sets the ease of each: what slow start, its standing and its
    /// signals leave of its weight. `changes` gets what changed. Costs some microseconds for ten backends.
    pub fn tend(
        &mut self,
        now: Tick,
        settings: Settings<'_>,
        set: &[Arc<Load>],
        quota: &Quota,
        changes: &mut Vec<OutlierChange>,
    ) {
        let from = changes.len();
        if let Some(rules) = settings.outliers {
            self.judge(now, rules, set, quota, changes);
        } else {
            quota.set(0, &OutlierRules { enforce: false, ..OutlierRules::default() });
            Self::switch_off(now, set, changes);
        }
        let is_enforced = settings.outliers.is_some_and(|rules| rules.enforce);
        for load in set {
            let standing = if is_enforced { load.watched().standing() } else { Standing::In };
            let ramp = load.ramp_factor(settings.slow_start.or(Some(&RETURN)), now);
            load.set_ease(ramp * standing.factor() * load.signal_factor());
        }
        debug_assert!(changes[from..].iter().all(|change| change.index < set.len()));
    }

    fn switch_off(now: Tick, set: &[Arc<Load>], changes: &mut Vec<OutlierChange>) {
        for (index, load) in set.iter().enumerate() {
            load.watched().limit_run(0, 0.0);
            load.grant_looks(0);
            let back = load.take_back(now, Return::SwitchedOff);
            changes.extend(back.map(|change| OutlierChange { index, ..change }));
        }
    }

    fn judge(
        &mut self,
        now: Tick,
        rules: &OutlierRules,
        set: &[Arc<Load>],
        quota: &Quota,
        changes: &mut Vec<OutlierChange>,
    ) {
        quota.set(0, rules);
        let mut pool = self.look(now, rules, set);
        self.wanted.clear();
        for (index, load) in set.iter().enumerate() {
            let change = match load.watched().standing() {
                Standing::Ejected | Standing::Trying if Self::is_no_worse(load, &pool) => {
                    load.take_back(now, Return::OthersNoBetter)
                }
                Standing::Ejected => Self::wait(now, load, rules),
                Standing::Trying => load.go_on_trying(now, quota),
                Standing::In | Standing::Suspected | Standing::Doubted => {
                    self.weigh(now, index, load, &pool, rules)
                }
            };
            changes.extend(change.map(|change| OutlierChange { index, ..change }));
        }
        // The worst first, as far as the pool can spare them.
        self.wanted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        for (_, index, finding) in self.wanted.drain(..).take(pool.spare) {
            if let Some(change) = set[index].eject(now, &finding, quota) {
                pool.spare -= 1;
                changes.push(OutlierChange { index, ..change });
            }
        }
        Self::allow_runs(rules, set, &pool, quota);
        if rules.enforce {
            let seen = (&self.spans[..], &self.in_service[..]);
            looks::grant(now, rules, set, seen, (&pool.norms, pool.usual), &quota.purse);
        }
    }

    fn look(&mut self, now: Tick, rules: &OutlierRules, set: &[Arc<Load>]) -> Pool {
        self.spans.clear();
        self.spans.extend(set.iter().map(|load| load.watched().spans(now)));
        let serves = |load: &Load| {
            load.admin() == Admin::Ready && matches!(load.health(), Health::Up | Health::Unknown)
        };
        let is_out = |load: &Load| matches!(load.watched().standing(), Standing::Ejected | Standing::Trying);
        self.in_service.clear();
        self.in_service.extend(set.iter().map(|load| serves(load) && !is_out(load)));
        let served_by = set.iter().filter(|load| serves(load)).count();
        let out = set.iter().filter(|load| serves(load) && is_out(load)).count();
        // Less than the share, and one is always left: the ceiling minus one.
        let most = (served_by as f64 * rules.max_ejected.clamp(0.0, 1.0)).ceil() as usize;
        let running =
            set.iter().zip(&self.in_service).filter(|(load, is_in)| **is_in && load.watched().run() >= RUN);
        let running = running.count();
        let norm = |which: usize| Norm::of(self.compared().map(move |spans| spans[which]), rules);
        let usual = self.usual();
        let mut norms = [norm(0), norm(1)];
        if let [Some(short), Some(long)] = &mut norms {
            short.widen(long);
            long.widen(short);
        }
        Pool {
            norms,
            usual,
            is_bad: usual >= 0.5 || 2 * running > served_by - out,
            spare: most.saturating_sub(1).saturating_sub(out),
            served_by,
        }
    }

    fn compared(&self) -> impl Iterator<Item = &[Span; 2]> + Clone {
        self.spans.iter().zip(&self.in_service).filter(|(_, is_in)| **is_in).map(|(spans, _)| spans)
    }

    /// The median share of failures over all that have had anything to do: in the window in which it is larger. The long
    /// one has more to go by, the short one knows first that all got worse.
    fn usual(&self) -> f64 {
        let share = |which: usize| {
            let worked = self.compared().map(|spans| spans[which].counts).filter(|counts| counts.calls > 0);
            let mut shares: Vec<f64> = worked.map(|counts| counts.failure_share()).collect();
            median(&mut shares).unwrap_or(0.0)
        };
        share(0).max(share(1))
    }

    /// Whether what a backend is out for would be chance by what is usual now: then the others are as bad.
    fn is_no_worse(load: &Load, pool: &Pool) -> bool {
        let usual = pool.usual.max(LEAST_SHARE);
        load.watched().finding().is_some_and(|finding| match finding.oddity {
            Oddity::FailureShare => {
                pool.is_bad || evidence(f64::from(finding.value), usual, finding.calls) < SUSPECT
            }
            Oddity::FailuresInRow => pool.is_bad || evidence(1.0, usual, finding.calls) < SUSPECT,
            Oddity::Slow => false,
        })
    }

    /// Whether an ejected backend waits on or is tried.
    fn wait(now: Tick, load: &Load, rules: &OutlierRules) -> Option<OutlierChange> {
        let watch = load.watched();
        let is_over = watch.until().is_none_or(|until| now >= until);
        match (is_over, rules.enforce) {
            (true, true) => load.begin_trials(now),
            (true, false) => load.take_back(now, Return::Recovered),
            (false, enforce) => {
                load.set_ejected(enforce);
                None
            }
        }
    }

    /// Whether a backend in traffic is odd, and what follows.
    fn weigh(
        &mut self,
        now: Tick,
        index: usize,
        load: &Load,
        pool: &Pool,
        rules: &OutlierRules,
    ) -> Option<OutlierChange> {
        let watch = load.watched();
        let standing = watch.standing();
        let Some(found) = self.found(index, pool, rules) else {
            let lingers = self.lingers(now, index, load, pool, rules);
            return if lingers { None } else { Self::soothe(now, load, standing) };
        };
        watch.see(now);
        let is_settled = now.since(watch.since()) >= WORSE_AFTER;
        let is_slow = found.finding.oddity == Oddity::Slow;
        let next = match standing {
            Standing::In => Standing::Suspected,
            Standing::Suspected if if is_slow { is_settled } else { found.evidence >= DOUBT } => {
                Standing::Doubted
            }
            Standing::Doubted if Self::ejects(&found, is_settled, rules) => {
                self.wanted.push((
                    found.evidence.min(1e9) + f64::from(found.finding.z),
                    index,
                    found.finding,
                ));
                return None;
            }
            same => same,
        };
        watch.keep(&found.finding);
        if next == standing || !watch.change(now, standing, next) {
            return None;
        }
        Some(OutlierChange { index, from: standing, to: next, finding: Some(found.finding), back: None })
    }

    fn ejects(found: &Found, is_settled: bool, rules: &OutlierRules) -> bool {
        match found.finding.oddity {
            Oddity::Slow => {
                is_settled && rules.slower_ejects > 0.0 && found.times_slower >= rules.slower_ejects
            }
            Oddity::FailureShare | Oddity::FailuresInRow => found.evidence >= EJECT,
        }
    }

    fn found(&self, index: usize, pool: &Pool, rules: &OutlierRules) -> Option<Found> {
        if !self.in_service[index] || pool.is_bad {
            return None;
        }
        let looks = pool.norms.iter().zip(&self.spans[index]);
        let looks = looks.filter_map(|(norm, span)| Some((norm.as_ref()?, span)));
        let failing = looks.clone().filter_map(|(norm, span)| norm.failing(span, pool.usual, rules));
        let failing = failing.filter(|found| found.evidence >= SUSPECT);
        let worst = failing.max_by(|a, b| a.evidence.total_cmp(&b.evidence));
        worst.or_else(|| looks.clone().find_map(|(norm, span)| norm.slow(span, rules)))
    }

    /// Whether nothing odd is seen of it only because little is seen of it: an algorithm that follows latencies asks a slow
    /// backend seldom.
    fn lingers(&self, now: Tick, index: usize, load: &Load, pool: &Pool, rules: &OutlierRules) -> bool {
        let Some(finding) = load.watched().finding() else { return false };
        if !self.in_service[index] || pool.norms.iter().all(Option::is_none) {
            return false;
        }
        let clears = |which: usize| {
            let norm = pool.norms[which].as_ref();
            norm.is_some_and(|norm| norm.clears(finding.oddity, &self.spans[index][which], pool.usual, rules))
        };
        // The long window says something about now once it begins after what was found.
        let is_long_ago = now.since(load.watched().last_seen()) >= LONG;
        !(clears(0) || (is_long_ago && clears(1)))
    }

    /// Nothing odd is seen of it.
    fn soothe(now: Tick, load: &Load, standing: Standing) -> Option<OutlierChange> {
        let watch = load.watched();
        let quiet = now.since(watch.last_seen());
        let better = match standing {
            Standing::Doubted => Standing::Suspected,
            Standing::Suspected => Standing::In,
            _ => {
                if quiet >= FORGIVE_AFTER && watch.times() > 0 {
                    watch.forgive();
                    watch.see(now);
                }
                return None;
            }
        };
        let finding = watch.finding();
        if quiet < BETTER_AFTER || !watch.change(now, standing, better) {
            return None;
        }
        Some(OutlierChange { index: 0, from: standing, to: better, finding, back: Some(Return::Recovered) })
    }

    /// Lets the workers eject after failures in a row until the next look: at most a tenth of the pool, so that when all
    /// begin to fail together the next look is in time to see that.
    fn allow_runs(rules: &OutlierRules, set: &[Arc<Load>], pool: &Pool, quota: &Quota) {
        let by_chance = evidence(1.0, pool.usual.max(LEAST_SHARE), 1);
        let limit = (EJECT / by_chance).ceil().max(f64::from(rules.failures)) as u32;
        let is_asked = rules.failures > 0 && !pool.is_bad && pool.served_by >= FEWEST;
        for load in set {
            load.watched().limit_run(if is_asked { limit } else { 0 }, pool.usual);
        }
        let at_once = (pool.served_by / 10).max(1).min(pool.spare);
        quota.set(if is_asked { at_once as u32 } else { 0 }, rules);
    }
}

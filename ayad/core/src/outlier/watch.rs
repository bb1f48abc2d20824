//! What is watched of one backend, and how it stands: the part of the guard that is in its [`Load`] cell.

mod learned;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub use self::learned::LearnedWatch;
use super::{Finding, Oddity, OutlierChange, Quota, Return, Standing};
use crate::breaker::Answer;
use crate::load::Load;
use crate::time::{Tick, nanos};
use crate::window::{Counts, Logs, Tally};

/// Length of a slot of the window.
const SLOT: u64 = 500_000_000;
const SLOTS: usize = 20;
/// Length of the long window.
pub(super) const LONG: Duration = Duration::from_nanos(SLOT * SLOTS as u64);
/// Slots of the short window: at least one second, at most one and a half.
const SHORT: u64 = 3;
/// A trial without a result for so long is given up.
const LOST: Duration = Duration::from_secs(1);
/// Trials after which a backend that is as bad as it was has been found out nine times of ten.
const ESCAPE: f64 = 0.1;
const TRIALS: (f64, f64) = (3.0, 20.0);

/// What one backend did in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) counts: Counts,
    /// Answers whose time counts.
    pub(super) timed: u32,
    /// Mean binary logarithm of their nanoseconds.
    pub(super) log: f64,
}

/// One backend, as the guard sees it. Written by the workers (counts) and by whoever tends the pool (the rest).
#[derive(Debug, Default)]
pub struct Watch {
    /// Failures in a row.
    run: AtomicU32,
    /// Failures in a row that eject; 0 for never.
    run_limit: AtomicU32,
    /// Share of failures that is usual in the pool, as the bits of an `f32`.
    usual: AtomicU32,
    standing: AtomicU32,
    since: AtomicU64,
    /// When it was last like the others.
    odd_since: AtomicU64,
    until: AtomicU64,
    /// When what was found was last found again; for one that is in, when its past ejections were last forgiven.
    seen: AtomicU64,
    times: AtomicU32,
    oddity: AtomicU32,
    value: AtomicU32,
    median: AtomicU32,
    z: AtomicU32,
    calls: AtomicU32,
    good: AtomicU32,
    bad: AtomicU32,
    /// Results of trials when the last one was let through.
    settled: AtomicU32,
    granted: AtomicU64,
    tally: Tally<SLOTS>,
    logs: Logs<SLOTS>,
}

impl Watch {
    /// How it stands among the others.
    pub fn standing(&self) -> Standing {
        decoded(Standing::ALL, &self.standing)
    }

    /// Since when; the start of the daemon if it never changed.
    pub fn since(&self) -> Tick {
        Tick::from_nanos(self.since.load(Ordering::Relaxed))
    }

    /// Since when it is not like the others, whatever it stood at meanwhile; `None` when it is like them.
    pub fn odd_since(&self) -> Option<Tick> {
        let since = Tick::from_nanos(self.odd_since.load(Ordering::Relaxed));
        (self.standing() != Standing::In).then_some(since)
    }

    /// When its ejection ends; `None` when it is not ejected.
    pub fn until(&self) -> Option<Tick> {
        let until = Tick::from_nanos(self.until.load(Ordering::Relaxed));
        (self.standing() == Standing::Ejected).then_some(until)
    }

    /// What was found odd; `None` when it is like the others.
    pub fn finding(&self) -> Option<Finding> {
        let float = |bits: &AtomicU32| f32::from_bits(bits.load(Ordering::Relaxed));
        (self.standing() != Standing::In).then(|| Finding {
            oddity: decoded(Oddity::ALL, &self.oddity),
            value: float(&self.value),
            median: float(&self.median),
            z: float(&self.z),
            calls: self.calls.load(Ordering::Relaxed),
        })
    }

    /// Ejections that are not forgiven yet; the next one lasts the longer for it.
    pub fn times(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }

    /// Trials that went well, and those that are needed, while it is tried.
    pub fn trials(&self) -> Option<(u32, u32)> {
        let good = self.good.load(Ordering::Relaxed);
        (self.standing() == Standing::Trying).then(|| (good, self.needed()))
    }

    /// Counts a result; the length of the run of failures when that is one too many.
    pub(super) fn count(&self, now: Tick, answer: Answer) -> Option<u32> {
        let slot = now.as_nanos() / SLOT;
        if self.standing() == Standing::Trying {
            self.count_trial(answer);
        }
        self.tally.add(slot, !answer.ok, false);
        if answer.ok {
            self.logs.add(slot, nanos(answer.took));
            if self.run.load(Ordering::Relaxed) != 0 {
                self.run.store(0, Ordering::Relaxed);
            }
            return None;
        }
        let run = self.run.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let limit = self.run_limit.load(Ordering::Relaxed);
        let is_too_many = limit != 0 && run >= limit && self.standing().factor() > 0.0;
        (is_too_many && self.standing() != Standing::Trying).then_some(run)
    }

    fn count_trial(&self, answer: Answer) {
        // What was sent before it was ejected says nothing about now.
        if answer.sent <= self.ejected_at() {
            return;
        }
        let is_slow = decoded(Oddity::ALL, &self.oddity) == Oddity::Slow
            && nanos(answer.took) as f32 > self.slow_from();
        let counter = if answer.ok && !is_slow { &self.good } else { &self.bad };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Between the median and what it had, in the geometric middle.
    fn slow_from(&self) -> f32 {
        let float = |bits: &AtomicU32| f32::from_bits(bits.load(Ordering::Relaxed));
        (float(&self.value) * float(&self.median)).sqrt()
    }

    fn ejected_at(&self) -> Tick {
        Tick::from_nanos(self.seen.load(Ordering::Relaxed))
    }

    /// Trials that must succeed.
    fn needed(&self) -> u32 {
        let share = match decoded(Oddity::ALL, &self.oddity) {
            Oddity::FailureShare => f64::from(f32::from_bits(self.value.load(Ordering::Relaxed))),
            Oddity::FailuresInRow | Oddity::Slow => 1.0,
        };
        (ESCAPE.ln() / (1.0 - share.clamp(0.01, 0.99)).ln()).ceil().clamp(TRIALS.0, TRIALS.1) as u32
    }

    pub(super) fn run(&self) -> u32 {
        self.run.load(Ordering::Relaxed)
    }

    pub(super) fn limit_run(&self, limit: u32, usual: f64) {
        self.run_limit.store(limit, Ordering::Relaxed);
        self.usual.store((usual as f32).to_bits(), Ordering::Relaxed);
    }

    pub(super) fn usual_share(&self) -> f32 {
        f32::from_bits(self.usual.load(Ordering::Relaxed))
    }

    pub(super) fn spans(&self, now: Tick) -> [Span; 2] {
        let slot = now.as_nanos() / SLOT;
        [SHORT, SLOTS as u64].map(|slots| {
            let (timed, log) = self.logs.mean(slot, slots);
            Span { counts: self.tally.sum(slot, slots), timed, log }
        })
    }

    pub(super) fn keep(&self, finding: &Finding) {
        self.oddity.store(finding.oddity as u32, Ordering::Relaxed);
        self.value.store(finding.value.to_bits(), Ordering::Relaxed);
        self.median.store(finding.median.to_bits(), Ordering::Relaxed);
        self.z.store(finding.z.to_bits(), Ordering::Relaxed);
        self.calls.store(finding.calls, Ordering::Relaxed);
    }

    pub(super) fn last_seen(&self) -> Tick {
        Tick::from_nanos(self.seen.load(Ordering::Relaxed))
    }

    pub(super) fn see(&self, now: Tick) {
        self.seen.store(now.as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn forgive(&self) {
        let _ = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_sub(1));
    }

    /// Moves to another standing, unless somebody else moved it meanwhile.
    pub(super) fn change(&self, now: Tick, from: Standing, to: Standing) -> bool {
        let swap =
            self.standing.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Acquire);
        if swap.is_ok() {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
            if from == Standing::In {
                self.odd_since.store(now.as_nanos(), Ordering::Relaxed);
            }
            self.see(now);
        }
        swap.is_ok()
    }

    /// What it did so far says nothing about what it does from now on.
    fn forget(&self) {
        self.tally.clear();
        self.logs.clear();
        self.run.store(0, Ordering::Relaxed);
    }
}

/// The value with this code; only codes of values are ever stored.
fn decoded<T: Copy>(all: &[T], code: &AtomicU32) -> T {
    all.get(code.load(Ordering::Acquire) as usize).copied().unwrap_or(all[0])
}

impl Load {
    /// Takes it out of traffic, from whatever it stands at except ejected.
    pub(super) fn eject(&self, now: Tick, finding: &Finding, quota: &Quota) -> Option<OutlierChange> {
        let watch = self.watched();
        let from = watch.standing();
        if from == Standing::Ejected || !watch.change(now, from, Standing::Ejected) {
            return None;
        }
        watch.keep(finding);
        let times = watch.times.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        watch.until.store(now.as_nanos().saturating_add(quota.eject_ns(times)), Ordering::Relaxed);
        self.set_ejected(quota.enforces());
        Some(OutlierChange { index: 0, from, to: Standing::Ejected, finding: Some(*finding), back: None })
    }

    /// It is like the others again, or counts as such.
    pub(super) fn take_back(&self, now: Tick, back: Return) -> Option<OutlierChange> {
        let watch = self.watched();
        let from = watch.standing();
        let finding = watch.finding();
        if from == Standing::In || !watch.change(now, from, Standing::In) {
            return None;
        }
        watch.forget();
        self.set_ejected(false);
        if back == Return::TrialsPassed {
            self.begin_ramp(now);
        }
        Some(OutlierChange { index: 0, from, to: Standing::In, finding, back: Some(back) })
    }

    /// Takes a backend for one like the others again, because somebody says so, and forgets its past.
    pub fn pardon(&self, now: Tick, back: Return) -> Option<OutlierChange> {
        self.watched().times.store(0, Ordering::Relaxed);
        self.watched().forget();
        self.take_back(now, back)
    }

    /// Its time is up: one request at a time.
    pub(super) fn begin_trials(&self, now: Tick) -> Option<OutlierChange> {
        let watch = self.watched();
        let ejected_at = watch.last_seen();
        if !watch.change(now, Standing::Ejected, Standing::Trying) {
            return None;
        }
        watch.seen.store(ejected_at.as_nanos(), Ordering::Relaxed);
        watch.good.store(0, Ordering::Relaxed);
        watch.bad.store(0, Ordering::Relaxed);
        watch.forget();
        // An estimate made of failures would keep algorithms from ever trying it.
        self.forget_latency();
        self.grant(now);
        Some(OutlierChange {
            index: 0,
            from: Standing::Ejected,
            to: Standing::Trying,
            finding: watch.finding(),
            back: None,
        })
    }

    /// Lets the next trial through, or draws the conclusion of those that are over.
    pub(super) fn go_on_trying(&self, now: Tick, quota: &Quota) -> Option<OutlierChange> {
        let watch = self.watched();
        let (good, bad) = (watch.good.load(Ordering::Relaxed), watch.bad.load(Ordering::Relaxed));
        let finding = watch.finding()?;
        // One slow answer is little evidence, but waiting on costs little too, and trials must not make a tail.
        if bad > 0 {
            return self.eject(now, &finding, quota);
        }
        if good >= watch.needed() {
            return self.take_back(now, Return::TrialsPassed);
        }
        let is_settled = good + bad > watch.settled.load(Ordering::Relaxed);
        let granted = Tick::from_nanos(watch.granted.load(Ordering::Relaxed));
        if self.is_trial_taken() && (is_settled || now.since(granted) >= LOST) {
            self.grant(now);
        }
        None
    }

    fn grant(&self, now: Tick) {
        let watch = self.watched();
        let settled = watch.good.load(Ordering::Relaxed) + watch.bad.load(Ordering::Relaxed);
        watch.settled.store(settled, Ordering::Relaxed);
        watch.granted.store(now.as_nanos(), Ordering::Relaxed);
        self.offer_trial();
    }
}

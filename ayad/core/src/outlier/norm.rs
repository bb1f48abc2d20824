//! What is usual in a pool, and how far from it a backend is.

use super::watch::Span;
use super::{FEWEST, Finding, Oddity, OutlierRules};

/// The median absolute deviation of a normal distribution times this is its standard deviation.
const MAD: f64 = 1.4826;
/// Least spread that is believed of shares of failures, as a share and as a part of the median.
const SHARE_SPREAD: (f64, f64) = (0.02, 0.25);
/// Least spread that is believed of logarithms of latencies: 23 %.
const LOG_SPREAD: f64 = 0.3;
/// What the logarithm of one latency varies by: that of an exponential distribution, in powers of two.
const LOG_SD: f64 = 1.85;
/// A backend that is slower by less than this many nanoseconds is not worth a word.
const SLOWER_BY: f64 = 1e6;
/// Evidence from which on more of it is wanted: chance gives it once in seven.
const CURIOUS: f64 = 2.0;
/// Answers from which on a backend has a say in how slow the others are.
const HEARD: u32 = 5;
/// Fewer failures than this are nobody's peculiarity.
pub(super) const LEAST_SHARE: f64 = 0.01;

/// What is usual in one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    share: f64,
    share_spread: f64,
    log: f64,
    log_spread: f64,
}

/// What was found, and how strong it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// Logarithm of how unlikely it is that chance explains it; infinite for a slow backend, of which only the distance
    /// says something.
    pub(super) evidence: f64,
    /// How many times slower than the median.
    pub(super) times_slower: f64,
}

impl Norm {
    /// What is usual among the spans with enough results; `None` for too few.
    pub(super) fn of(spans: impl Iterator<Item = Span> + Clone, rules: &OutlierRules) -> Option<Self> {
        let enough = rules.min_calls.max(1);
        let mut shares: Vec<f64> = spans
            .clone()
            .filter(|span| span.counts.calls >= enough)
            .map(|s| s.counts.failure_share())
            .collect();
        let mut logs: Vec<f64> = spans.filter(|span| span.timed >= HEARD).map(|span| span.log).collect();
        if shares.len() < FEWEST {
            return None;
        }
        let share = median(&mut shares)?;
        let log = median(&mut logs).unwrap_or(0.0);
        let share_spread = MAD * median_distance(&mut shares, share);
        let log_spread =
            if logs.len() < FEWEST { f64::INFINITY } else { MAD * median_distance(&mut logs, log) };
        Some(Self {
            share,
            share_spread: share_spread.max(SHARE_SPREAD.0).max(SHARE_SPREAD.1 * share),
            log,
            log_spread: log_spread.max(LOG_SPREAD),
        })
    }

    /// Takes over from the norm of another window how slow and how various the pool was. An algorithm that follows
    /// latencies asks the fastest of the moment most, and they alone would make a pool of fast equals of any.
    pub(super) fn widen(&mut self, other: &Self) {
        if self.log_spread.is_finite() && other.log_spread.is_finite() {
            self.log = self.log.max(other.log);
            self.log_spread = self.log_spread.max(other.log_spread);
        }
    }

    /// Whether a backend fails more often than the others of this window, by more than chance where this share is `usual`.
    pub(super) fn failing(&self, span: &Span, usual: f64, rules: &OutlierRules) -> Option<Found> {
        let share = span.counts.failure_share();
        let z = (share - self.share) / self.share_spread;
        if span.counts.calls < rules.min_calls || share - self.share < rules.excess || z < rules.deviations {
            return None;
        }
        // The backends of a pool are not the same: what twice their spread explains is nobody's peculiarity either.
        let usual =
            (usual.max(self.share) + 2.0 * (self.share_spread - SHARE_SPREAD.0).max(0.0)).max(LEAST_SHARE);
        let finding = Finding {
            oddity: Oddity::FailureShare,
            value: share as f32,
            median: self.share as f32,
            z: z as f32,
            calls: span.counts.calls,
        };
        let evidence = evidence(share, usual, span.counts.calls);
        Some(Found { finding, evidence, times_slower: 1.0 })
    }

    /// How many times slower than is usual; as if the backend were the median when there is nothing to go by.
    fn times_slower(&self, span: &Span) -> f64 {
        if self.log_spread.is_finite() && span.timed > 0 { (span.log - self.log).exp2() } else { 1.0 }
    }

    /// Whether a backend would be slow if more answers were like those few that there are.
    pub(super) fn seems_slow(&self, span: &Span, rules: &OutlierRules) -> bool {
        let is_odd = rules.slower > 0.0 && self.times_slower(span) >= rules.slower;
        is_odd && (span.log - self.log) / self.log_spread >= rules.deviations
    }

    /// Whether answers enough say that a backend is not worse than the others in this.
    pub(super) fn clears(&self, oddity: Oddity, span: &Span, usual: f64, rules: &OutlierRules) -> bool {
        match oddity {
            Oddity::Slow => span.timed >= HEARD && self.times_slower(span) < rules.slower,
            Oddity::FailureShare | Oddity::FailuresInRow => {
                span.counts.calls >= HEARD && !seems_failing(span, usual)
            }
        }
    }

    /// Whether a backend is slower than is usual.
    pub(super) fn slow(&self, span: &Span, rules: &OutlierRules) -> Option<Found> {
        let chance = LOG_SD / f64::from(span.timed.max(1)).sqrt();
        let z = (span.log - self.log) / self.log_spread.hypot(chance);
        let times_slower = self.times_slower(span);
        let is_far = span.log.exp2() - self.log.exp2() >= SLOWER_BY && z >= rules.deviations;
        let is_odd = rules.slower > 0.0 && times_slower >= rules.slower && is_far;
        (is_odd && span.timed >= rules.min_calls).then(|| Found {
            finding: Finding {
                oddity: Oddity::Slow,
                value: span.log.exp2() as f32,
                median: self.log.exp2() as f32,
                z: z as f32,
                calls: span.timed,
            },
            evidence: f64::INFINITY,
            times_slower,
        })
    }
}

/// Whether there is reason to hear more of how often a backend fails.
pub(super) fn seems_failing(span: &Span, usual: f64) -> bool {
    evidence(span.counts.failure_share(), usual.max(LEAST_SHARE), span.counts.calls) >= CURIOUS
}

/// Chernoff's bound: minus the logarithm of the probability that `calls` results have at least this `share` of failures
/// when each fails with probability `usual`.
pub(super) fn evidence(share: f64, usual: f64, calls: u32) -> f64 {
    if share <= usual {
        return 0.0;
    }
    let part = |x: f64, y: f64| if x <= 0.0 { 0.0 } else { x * (x / y).ln() };
    f64::from(calls) * (part(share, usual) + part(1.0 - share, 1.0 - usual))
}

/// The middle of the values; the mean of the two in the middle when their number is even.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

fn median_distance(values: &mut [f64], from: f64) -> f64 {
    for value in values.iter_mut() {
        *value = (*value - from).abs();
    }
    median(values).unwrap_or(0.0)
}

//! Weights that follow a signal: who reports more than the others gets less, until all report the same.
//!
//! ```text
//! ratio  = (target + noise) / (own + noise)          target: configured, or the median of the pool
//! factor = factor * clamp(ratio, 1/2, 2) ^ gain      gain = 1 - exp(-dt / 10 s), at most 0.3
//! ```
//!
//! then all are scaled so that the largest is `max`, and none is below `min`. The controller adds up small steps on a
//! logarithmic scale. With a value that is in proportion to the share, one step of gain `g` leaves `1 - g` of the
//! error, so it comes closer without swinging over; a value that follows the share late is stepped on only when it is
//! new, so a slow source makes it slow, not wild. Within a tenth of the target nothing moves.
//!
//! What it deliberately does not do: use what is stale. A backend without a fresh value drifts to the mean of those that
//! have one; a pool without any goes back to `max` for all.
//!
//! Sources: the weight controller of Dropbox's Robinhood (set point: the mean of the fleet), the penalty-free part of
//! gRPC's weighted round robin (`weight = rate / utilization`), both of which react to utilization alone.

use std::time::Duration;

use crate::signal::Signal;

/// How fast factors follow.
const OVER: Duration = Duration::from_secs(10);
/// Largest part of the way that one step goes, however long ago the last one was.
const MOST_GAIN: f64 = 0.3;
/// Largest ratio that one step believes.
const MOST_RATIO: f64 = 2.0;
/// Ratios this close to 1 (as logarithms) move nothing.
const QUIET: f64 = 0.1;

/// How weights follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FollowRules {
    /// The signal.
    pub signal: Signal,
    /// Least factor, above 0.
    pub min: f64,
    /// Largest factor, at most 1.
    pub max: f64,
    /// The value that every backend should have; without one, the median of the pool.
    pub target: Option<f64>,
}

/// Where one backend stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Follower {
    /// Its factor now.
    pub factor: f64,
    /// Its value, unless there is none that is fresh.
    pub value: Option<f64>,
    /// Time since its last step, when its value was learned after that; `None` when it is not new.
    pub since: Option<Duration>,
}

/// Makes one step for a pool, in place. Cost: sorts the values of the pool once; `room` is reused from step to step.
pub fn step(rules: &FollowRules, pool: &mut [Follower], room: &mut Vec<f64>) {
    room.clear();
    room.extend(pool.iter().filter_map(|one| one.value));
    let Some(median) = median(room) else {
        let ease = gain(Duration::from_secs(1));
        for one in pool.iter_mut() {
            one.factor += (rules.max - one.factor) * ease;
        }
        return;
    };
    let target = rules.target.unwrap_or(median);
    let noise = noise(rules.signal);
    for one in pool.iter_mut() {
        let (Some(value), Some(since)) = (one.value, one.since) else { continue };
        let ratio = ((target + noise) / (value + noise)).clamp(1.0 / MOST_RATIO, MOST_RATIO);
        if ratio.ln().abs() > QUIET {
            one.factor *= ratio.powf(gain(since));
        }
    }
    drift(pool);
    scale(rules, pool);
}

/// Those without a value go towards the mean of the others.
fn drift(pool: &mut [Follower]) {
    let known = pool.iter().filter(|one| one.value.is_some());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), one| (sum + one.factor, count + 1.0));
    let (mean, ease) = (sum / count, gain(Duration::from_secs(1)));
    for one in pool.iter_mut().filter(|one| one.value.is_none()) {
        one.factor += (mean - one.factor) * ease;
    }
}

/// Only relations count: the largest is `max`.
fn scale(rules: &FollowRules, pool: &mut [Follower]) {
    let largest = pool.iter().map(|one| one.factor).fold(f64::MIN_POSITIVE, f64::max);
    for one in pool.iter_mut() {
        one.factor = (one.factor * rules.max / largest).clamp(rules.min, rules.max);
    }
}

fn gain(since: Duration) -> f64 {
    (1.0 - (-since.as_secs_f64() / OVER.as_secs_f64()).exp()).min(MOST_GAIN)
}

/// A difference of this much means nothing: a hundredth of a share, one request.
fn noise(signal: Signal) -> f64 {
    match signal {
        Signal::Cpu | Signal::Memory | Signal::Utilization | Signal::Gpu => 0.01,
        Signal::InFlight | Signal::Queue | Signal::Rate | Signal::Errors | Signal::Custom => 1.0,
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const RULES: FollowRules = FollowRules { signal: Signal::Utilization, min: 0.2, max: 1.0, target: None };
    const TICK: Duration = Duration::from_secs(1);

    fn fresh(factor: f64, value: f64) -> Follower {
        Follower { factor, value: Some(value), since: Some(TICK) }
    }

    /// Backends of different cost under a load that is divided by factor: the value is in proportion to both, and each
    /// is seen `late` steps after it was true.
    fn play(costs: &[f64], late: usize, steps: usize, mut noise: impl FnMut() -> f64) -> Vec<Vec<f64>> {
        let mut pool: Vec<_> = costs.iter().map(|_| fresh(1.0, 0.0)).collect();
        let (mut seen, mut all) = (Vec::new(), Vec::new());
        for _ in 0..steps {
            let whole: f64 = pool.iter().map(|one| one.factor).sum();
            let values = pool.iter().zip(costs).map(|(one, cost)| cost * one.factor / whole * noise());
            seen.push(values.collect::<Vec<_>>());
            let shown = &seen[seen.len().saturating_sub(1 + late)];
            pool.iter_mut().zip(shown).for_each(|(one, value)| one.value = Some(*value));
            step(&RULES, &mut pool, &mut Vec::new());
            all.push(pool.iter().map(|one| one.factor).collect());
        }
        all
    }

    #[test]
    fn factors_settle_where_all_report_the_same() {
        for late in [0, 3] {
            let last = play(&[1.0, 2.0, 4.0], late, 400, || 1.0).pop().unwrap();
            let shown: Vec<f64> =
                last.iter().zip([1.0, 2.0, 4.0]).map(|(factor, cost)| factor * cost).collect();
            let spread = shown.iter().fold(0.0_f64, |most, one| most.max((one / shown[0]).ln().abs()));
            assert!(spread < 2.5 * QUIET, "late by {late}: {last:?}");
        }
    }

    #[test]
    fn settled_factors_stay() {
        let all = play(&[1.0, 3.0], 2, 600, || 1.0);
        let (early, late) = (&all[400], &all[599]);
        assert!(early.iter().zip(late).all(|(a, b)| (a - b).abs() < 1e-3), "{early:?} {late:?}");
    }

    #[test]
    fn noise_does_not_swing_them() {
        let mut rng = Rng::seeded(7);
        let all = play(&[1.0, 1.0, 1.0, 1.0], 2, 2000, || 0.8 + 0.4 * rng.unit());
        let least = all.iter().flatten().fold(1.0_f64, |least, factor| least.min(*factor));
        assert!(least > 0.5, "{least}");
    }

    #[test]
    fn bounds_hold_whatever_is_reported() {
        let mut rng = Rng::seeded(3);
        let mut pool = vec![fresh(1.0, 0.0); 5];
        for _ in 0..1000 {
            for one in &mut pool {
                one.value = (rng.unit() < 0.9).then(|| 10.0_f64.powf(24.0 * rng.unit() - 12.0));
                one.since = (rng.unit() < 0.5).then_some(Duration::from_secs(600));
            }
            step(&RULES, &mut pool, &mut Vec::new());
            assert!(pool.iter().all(|one| (0.2..=1.0).contains(&one.factor)), "{pool:?}");
        }
    }

    #[test]
    fn without_values_all_return_and_one_without_joins_the_others() {
        let gone = |factor| Follower { factor, value: None, since: None };
        let mut pool = vec![gone(0.2), gone(0.6)];
        (0..200).for_each(|_| step(&RULES, &mut pool, &mut Vec::new()));
        assert!(pool.iter().all(|one| one.factor > 0.99), "{pool:?}");

        let mut pool = vec![gone(0.2), fresh(1.0, 0.5), fresh(1.0, 0.5)];
        (0..200).for_each(|_| step(&RULES, &mut pool, &mut Vec::new()));
        assert!(pool[0].factor > 0.99, "{pool:?}");
        step(&RULES, &mut [], &mut Vec::new());
    }

    #[test]
    fn a_target_is_relative_too() {
        let rules = FollowRules { target: Some(0.5), ..RULES };
        let mut pool = vec![fresh(1.0, 0.9), fresh(1.0, 0.5)];
        (0..100).for_each(|_| step(&rules, &mut pool, &mut Vec::new()));
        assert!(pool[0].factor < 0.3 && (pool[1].factor - 1.0).abs() < 1e-9, "{pool:?}");
    }
}

//! Whether a switch was right: the epochs after it against those before.
//!
//! Here nothing is estimated: both sides are what clients really got. A single epoch may be bad by chance, so the median
//! of those before is what it is compared with, and how much epochs usually differ is allowed for. When there is more
//! traffic than before, latencies may grow by as much.

use std::collections::VecDeque;

use super::spread_of;

/// Epochs that are remembered.
const REMEMBERED: usize = 8;
/// Epochs needed to know how much they usually differ.
const USUAL: usize = 4;
/// How much they differ by until that is known, and the least that is believed, as logarithms.
const UNKNOWN_SPREAD: f64 = 0.10;
const LEAST_SPREAD: f64 = 0.02;
/// Epochs that must be no worse.
const LENGTH: u32 = 2;
/// Epochs with too few requests to judge by, after which a switch is let be.
const PATIENCE: u32 = 20;

/// Epochs under one arm, as logarithms of the objective and rates.
#[derive(Clone, Debug, Default)]
pub(super) struct History(VecDeque<(f64, f64)>);

impl History {
    pub(super) fn add(&mut self, value: f64, rate: f64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((value.ln(), rate));
    }

    /// Epochs that another process remembered; those that cannot have been are left out.
    pub(super) fn of(epochs: &[(f64, f64)]) -> Self {
        let sound = epochs.iter().filter(|(value, rate)| value.is_finite() && rate.is_finite());
        Self(sound.copied().take(REMEMBERED).collect())
    }

    /// The epochs, oldest first.
    pub(super) fn epochs(&self) -> Vec<(f64, f64)> {
        self.0.iter().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn median(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let mut all: Vec<f64> = self.0.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    fn spread(&self) -> f64 {
        if self.0.len() < USUAL {
            return UNKNOWN_SPREAD;
        }
        let middle = self.median(|epoch| epoch.0);
        spread_of(self.median(|epoch| (epoch.0 - middle).abs())).max(LEAST_SPREAD)
    }
}

/// A switch that is being looked at.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// The arm before.
    pub(super) from: usize,
    /// Epochs under it.
    pub(super) before: History,
    after: History,
    silent: u32,
}

/// What an epoch says of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Wait for the next epoch.
    Open,
    /// It was right, or nobody can tell.
    Passed,
    /// It is worse: the objective before and now, in its unit.
    Failed { before: f64, now: f64 },
}

impl Trial {
    pub(super) fn new(from: usize, before: History) -> Self {
        Self { from, before, after: History::default(), silent: 0 }
    }

    /// A trial of another process that goes on.
    pub(super) fn of(from: usize, before: History, after: History, silent: u32) -> Self {
        Self { from, before, after, silent }
    }

    /// The arm before, the epochs under it and since, and how many of those had too few requests.
    pub(super) fn parts(&self) -> (usize, &History, &History, u32) {
        (self.from, &self.before, &self.after, self.silent)
    }

    /// An epoch ended with this value, `None` when too few requests were seen.
    pub(super) fn epoch(&mut self, value: Option<f64>, rate: f64, margin: f64) -> Verdict {
        let Some(value) = value else {
            self.silent += 1;
            return if self.silent >= PATIENCE { Verdict::Passed } else { Verdict::Open };
        };
        self.after.add(value, rate);
        let epochs = self.after.len() as f64;
        let (before, now) = (self.before.median(|epoch| epoch.0), self.mean());
        let (usual, rate) = (self.before.median(|epoch| epoch.1), self.after.median(|epoch| epoch.1));
        let traffic = if usual > 0.0 { (rate / usual).max(1.0).ln() } else { 0.0 };
        let allowed = margin.ln_1p() + traffic + 2.0 * self.before.spread() / epochs.sqrt();
        if now - before > allowed {
            return Verdict::Failed { before: before.exp(), now: now.exp() };
        }
        if self.after.len() >= LENGTH as usize { Verdict::Passed } else { Verdict::Open }
    }

    /// The epochs under the new arm.
    pub(super) fn into_after(self) -> History {
        self.after
    }

    fn mean(&self) -> f64 {
        self.after.0.iter().map(|epoch| epoch.0).sum::<f64>() / self.after.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(values: &[f64]) -> Trial {
        let mut history = History::default();
        for value in values {
            history.add(*value, 100.0);
        }
        Trial::new(0, history)
    }

    const STEADY: [f64; 6] = [0.100, 0.101, 0.099, 0.100, 0.102, 0.100];

    #[test]
    fn what_is_worse_fails_at_once_and_what_is_not_passes_after_two() {
        let mut trial = before(&STEADY);
        assert!(matches!(trial.epoch(Some(0.15), 100.0, 0.05), Verdict::Failed { .. }));

        let mut trial = before(&STEADY);
        assert_eq!(trial.epoch(Some(0.10), 100.0, 0.05), Verdict::Open);
        assert_eq!(trial.epoch(Some(0.09), 100.0, 0.05), Verdict::Passed);
    }

    #[test]
    fn one_bad_epoch_before_does_not_hide_a_bad_switch() {
        let mut trial = before(&[0.100, 0.101, 2.0, 0.100, 0.099, 0.100]);
        assert!(matches!(trial.epoch(Some(0.15), 100.0, 0.05), Verdict::Failed { .. }));
    }

    #[test]
    fn more_traffic_excuses_and_less_does_not() {
        assert_eq!(before(&STEADY).epoch(Some(0.15), 160.0, 0.05), Verdict::Open);
        assert!(matches!(before(&STEADY).epoch(Some(0.15), 50.0, 0.05), Verdict::Failed { .. }));
    }

    #[test]
    fn what_usually_varies_may_vary() {
        let mut trial = before(&[0.05, 0.10, 0.20, 0.08, 0.15, 0.09]);
        assert_eq!(trial.epoch(Some(0.15), 100.0, 0.05), Verdict::Open);
    }

    #[test]
    fn without_requests_it_ends_all_the_same() {
        let mut trial = before(&STEADY);
        let open = (0..100).take_while(|_| trial.epoch(None, 0.0, 0.05) == Verdict::Open).count();
        assert_eq!(open as u32, PATIENCE - 1);
    }
}

//! What the proxy adds to a percentile: the same requests directly and through it in the same seconds, with an interval by
//! drawing the seconds anew (the bootstrap of Efron, 1979, over blocks of one second).

use super::{Added, Hist, Report};
use crate::input::Rng;

/// Percentiles that are told.
const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];
/// Times that the seconds are drawn.
const DRAWS: u64 = 400;

impl Report {
    /// What is to be thought of where several backends answered through the proxy: directly, it was one.
    pub(super) fn several_backends(&self) -> Option<String> {
        let backends = self.backends.len();
        (!self.overhead.is_empty() && backends > 1).then(|| {
            format!(
                "of that, the proxy's own part cannot be told: {backends} backends answered through it, and one directly"
            )
        })
    }
}

/// Compares the seconds of both ways, which are as many.
pub(super) fn added(through: &[Hist], direct: &[Hist], seed: u64) -> Vec<Added> {
    let seconds = through.len().min(direct.len());
    if seconds == 0 {
        return Vec::new();
    }
    let difference = |picked: &[usize], percentile: f64| {
        let of = |hists: &[Hist]| {
            Hist::sum(picked.iter().map(|at| &hists[*at])).percentile_ms(percentile).unwrap_or(0.0)
        };
        (of(direct), of(through))
    };
    let all: Vec<usize> = (0..seconds).collect();
    let draws: Vec<Vec<usize>> = (0..DRAWS)
        .map(|draw| {
            let mut rng = Rng::new(seed, draw);
            all.iter().map(|_| rng.below(seconds as u64) as usize).collect()
        })
        .collect();
    PERCENTILES
        .iter()
        .map(|percentile| {
            let (direct_ms, through_ms) = difference(&all, *percentile);
            let mut drawn: Vec<f64> = draws
                .iter()
                .map(|picked| {
                    let (direct, through) = difference(picked, *percentile);
                    through - direct
                })
                .collect();
            drawn.sort_by(f64::total_cmp);
            let at = |part: f64| drawn[((drawn.len() - 1) as f64 * part).round() as usize];
            Added {
                percentile: *percentile,
                direct_ms,
                through_ms,
                added_ms: through_ms - direct_ms,
                interval_ms: [at(0.025), at(0.975)],
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_difference_is_found() {
        let second =
            |at: u64, more: u64| Hist::of((0..200).map(|n| (1_000_000 + n * 1_000 + at * 100 + more, 1)));
        let direct: Vec<Hist> = (0..10).map(|at| second(at, 0)).collect();
        let through: Vec<Hist> = (0..10).map(|at| second(at, 500_000)).collect();
        for added in added(&through, &direct, 1) {
            let [low, high] = added.interval_ms;
            assert!((added.added_ms - 0.5).abs() < 0.02, "{added:?}");
            assert!(low <= added.added_ms && added.added_ms <= high && high - low < 0.1, "{added:?}");
        }
        assert!(super::added(&[], &[], 1).is_empty());
    }
}

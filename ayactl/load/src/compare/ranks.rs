//! The test of Mann and Whitney (1947) over the p99 of each step: whether those of one run tend to be greater, whatever
//! their distribution. It takes steps as independent of each other. Where a bad moment lasts for several of them it finds
//! differences too easily, so it stands beside the intervals and decides nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::course::Course;
use super::{CONFIDENCE, FEWEST_STEPS, Finding, spread};

/// Width of the classes of steps, as a part: what differs by less is not told apart.
const CLASS: f64 = 0.008;

/// What the rank test says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranks {
    /// Steps with an answer, before and after.
    pub steps: [usize; 2],
    /// Median of the steps' p99 before and after, in milliseconds.
    pub median_ms: [f64; 2],
    /// In which part of all pairs of a step before and a step after the latter is slower, 0 to 1; those alike count half.
    pub slower: f64,
    /// How likely a result as far from a half is, when there is no difference.
    pub p: f64,
    /// What it says.
    pub finding: Finding,
}

/// Tests two courses; `None` when one has too few steps with an answer.
pub(super) fn test(before: &Course, after: &Course) -> Option<Ranks> {
    let p99s = |course: &Course| -> Vec<f64> {
        let mut values: Vec<f64> =
            course.steps.iter().filter_map(|step| step.response.percentile_ms(99.0)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (before, after) = (p99s(before), p99s(after));
    if before.len().min(after.len()) < FEWEST_STEPS {
        return None;
    }
    let (slower, p) = mann_whitney(&before, &after);
    let median_ms = [&before, &after].map(|values| median(values));
    let is_apart = (median_ms[1] - median_ms[0]).abs() > median_ms[0] * CLASS;
    let finding = match (p < 1.0 - CONFIDENCE && is_apart, slower > 0.5) {
        (false, _) => Finding::NoDifference,
        (true, true) => Finding::Worse,
        (true, false) => Finding::Better,
    };
    Some(Ranks { steps: [before.len(), after.len()], median_ms, slower, p, finding })
}

fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// The part of the pairs in which the second is greater, and the two-sided probability by the normal approximation, with
/// the corrections for ties and for continuity.
fn mann_whitney(before: &[f64], after: &[f64]) -> (f64, f64) {
    let (n, m) = (before.len() as f64, after.len() as f64);
    let mut all: Vec<(f64, bool)> =
        before.iter().map(|value| (*value, false)).chain(after.iter().map(|value| (*value, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut passed) = (0.0, 0.0, 0.0);
    for alike in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let count = alike.len() as f64;
        let rank = passed + f64::midpoint(count, 1.0);
        ranks += rank * alike.iter().filter(|(_, is_after)| *is_after).count() as f64;
        ties += count.powi(3) - count;
        passed += count;
    }
    let greater = ranks - m * (m + 1.0) / 2.0;
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let off = ((greater - n * m / 2.0).abs() - 0.5).max(0.0);
    let p = if variance > 0.0 { (2.0 * spread::below(-off / variance.sqrt())).min(1.0) } else { 1.0 };
    (greater / (n * m), p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_the_formulas() {
        // By hand: U is 85 of 100, its deviation the root of 175, and (85 - 50 - 0.5) / 13.229 is 2.608.
        let before: Vec<f64> = (1..=10).map(f64::from).collect();
        let shifted: Vec<f64> = before.iter().map(|value| value + 4.5).collect();
        let (slower, p) = mann_whitney(&before, &shifted);
        assert!((slower - 0.85).abs() < 1e-9, "{slower}");
        assert!((p - 0.009_11).abs() < 5e-5, "{p}");
        let (slower, p) = mann_whitney(&before, &before);
        assert!((slower - 0.5).abs() < 1e-9 && p > 0.99, "{slower} {p}");
        let alike = vec![3.0; 12];
        assert_eq!(mann_whitney(&alike, &alike), (0.5, 1.0));
    }
}

//! Intervals of differences by drawing steps anew: the bootstrap of Efron (1979) over circular blocks of neighbouring steps
//! (Politis and Romano, 1992), because a second is like the one before it. Both runs are drawn apart, so that nothing needs
//! to be paired.
//!
//! Few blocks make such intervals too narrow. They are widened as Hesterberg does ("What Teachers Should Know About the
//! Bootstrap", 2015, section 3.1): by taking percentiles further out, as Student's t is further out than the normal
//! distribution.

use std::collections::BTreeSet;

use super::course::Course;
use super::{CONFIDENCE, Metric, spread};
use crate::input::Rng;

/// Times that the steps are drawn.
const DRAWS: u64 = 2_000;

type Values = [Option<f64>; Metric::ALL.len()];

/// What the draws gave.
pub(super) struct Drawn {
    /// Steps of a block in the shorter run.
    pub(super) block: usize,
    /// The values of all steps before and after.
    all: [Values; 2],
    /// The values of each draw before and after.
    draws: Vec<[Values; 2]>,
    /// The part of the draws that is left out at either end.
    tail: f64,
}

/// Draws both courses anew.
pub(super) fn draw(before: &Course, after: &Course, seed: u64) -> Drawn {
    let sources = [before, after].map(Source::new);
    let blocks = [before, after].map(|course| block(course.len()));
    let all = sources.each_ref().map(|source| source.values(&(0..source.steps.len()).collect::<Vec<_>>()));
    let one = |n: u64, side: usize| {
        let mut rng = Rng::new(seed, 2 * n + side as u64);
        sources[side].values(&picked(sources[side].steps.len(), blocks[side], &mut rng))
    };
    let draws = (0..DRAWS).map(|n| [one(n, 0), one(n, 1)]).collect();
    let independent = [before, after].map(|course| course.len() as f64 / block(course.len()) as f64);
    Drawn { block: blocks[0].min(blocks[1]), all, draws, tail: tail(independent) }
}

/// Steps of a block: they grow with the cube root of all, as Hall, Horowitz and Jing (1995) found; the factor
/// is what keeps false alarms at one in ten when each second takes after the one before it by half.
fn block(steps: usize) -> usize {
    ((1.5 * (steps as f64).cbrt()).round() as usize).max(1)
}

/// The part that is left out at either end, for so many blocks before and after.
fn tail(blocks: [f64; 2]) -> f64 {
    let few = blocks[0].min(blocks[1]).max(2.0);
    let freedom = (blocks[0] + blocks[1] - 2.0).max(1.0);
    spread::below(-(few / (few - 1.0)).sqrt() * spread::student(CONFIDENCE, freedom))
}

/// As many steps as there are, in blocks that begin anywhere and go round at the end.
fn picked(steps: usize, block: usize, rng: &mut Rng) -> Vec<usize> {
    let mut picked = Vec::with_capacity(steps + block);
    while picked.len() < steps {
        let from = rng.below(steps.max(1) as u64) as usize;
        picked.extend((from..from + block).map(|at| at % steps));
    }
    picked.truncate(steps);
    picked
}

impl Drawn {
    /// Where the difference lies, and where it lies as a part of the value before, for the exact values before and after.
    pub(super) fn intervals(&self, metric: Metric, exact: [f64; 2]) -> [Option<[f64; 2]>; 2] {
        let at = metric as usize;
        // The classes of steps are coarse: what is drawn is off by as much as what all steps together give.
        let scale = [0, 1].map(|side| match self.all[side][at] {
            Some(all) if all > 0.0 => exact[side] / all,
            _ => 1.0,
        });
        let values = |[before, after]: &[Values; 2]| Some((before[at]? * scale[0], after[at]? * scale[1]));
        let difference = |draw: &[Values; 2]| values(draw).map(|(before, after)| after - before);
        let change = |draw: &[Values; 2]| {
            values(draw).filter(|(before, _)| *before > 0.0).map(|(before, after)| after / before - 1.0)
        };
        [self.ends(difference), self.ends(change)]
    }

    fn ends(&self, of: impl Fn(&[Values; 2]) -> Option<f64>) -> Option<[f64; 2]> {
        let mut values: Vec<f64> = self.draws.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)? as f64;
        let at = |part: f64| values[(last * part).round() as usize];
        Some([at(self.tail), at(1.0 - self.tail)])
    }
}

/// A course whose latencies are numbered classes, so that draws are sums.
struct Source<'c> {
    course: &'c Course,
    /// Upper bounds in nanoseconds, rising.
    classes: Vec<u64>,
    /// Of each step the numbers of classes with their counts.
    steps: Vec<Vec<(usize, u64)>>,
}

impl<'c> Source<'c> {
    fn new(course: &'c Course) -> Self {
        let pairs = || course.steps.iter().map(|step| step.response.pairs());
        let classes: Vec<u64> =
            pairs().flatten().map(|(value, _)| *value).collect::<BTreeSet<u64>>().into_iter().collect();
        // Every value is among the classes, which were made of them.
        let number = |value: &u64| classes.partition_point(|class| class < value);
        let steps = pairs().map(|step| step.iter().map(|(value, count)| (number(value), *count)).collect());
        Self { course, steps: steps.collect(), classes }
    }

    fn values(&self, picked: &[usize]) -> Values {
        let mut counts = vec![0_u64; self.classes.len()];
        let (mut answered, mut failed, mut ended, mut seconds) = (0, 0, 0, 0.0);
        for at in picked {
            for (class, count) in &self.steps[*at] {
                counts[*class] += count;
            }
            let step = &self.course.steps[*at];
            answered += step.achieved;
            failed += step.failed;
            ended += step.ended;
            seconds += self.course.lengths[*at];
        }
        let total: u64 = counts.iter().sum();
        Metric::ALL.map(|metric| match metric.percentile() {
            Some(percentile) => self.percentile(&counts, total, percentile),
            None if metric == Metric::Rate => (seconds > 0.0).then(|| answered as f64 / seconds),
            None => (ended > 0).then(|| failed as f64 / ended as f64),
        })
    }

    fn percentile(&self, counts: &[u64], total: u64, percentile: f64) -> Option<f64> {
        let wanted = ((percentile / 100.0) * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let class = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(self.classes[class] as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_round_and_every_step_is_as_likely() {
        let mut rng = Rng::new(7, 0);
        let mut seen = [0_u32; 10];
        for _ in 0..3_000 {
            let picked = picked(10, 3, &mut rng);
            assert_eq!(picked.len(), 10);
            assert!(picked[..3].windows(2).all(|pair| pair[1] == (pair[0] + 1) % 10), "{picked:?}");
            for at in picked {
                seen[at] += 1;
            }
        }
        assert!(seen.iter().all(|count| (2_700..3_300).contains(count)), "{seen:?}");
    }

    #[test]
    fn fewer_blocks_look_further_out() {
        let tails = [5.0, 10.0, 100.0].map(|blocks| tail([blocks, blocks]));
        assert!(tails[0] < tails[1] && tails[1] < tails[2] && tails[2] < 0.025, "{tails:?}");
        assert_eq!([1, 10, 60, 240].map(block), [2, 3, 6, 9]);
    }
}

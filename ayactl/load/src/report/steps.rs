//! Steps of time, and longer ones made of them.

use super::{Hist, MOST_STEPS, Report, Step};

impl Step {
    /// Several steps as one. Of the send lag the worst is told: a percentile of all cannot be had from theirs.
    pub(crate) fn sum(steps: &[Self]) -> Self {
        let known: Vec<u64> = steps.iter().filter_map(|step| step.offered).collect();
        let lags = steps.iter().filter_map(|step| step.lag_p99_ms);
        Self {
            offered: (!known.is_empty()).then(|| known.iter().sum()),
            sent: steps.iter().map(|step| step.sent).sum(),
            achieved: steps.iter().map(|step| step.achieved).sum(),
            failed: steps.iter().map(|step| step.failed).sum(),
            ended: steps.iter().map(|step| step.ended).sum(),
            response: Hist::sum(steps.iter().map(|step| &step.response)).coarse(),
            lag_p99_ms: lags.reduce(f64::max),
        }
    }
}

impl Report {
    /// The steps that plots show: without a last one in which nothing was due any more and only a few stragglers ended,
    /// which would be drawn as a fall of the rate.
    pub(super) fn whole_steps(&self) -> &[Step] {
        match self.steps.as_slice() {
            [before @ .., last, rest]
                if !before.is_empty() && rest.offered.unwrap_or(0) == 0 && rest.ended * 10 < last.ended =>
            {
                &self.steps[..self.steps.len() - 1]
            }
            all => all,
        }
    }

    /// Makes steps longer until there are no more than [`MOST_STEPS`].
    pub fn bound_steps(&mut self) {
        while self.steps.len() > MOST_STEPS {
            self.step_s *= 2.0;
            self.steps = self.steps.chunks(2).map(Step::sum).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{Step, sample};

    #[test]
    fn stragglers_are_no_fall_of_the_rate() {
        let mut report = sample::report(1, 1.0);
        let step = |offered, ended| Step { offered: Some(offered), ended, ..report.steps[0].clone() };
        let ends_in = [
            (vec![step(100, 100), step(100, 99), step(0, 1)], 2),
            (vec![step(100, 100), step(100, 0), step(0, 100)], 3),
            (vec![step(100, 100), step(50, 2)], 2),
        ];
        for (steps, shown) in ends_in {
            report.steps = steps;
            assert_eq!(report.whole_steps().len(), shown, "{:?}", report.steps.last());
        }
    }
}

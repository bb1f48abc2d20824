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
    /// Makes steps longer until there are no more than [`MOST_STEPS`].
    pub fn bound_steps(&mut self) {
        while self.steps.len() > MOST_STEPS {
            self.step_s *= 2.0;
            self.steps = self.steps.chunks(2).map(Step::sum).collect();
        }
    }
}

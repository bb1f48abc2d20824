//! The steps of a report as what is drawn from.

use crate::report::{Report, Step};

/// Most steps: longer runs have longer ones, so that a comparison costs no more.
const MOST: usize = 240;

/// Steps of one length, the last perhaps of another.
pub(super) struct Course {
    step_s: f64,
    pub(super) steps: Vec<Step>,
    /// Their lengths in seconds.
    pub(super) lengths: Vec<f64>,
}

impl Course {
    /// The steps of a report, none shorter than `step_s`. What was answered after the end of the plan counts in its last
    /// step: a step of a moment would be like no other.
    pub(super) fn of(report: &Report, step_s: f64) -> Self {
        let whole = (report.duration_s / report.step_s).round().max(1.0) as usize;
        let mut steps = report.steps.clone();
        if steps.len() > whole {
            let rest = steps.split_off(whole - 1);
            steps.push(Step::sum(&rest));
        }
        let mut lengths = vec![report.step_s; steps.len()];
        if let Some(last) = lengths.last_mut() {
            *last = (report.duration_s - report.step_s * (steps.len() - 1) as f64).max(f64::EPSILON);
        }
        let course = Self { step_s: report.step_s, steps, lengths };
        let longer = (course.len().div_ceil(MOST)) as f64 * report.step_s;
        course.of_length(step_s.max(longer))
    }

    /// The same in steps of `step_s` seconds, or nearly so.
    pub(super) fn of_length(self, step_s: f64) -> Self {
        let group = (step_s / self.step_s).round().max(1.0) as usize;
        if group == 1 {
            return self;
        }
        let mut steps: Vec<Step> = self.steps.chunks(group).map(Step::sum).collect();
        let mut lengths: Vec<f64> = self.lengths.chunks(group).map(|chunk| chunk.iter().sum()).collect();
        // What is left over is no step of its own.
        if !self.steps.len().is_multiple_of(group) && steps.len() > 1 {
            let rest = steps.split_off(steps.len() - 2);
            steps.push(Step::sum(&rest));
            let rest = lengths.split_off(lengths.len() - 2);
            lengths.push(rest.iter().sum());
        }
        Self { step_s: self.step_s * group as f64, steps, lengths }
    }

    pub(super) fn step_s(&self) -> f64 {
        self.step_s
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_came_late_counts_in_the_last_step() {
        let mut report = sample::report(1, 1.0);
        let last = report.steps[3].clone();
        report.steps.push(last);
        let course = Course::of(&report, 1.0);
        assert_eq!(course.len(), 12);
        assert_eq!(course.steps.iter().map(|step| step.ended).sum::<u64>(), 13 * 500);
        assert!((course.lengths.iter().sum::<f64>() - 12.0).abs() < 1e-9);
    }

    #[test]
    fn longer_steps_lose_nothing_and_leave_no_short_one() {
        let report = sample::report(1, 1.0);
        let course = Course::of(&report, 1.0).of_length(5.0);
        assert_eq!((course.len(), course.lengths[1]), (2, 7.0));
        assert_eq!(course.steps.iter().map(|step| step.ended).sum::<u64>(), 6_000);
    }
}

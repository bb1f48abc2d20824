//! Two reports beside each other, with statistics in place of bare percentages.
//!
//! Of each figure both values are told, the difference, and the interval in which the difference lies with 95 % confidence.
//! The interval comes from drawing blocks of neighbouring seconds anew ([`draw`]); a rank test over the seconds' p99 is told
//! beside it ([`ranks`]). The words follow from that by rules that are stated at [`Finding`].
//!
//! What it cannot see: runs differ from each other by more than their seconds do (another machine, another day, another
//! order in memory). Only repetition shows that; a limit ([`limit`]) leaves room for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Report, Word};

mod course;
mod draw;
pub mod limit;
mod plans;
mod ranks;
mod shown;
mod spread;

pub use limit::{Limit, Ruling, Standing};
pub use plans::{Concern, before_run, concerns};
pub use ranks::Ranks;

use course::Course;
pub(crate) use shown::HEADS;

/// Version of the shape.
pub const COMPARISON_VERSION: u32 = 1;
/// Fewest seconds, or longer steps, of each run from which anything is concluded.
pub const FEWEST_STEPS: usize = 10;
/// Fewest requests of each run beyond a percentile from which anything is concluded about it.
pub const FEWEST_BEYOND: f64 = 10.0;
/// The confidence of intervals, 0 to 1.
pub const CONFIDENCE: f64 = 0.95;
/// The clock of the generator tells microseconds apart, and its histograms a thousandth.
const TICK_MS: f64 = 0.001;
const GRAIN: f64 = 0.001;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Metric {
    /// Median response time, in milliseconds.
    #[serde(rename = "p50")]
    P50,
    /// 90th percentile of the response time, in milliseconds.
    #[serde(rename = "p90")]
    P90,
    /// 99th percentile of the response time, in milliseconds.
    #[serde(rename = "p99")]
    P99,
    /// 99.9th percentile of the response time, in milliseconds.
    #[serde(rename = "p99.9")]
    P999,
    /// Answers a second.
    #[serde(rename = "rate")]
    Rate,
    /// Share of the requests that failed, 0 to 1.
    #[serde(rename = "err")]
    Errors,
}

impl Metric {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 6] = [Self::P50, Self::P90, Self::P99, Self::P999, Self::Rate, Self::Errors];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Rate => "rate",
            Self::Errors => "err",
        }
    }

    /// The percentile of the response time that it is, 0 to 100.
    pub const fn percentile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(50.0),
            Self::P90 => Some(90.0),
            Self::P99 => Some(99.0),
            Self::P999 => Some(99.9),
            Self::Rate | Self::Errors => None,
        }
    }

    /// Its exact value in a report.
    fn of(self, report: &Report) -> Option<f64> {
        match self.percentile() {
            Some(percentile) => report.response.hist.percentile_ms(percentile),
            None if self == Self::Rate => (report.duration_s > 0.0).then(|| report.rate(report.achieved)),
            None => report.error_share(),
        }
    }
}

/// What a figure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The interval of the difference lies on the good side of nothing.
    Better,
    /// The interval of the difference lies on the bad side of nothing.
    Worse,
    /// The interval has nothing in it, or the difference is below what the generator tells apart. It does not say that
    /// there is none: the interval says how great it may be.
    NoDifference,
    /// A run has fewer than [`FEWEST_STEPS`] seconds.
    TooFewSeconds,
    /// A run has fewer than [`FEWEST_BEYOND`] requests beyond the percentile, or none at all.
    TooFewRequests,
}

impl Finding {
    /// In words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "no difference seen",
            Self::TooFewSeconds => "too few seconds to tell",
            Self::TooFewRequests => "too few requests to tell",
        }
    }
}

/// One run of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What it is called: a name, a file, or `this run`.
    pub name: String,
    /// Where its requests went.
    pub url: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// Whether its own figures can be trusted.
    pub verdict: Word,
    /// Its steps that are whole.
    pub steps: usize,
    /// Requests that were answered well: what percentiles are of.
    pub requests: u64,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// Its value before; absent without data.
    pub before: Option<f64>,
    /// Its value after.
    pub after: Option<f64>,
    /// After less before, in the unit of the metric.
    pub difference: Option<f64>,
    /// Where the difference lies with 95 % confidence; absent when there is too little to tell.
    pub interval: Option<[f64; 2]>,
    /// The difference as a part of the value before; absent when that is 0.
    pub change: Option<f64>,
    /// Where that part lies with 95 % confidence.
    pub change_interval: Option<[f64; 2]>,
    /// What it says.
    pub finding: Finding,
}

/// Two runs beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Version of this shape.
    pub schema_version: u32,
    /// What it is compared with.
    pub before: Side,
    /// What is compared.
    pub after: Side,
    /// Length of a step, in seconds: what is drawn anew.
    pub step_s: f64,
    /// Neighbouring steps that are drawn together, of the shorter run.
    pub block: usize,
    /// What stands against the comparison.
    pub concerns: Vec<Concern>,
    /// Each figure.
    pub figures: Vec<Figure>,
    /// The rank test over the steps' p99; absent when there is too little to tell.
    pub ranks: Option<Ranks>,
    /// Limits with what came of them.
    pub limits: Vec<Ruling>,
}

impl Comparison {
    /// Compares `after` with `before`, which are called as `names` says, and judges `limits`. The same reports and seed give
    /// the same. Costs up to a second for the longest reports.
    pub fn of(before: &Report, after: &Report, names: [&str; 2], limits: &[Limit], seed: u64) -> Self {
        let step_s = before.step_s.max(after.step_s);
        let courses = [before, after].map(|report| Course::of(report, step_s));
        let step_s = courses.iter().map(Course::step_s).fold(0.0, f64::max);
        let courses = courses.map(|course| course.of_length(step_s));
        let drawn = draw::draw(&courses[0], &courses[1], seed);
        let figures: Vec<Figure> =
            Metric::ALL.iter().map(|metric| figure(*metric, [before, after], &courses, &drawn)).collect();
        let concerns = concerns(before, after);
        let limits = limits.iter().map(|limit| limit.judge(&figures, &concerns)).collect();
        let side = |name: &str, report: &Report, course: &Course| Side {
            name: name.to_owned(),
            url: report.asked.url.clone(),
            started_ms: report.started_ms,
            verdict: report.verdict.word,
            steps: course.len(),
            requests: report.response.count,
        };
        Self {
            schema_version: COMPARISON_VERSION,
            before: side(names[0], before, &courses[0]),
            after: side(names[1], after, &courses[1]),
            step_s,
            block: drawn.block,
            concerns,
            figures,
            ranks: ranks::test(&courses[0], &courses[1]),
            limits,
        }
    }

    /// The figure of a metric.
    pub fn figure(&self, metric: Metric) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.metric == metric)
    }

    /// Whether a limit is exceeded, or could not be judged.
    pub fn fails(&self) -> bool {
        self.limits.iter().any(|ruling| matches!(ruling.standing, Standing::Exceeded | Standing::Unknown))
    }

    /// What is found in all, with what it is found of: `worse: p99; better: rate`.
    pub fn line(&self) -> String {
        let order = [
            Finding::Worse,
            Finding::Better,
            Finding::NoDifference,
            Finding::TooFewSeconds,
            Finding::TooFewRequests,
        ];
        let part = |finding: &Finding| {
            let names: Vec<&str> = self
                .figures
                .iter()
                .filter(|figure| figure.finding == *finding)
                .map(|figure| figure.metric.as_str())
                .collect();
            (!names.is_empty()).then(|| format!("{}: {}", finding.in_words(), names.join(", ")))
        };
        order.iter().filter_map(part).collect::<Vec<_>>().join("; ")
    }
}

fn figure(metric: Metric, reports: [&Report; 2], courses: &[Course; 2], drawn: &draw::Drawn) -> Figure {
    let [before, after] = reports.map(|report| metric.of(report));
    let difference = before.zip(after).map(|(before, after)| after - before);
    let change =
        before.zip(difference).and_then(|(before, by)| (before.abs() > f64::EPSILON).then(|| by / before));
    let too_few = too_few(metric, reports, courses);
    let known = before.zip(after).filter(|_| too_few.is_none());
    let [interval, change_interval] =
        known.map_or([None, None], |(before, after)| drawn.intervals(metric, [before, after]));
    let change_interval = change_interval.filter(|_| change.is_some());
    let grain = (before.unwrap_or(0.0).abs() * GRAIN).max(match metric.percentile() {
        Some(_) => TICK_MS,
        None => 0.0,
    });
    let finding = match (too_few, interval, difference) {
        (Some(too_few), ..) => too_few,
        (None, Some([low, high]), Some(by)) if by.abs() > grain + 1e-9 && (low > 0.0 || high < 0.0) => {
            if (by > 0.0) == (metric == Metric::Rate) { Finding::Better } else { Finding::Worse }
        }
        (None, Some(_), _) => Finding::NoDifference,
        (None, None, _) => Finding::TooFewRequests,
    };
    Figure { metric, before, after, difference, interval, change, change_interval, finding }
}

fn too_few(metric: Metric, reports: [&Report; 2], courses: &[Course; 2]) -> Option<Finding> {
    if courses.iter().any(|course| course.len() < FEWEST_STEPS) {
        return Some(Finding::TooFewSeconds);
    }
    let percentile = metric.percentile()?;
    // A hundredth of 1,000 is not quite 10 in binary fractions.
    let beyond = |report: &Report| report.response.count as f64 * (100.0 - percentile) / 100.0 + 1e-6;
    reports.iter().any(|report| beyond(report) < FEWEST_BEYOND).then_some(Finding::TooFewRequests)
}

#[cfg(test)]
mod tests;

//! Arms played on the same scenario with the same seeds, side by side.

use std::ops::ControlFlow;
use std::time::Duration;

use aya_core::histogram::Counts;
use serde::Serialize;

use crate::arm::Arm;
use crate::play::play_while;
use crate::report::Report;
use crate::scenario::Scenario;

/// Points of a drawn distribution.
const POINTS: u32 = 120;

/// A number over several seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation between seeds; 0 for a single one.
    pub deviation: f64,
    /// The largest.
    pub worst: f64,
}

/// What one arm came to, over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How it is written.
    pub arm: String,
    /// Requests of all seeds.
    pub requests: u64,
    /// Median latency in ms; a failure counts as the deadline.
    pub p50_ms: Spread,
    /// As above, of 99 of 100.
    pub p99_ms: Spread,
    /// As above, of 999 of 1000.
    pub p999_ms: Spread,
    /// Requests without a good answer, for each seed.
    pub failures: Spread,
    /// Connections refused, for each seed.
    pub refused: Spread,
    /// Times that breakers opened, for each seed.
    pub opened: Spread,
    /// Attempts for each request.
    pub attempts: Spread,
    /// Probes for each request.
    pub probes: Spread,
    /// The largest share of a backend in any 5 s, as a multiple of its fair one.
    pub most_share: Spread,
    /// Until every proxy had taken every troubled backend out, in ms; `None` without trouble, or when one never did.
    pub eject_ms: Option<Spread>,
    /// From the end of the trouble until every proxy had it back, in ms; likewise.
    pub readmit_ms: Option<Spread>,
    /// Backends taken out without trouble, for each hour of the scenario and proxy.
    pub false_ejections: Spread,
    /// p50, p99 and p99.9 as multiples of the base's.
    pub ratio: Option<[f64; 3]>,
    /// How much of the way from round robin to the oracle it went at p50, p99 and p99.9; 1 is all of it.
    pub gap_closed: Option<[f64; 3]>,
    /// What share of requests each backend got, in their order.
    pub shares: Vec<f64>,
    /// Latency in ms at evenly spaced shares of all requests, on a scale where 90, 99 and 99.9 % lie evenly.
    pub distribution: Vec<Point>,
    /// p99 in ms by when requests arrived.
    pub over_time: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// Where: a share of requests, or seconds.
    pub at: f64,
    /// How much, in ms.
    pub ms: f64,
}

/// Arms side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What the scenario shows.
    pub about: String,
    /// The seeds that were played.
    pub seeds: Vec<u64>,
    /// Names of the backends.
    pub backends: Vec<String>,
    /// The arm that ratios are to.
    pub base: Option<String>,
    /// One for each arm, in the order they were asked for.
    pub arms: Vec<Outcome>,
}

impl Comparison {
    /// Plays every arm with every seed. `watch` is told how many of how many runs are done, often, and may stop it;
    /// then there is no result.
    pub fn play(
        scenario: &Scenario,
        arms: &[Arm],
        watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Option<Self> {
        let seeds: Vec<u64> = scenario.seeds().collect();
        let total = arms.len() * seeds.len();
        let mut outcomes = Vec::with_capacity(arms.len());
        for (number, arm) in arms.iter().enumerate() {
            let mut reports = Vec::with_capacity(seeds.len());
            for (turn, seed) in seeds.iter().enumerate() {
                let done = number * seeds.len() + turn;
                reports.push(play_while(scenario, arm, *seed, &mut || watch(done, total))?);
            }
            outcomes.push(Outcome::of(scenario, arm, &reports));
        }
        let mut comparison = Self {
            about: scenario.about.clone(),
            seeds,
            backends: scenario.servers.iter().map(|backend| backend.name.clone()).collect(),
            base: None,
            arms: outcomes,
        };
        comparison.relate();
        Some(comparison)
    }

    /// What an arm came to.
    pub fn arm(&self, name: &str) -> Option<&Outcome> {
        self.arms.iter().find(|outcome| outcome.arm == name)
    }

    fn relate(&mut self) {
        let three = |outcome: &Outcome| [outcome.p50_ms.mean, outcome.p99_ms.mean, outcome.p999_ms.mean];
        let of = |name| self.arm(name).map(three);
        let (base, worst, best) = (of("peak-ewma"), of("round-robin"), of("oracle"));
        self.base = base.map(|_| "peak-ewma".to_owned());
        for outcome in &mut self.arms {
            let own = three(outcome);
            outcome.ratio = base.map(|base| std::array::from_fn(|at| own[at] / base[at]));
            outcome.gap_closed = worst.zip(best).map(|(worst, best)| {
                std::array::from_fn(|at| (worst[at] - own[at]) / (worst[at] - best[at]))
            });
        }
    }
}

impl Outcome {
    fn of(scenario: &Scenario, arm: &Arm, reports: &[Report]) -> Self {
        let each = |number: &dyn Fn(&Report) -> f64| Spread::of(reports.iter().map(number));
        let every = |time: &dyn Fn(&Report) -> Option<Duration>| {
            let times: Option<Vec<f64>> =
                reports.iter().map(|report| time(report).map(|time| time.as_secs_f64() * 1e3)).collect();
            times.map(|times| Spread::of(times.into_iter()))
        };
        let per_request = |number: u64, report: &Report| number as f64 / report.requests.max(1) as f64;
        let (latency, parts) = merged(reports);
        Self {
            arm: arm.to_string(),
            requests: reports.iter().map(|report| report.requests).sum(),
            p50_ms: each(&|report| report.quantile_ms(0.5)),
            p99_ms: each(&|report| report.quantile_ms(0.99)),
            p999_ms: each(&|report| report.quantile_ms(0.999)),
            failures: each(&|report| report.failures as f64),
            refused: each(&|report| report.refused() as f64),
            opened: each(&|report| report.backends.iter().map(|backend| backend.opened as f64).sum()),
            attempts: each(&|report| per_request(report.attempts, report)),
            probes: each(&|report| per_request(report.probes, report)),
            most_share: each(&|report| report.most_share()),
            eject_ms: every(&|report| report.ejected_within(scenario)),
            readmit_ms: every(&|report| report.readmitted_within(scenario)),
            false_ejections: each(&|report| report.false_ejections(scenario)),
            ratio: None,
            gap_closed: None,
            shares: (0..scenario.servers.len()).map(|at| each(&|report| report.share(at)).mean).collect(),
            distribution: distribution(&latency),
            over_time: over_time(
                scenario,
                &parts,
                reports.first().map_or(Duration::ZERO, |first| first.part),
            ),
        }
    }
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = numbers.collect();
        let len = all.len() as f64;
        let mean = all.iter().sum::<f64>() / len.max(1.0);
        let squares: f64 = all.iter().map(|number| (number - mean).powi(2)).sum();
        let deviation = if all.len() > 1 { (squares / (len - 1.0)).sqrt() } else { 0.0 };
        Self { mean, deviation, worst: all.iter().copied().fold(0.0, f64::max) }
    }
}

fn merged(reports: &[Report]) -> (Counts, Vec<Counts>) {
    let mut latency = Counts::new();
    let mut parts = vec![Counts::new(); reports.first().map_or(0, |report| report.parts.len())];
    for report in reports {
        latency.merge(&report.latency);
        parts.iter_mut().zip(&report.parts).for_each(|(sum, part)| sum.merge(part));
    }
    (latency, parts)
}

fn ms(counts: &Counts, q: f64) -> Option<f64> {
    counts.quantile(q).map(|micros| micros as f64 / 1e3)
}

fn distribution(latency: &Counts) -> Vec<Point> {
    let share = |point: u32| 1.0 - 10_f64.powf(-3.5 * f64::from(point) / f64::from(POINTS));
    (0..=POINTS).map(share).filter_map(|at| Some(Point { at, ms: ms(latency, at)? })).collect()
}

fn over_time(scenario: &Scenario, parts: &[Counts], part: Duration) -> Vec<Point> {
    let middle = |n: usize| scenario.warm_up.as_secs_f64() + part.as_secs_f64() * (n as f64 + 0.5);
    let points = parts.iter().enumerate();
    points.filter_map(|(n, counts)| Some(Point { at: middle(n), ms: ms(counts, 0.99)? })).collect()
}

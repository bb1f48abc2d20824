//! Tests of comparisons, with runs that are made by rule.

use super::*;
use crate::input::Rng;
use crate::report::{Hist, Step, sample};

/// A run of `seconds` with `rate` answers each, whose latencies are multiplied by `factor`. Each second has a level of its
/// own, which takes after the one before it by `like`.
fn run(seed: u64, seconds: usize, rate: u64, factor: f64, like: f64) -> Report {
    let mut rng = Rng::new(seed, 99);
    let mut report = sample::report(seed, 1.0);
    let mut level = 0.0;
    let mut all = Vec::new();
    let mut steps = Vec::new();
    for _ in 0..seconds {
        level = level * like + (rng.unit() - 0.5) * 0.2 * (1.0_f64 - like * like).sqrt();
        let values: Vec<u64> = (0..rate)
            .map(|_| {
                let tail = if rng.unit() < 0.03 { 1.0 + rng.unit() * 4.0 } else { 1.0 };
                ((1.0 + rng.unit()) * tail * (1.0 + level) * factor * 2e6) as u64
            })
            .collect();
        all.extend(values.iter().map(|value| (*value, 1)));
        let response = Hist::of(values.into_iter().map(|value| (value, 1))).coarse();
        let (offered, sent, achieved, ended) = (Some(rate), rate, rate, rate);
        steps.push(Step { offered, sent, achieved, ended, response, ..Step::default() });
    }
    let count = rate * seconds as u64;
    report.duration_s = seconds as f64;
    (report.offered, report.sent, report.achieved, report.failed) = (Some(count), count, count, 0);
    (report.response, report.steps) = (Hist::of(all).into(), steps);
    (report.failures, report.ended_early) = (Vec::new(), None);
    report
}

fn compare(before: &Report, after: &Report) -> Comparison {
    Comparison::of(before, after, ["before", "after"], &[], 1)
}

fn finding(comparison: &Comparison, metric: Metric) -> Finding {
    comparison.figure(metric).expect("every metric is compared").finding
}

/// In how many of `of` pairs of like runs the p99 and the ranks were found to differ.
fn false_alarms(of: u64, seconds: usize, like: f64) -> [u64; 3] {
    let mut found = [0; 3];
    for seed in 0..of {
        let (before, after) =
            (run(2 * seed, seconds, 300, 1.0, like), run(2 * seed + 1, seconds, 300, 1.0, like));
        let comparison = compare(&before, &after);
        let differs = [
            finding(&comparison, Metric::P50) != Finding::NoDifference,
            finding(&comparison, Metric::P99) != Finding::NoDifference,
            comparison.ranks.is_some_and(|ranks| ranks.finding != Finding::NoDifference),
        ];
        for (count, differs) in found.iter_mut().zip(differs) {
            *count += u64::from(differs);
        }
    }
    found
}

#[test]
fn like_runs_are_found_to_differ_in_about_one_of_twenty() {
    for (at, found) in false_alarms(120, 20, 0.0).into_iter().enumerate() {
        assert!((1..=12).contains(&found), "test {at}: {found} of 120");
    }
}

#[test]
fn a_tenth_more_is_found_and_its_size_is_in_the_interval() {
    let mut found = 0;
    for seed in 0..20 {
        let comparison = compare(&run(2 * seed, 30, 400, 1.0, 0.0), &run(2 * seed + 1, 30, 400, 1.1, 0.0));
        assert_eq!(finding(&comparison, Metric::P50), Finding::Worse, "seed {seed}: {comparison:?}");
        let [low, high] = comparison.figure(Metric::P99).unwrap().change_interval.unwrap();
        found += u32::from(low <= 0.1 && high >= 0.1);
        // The p99 of single seconds is shakier: it takes more.
        let much = compare(&run(2 * seed, 30, 400, 1.0, 0.0), &run(2 * seed + 1, 30, 400, 1.4, 0.0));
        assert_eq!(much.ranks.unwrap().finding, Finding::Worse, "seed {seed}");
    }
    assert!(found >= 17, "{found} of 20 intervals have it");
    let back = compare(&run(1, 30, 400, 1.1, 0.0), &run(2, 30, 400, 1.0, 0.0));
    assert_eq!(finding(&back, Metric::P50), Finding::Better);
}

#[test]
fn from_few_seconds_and_few_requests_nothing_is_concluded() {
    let few = compare(&run(1, 9, 400, 1.0, 0.0), &run(2, 30, 400, 2.0, 0.0));
    for figure in &few.figures {
        assert_eq!((figure.finding, figure.interval), (Finding::TooFewSeconds, None), "{figure:?}");
        assert!(figure.difference.is_some(), "the values are told all the same");
    }
    assert_eq!(few.ranks, None);
    let thin = compare(&run(1, 20, 90, 1.0, 0.0), &run(2, 20, 90, 1.0, 0.0));
    assert_eq!(finding(&thin, Metric::P999), Finding::TooFewRequests);
    assert_ne!(finding(&thin, Metric::P99), Finding::TooFewRequests);
}

#[test]
fn what_the_clock_cannot_tell_apart_is_no_difference() {
    let alike = |us: u64| {
        let mut report = run(1, 20, 400, 1.0, 0.0);
        let step = Hist::of([(us * 1_000, 400)]);
        report.response = Hist::of([(us * 1_000, 8_000)]).into();
        report.steps.iter_mut().for_each(|of| of.response = step.coarse());
        report
    };
    let comparison = compare(&alike(100), &alike(101));
    assert_eq!(finding(&comparison, Metric::P50), Finding::NoDifference);
    assert_eq!(finding(&compare(&alike(100), &alike(110)), Metric::P50), Finding::Worse);
}

#[test]
fn both_intervals_say_the_same_also_of_a_run_that_stood_still() {
    let before = run(1, 20, 60, 1.0, 0.0);
    let mut after = before.clone();
    let late = Hist::of((0..1_200).map(|n| (n * 16_000_000, 1)));
    for step in &mut after.steps[3..] {
        (step.response, step.achieved, step.ended) = (Hist::default(), 0, 0);
    }
    after.steps[19].response = late.coarse();
    after.steps[19].achieved = 1_020;
    after.response = late.into();
    let comparison = compare(&before, &after);
    let figure = comparison.figure(Metric::P90).unwrap();
    let ([low, _], [least, _]) = (figure.interval.unwrap(), figure.change_interval.unwrap());
    assert_eq!((low > 0.0, low < 0.0), (least > 0.0, least < 0.0), "both say the same: {figure:?}");
}

#[test]
fn failures_and_rates_have_their_sides() {
    let before = run(1, 30, 400, 1.0, 0.0);
    let mut after = run(2, 30, 400, 1.0, 0.0);
    for step in &mut after.steps {
        (step.failed, step.achieved) = (4, 360);
    }
    (after.failed, after.achieved) = (120, 10_800);
    let comparison = compare(&before, &after);
    assert_eq!(finding(&comparison, Metric::Errors), Finding::Worse);
    assert_eq!(finding(&comparison, Metric::Rate), Finding::Worse);
    let back = compare(&after, &before);
    assert_eq!(finding(&back, Metric::Errors), Finding::Better);
    assert_eq!(finding(&back, Metric::Rate), Finding::Better);
}

#[test]
fn runs_of_other_plans_are_told_and_stop_limits() {
    let before = run(1, 30, 400, 1.0, 0.0);
    let stops = |after: &Report| {
        let found = concerns(&before, after);
        found.iter().filter(|concern| concern.stops).map(|concern| concern.what.clone()).collect::<Vec<_>>()
    };
    assert!(concerns(&before, &run(2, 30, 400, 1.0, 0.0)).is_empty());
    assert_eq!(stops(&run(2, 30, 500, 1.0, 0.0)), ["the rates differ: 400/s before, 500/s after"]);
    let mut other = run(2, 30, 400, 1.0, 0.0);
    other.asked.url = "http://127.0.0.1:9090/".into();
    assert!(stops(&other).is_empty());
    assert!(concerns(&before, &other)[0].what.starts_with("target: http://127.0.0.1:8080"));
    other.verdict.word = Word::GeneratorBound;
    assert!(stops(&other)[0].contains("GENERATOR-BOUND"));
    let limits = ["p50>+1%".parse().unwrap()];
    let comparison = Comparison::of(&before, &other, ["a", "b"], &limits, 1);
    assert_eq!(comparison.limits[0].standing, Standing::Unknown);
    assert!(comparison.fails());
    let (mut closed, mut wider) = (before.clone(), before.clone());
    for report in [&mut closed, &mut wider] {
        report.asked.model = "closed".into();
        report.offered = None;
    }
    wider.asked.connections = 128;
    assert!(stops(&closed)[0].contains("loops differ"));
    assert!(concerns(&closed, &wider)[0].what.contains("128 after"));
    let open = crate::plan::Model::Open;
    assert!(before_run(&before, open, Some(401.0), 64).is_empty());
    assert!(before_run(&before, open, Some(800.0), 64)[0].stops);
    assert!(before_run(&before, crate::plan::Model::Closed, None, 64)[0].stops);
}

#[test]
fn runs_of_other_lengths_are_laid_beside_each_other() {
    let long = run(1, 1_500, 20, 1.0, 0.0);
    let mut short = run(2, 30, 20, 1.0, 0.0);
    short.duration_s = 30.4;
    let comparison = compare(&long, &short);
    assert!(comparison.before.steps <= 240, "{}", comparison.before.steps);
    assert!((comparison.step_s - 7.0).abs() < 1e-9, "{}", comparison.step_s);
    assert_eq!(comparison.after.steps, 4);
    let json = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap().line(), comparison.line());
}

#[test]
fn a_comparison_for_people() {
    let limits = ["p99>+10%", "p90>+20%", "p99.9>+1ms", "err>+0.1%"].map(|limit| limit.parse().unwrap());
    let before = run(1, 30, 400, 1.0, 0.0);
    let mut after = run(2, 30, 400, 1.15, 0.0);
    after.asked.url = "http://127.0.0.1:9090/a_b".into();
    let comparison = Comparison::of(&before, &after, ["monday", "this run"], &limits, 1);
    let look = crate::report::Look { color: false, width: 80 };
    insta::assert_snapshot!("terminal", comparison.terminal(look));
    insta::assert_snapshot!("markdown", comparison.markdown());
    let report = Report { comparison: Some(comparison), ..after };
    let junit = report.junit();
    assert!(junit.contains("tests=\"8\"") && junit.contains("against monday: p99&gt;+10%"), "{junit}");
    assert!(report.html().contains("Compared with a run before"));
    assert!(report.terminal(look).contains("response p99.9"));
}

//! Several generators' reports as one, their steps laid onto each other by the wall clock.

use std::collections::BTreeMap;

mod gates;
mod parts;

use super::{Backend, Failure, Gate, Hist, Mark, Report, SCHEMA_VERSION, Status, Step, Verdict, Word};

/// Why reports cannot be merged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("there is nothing to merge; name two reports or more")]
    Nothing,
    /// They did not run at the same time.
    #[error(
        "\"{first}\" and \"{other}\" did not run at the same time: {apart_s} s are between them; merge reports of one run, \
             or compare them"
    )]
    Apart {
        /// Host of the first.
        first: String,
        /// Host of the other.
        other: String,
        /// Seconds between the end of the earlier and the beginning of the later.
        apart_s: u64,
    },
    /// A report is of another version.
    #[error("a report has the version {0} of its shape; this program knows {SCHEMA_VERSION}")]
    Version(u32),
    /// The same report was named twice.
    #[error("\"{0}\" and \"{1}\" are the same recording; name each once")]
    Twice(String, String),
    /// Their requests came about in different ways, or they are parts of different plans.
    #[error("they are not of one plan: {what} {first} and {other}; merge recordings of the same command")]
    Plans {
        /// What differs.
        what: &'static str,
        /// It in the first.
        first: String,
        /// It in the other.
        other: String,
    },
    /// The same part of a plan is there twice.
    #[error("part {0} of {1} is there twice; name each part once")]
    PartTwice(u32, u32),
    /// A report's steps cannot be laid onto the others'.
    #[error("steps of {0} s and {1} s cannot be laid onto each other")]
    Steps(String, String),
}

/// Merges reports of generators that ran at the same time. Marks that all of them have are told once.
pub fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    let first = reports.first().ok_or(MergeError::Nothing)?;
    check(reports)?;
    let step_s = reports.iter().map(|report| report.step_s).fold(0.0, f64::max);
    let started_ms = reports.iter().map(|report| report.started_ms).min().unwrap_or(0);
    let ended = |report: &Report| (report.started_ms - started_ms) as f64 / 1e3 + report.duration_s;
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum();
    let offered: Option<Vec<u64>> = reports.iter().map(|report| report.offered).collect();
    let lags: Option<Vec<&Hist>> =
        reports.iter().map(|report| report.lag.as_ref().map(|lag| &lag.hist)).collect();
    let mut asked = first.asked.clone();
    asked.part = None;
    asked.connections = reports.iter().map(|report| report.asked.connections).sum();
    let mut merged = Report {
        schema_version: SCHEMA_VERSION,
        verdict: verdict(reports),
        asked,
        generators: reports.iter().flat_map(|report| report.generators.iter().cloned()).collect(),
        started_ms,
        duration_s: reports.iter().map(ended).fold(0.0, f64::max),
        ended_early: reports.iter().find_map(|report| report.ended_early.clone()),
        offered: offered.map(|all| all.iter().sum()),
        sent: sum(|report| report.sent),
        achieved: sum(|report| report.achieved),
        failed: sum(|report| report.failed),
        response: Hist::sum(reports.iter().map(|report| &report.response.hist)).into(),
        service: Hist::sum(reports.iter().map(|report| &report.service.hist)).into(),
        lag: lags.map(|all| Hist::sum(all).into()),
        statuses: statuses(reports),
        failures: failures(reports),
        step_s,
        steps: steps(reports, step_s, started_ms)?,
        backends: backends(reports),
        marks: marks(reports, started_ms),
        gates: gates::merged(reports),
        overhead: Vec::new(),
        comparison: None,
        peak: None,
    };
    merged.bound_steps();
    Ok(merged)
}

/// Generators whose beginnings lie further apart than this are told, in milliseconds.
const TOGETHER_MS: u64 = 1_000;

/// What did not begin together was not one load all the time.
fn apart(reports: &[Report]) -> Option<String> {
    let begun = || reports.iter().map(|report| report.started_ms);
    let by = begun().max()? - begun().min()?;
    (by > TOGETHER_MS).then(|| format!("the generators began {:.1} s apart", by as f64 / 1e3))
}

fn check(reports: &[Report]) -> Result<(), MergeError> {
    let first = &reports[0];
    if reports.len() < 2 {
        return Err(MergeError::Nothing);
    }
    let name = |report: &Report| {
        report.generators.first().map_or_else(String::new, |generator| generator.host.clone())
    };
    let end = |report: &Report| report.started_ms as f64 / 1e3 + report.duration_s;
    for report in reports {
        if report.schema_version != SCHEMA_VERSION {
            return Err(MergeError::Version(report.schema_version));
        }
        let begins = report.started_ms.max(first.started_ms) as f64 / 1e3;
        let apart = begins - end(report).min(end(first));
        if apart > 0.0 {
            return Err(MergeError::Apart {
                first: name(first),
                other: name(report),
                apart_s: apart.ceil() as u64,
            });
        }
    }
    parts::check(reports)
}

/// A merger is as good as the worst of its parts.
fn verdict(reports: &[Report]) -> Verdict {
    let word = [Word::GeneratorBound, Word::TargetBound]
        .into_iter()
        .find(|word| reports.iter().any(|report| report.verdict.word == *word))
        .unwrap_or(Word::Valid);
    let mut reasons =
        vec![format!("merged from {} generators; the worst verdict of them counts", reports.len())];
    reasons.extend(parts::missing(reports));
    reasons.extend(apart(reports));
    if reports.iter().any(|report| !report.overhead.is_empty()) {
        reasons.push("what the proxy adds is told in the reports of the single generators".to_owned());
    }
    for (at, report) in reports.iter().enumerate().filter(|(_, report)| report.verdict.word == word) {
        reasons.extend(report.verdict.reasons.iter().map(|reason| format!("generator {}: {reason}", at + 1)));
    }
    Verdict { word, reasons }
}

fn steps(reports: &[Report], step_s: f64, started_ms: u64) -> Result<Vec<Step>, MergeError> {
    let mut places: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    for report in reports {
        let factor = (step_s / report.step_s).round().max(1.0) as usize;
        let is_length = report.step_s.is_finite() && report.step_s > 0.0;
        if !is_length || (report.step_s * factor as f64 - step_s).abs() > 1e-6 {
            return Err(MergeError::Steps(report.step_s.to_string(), step_s.to_string()));
        }
        let shift = ((report.started_ms - started_ms) as f64 / 1e3 / step_s).round() as u64;
        for (index, chunk) in report.steps.chunks(factor).enumerate() {
            places.entry(shift + index as u64).or_default().push(Step::sum(chunk));
        }
    }
    let last = places.keys().last().copied().unwrap_or(0);
    Ok((0..=last)
        .map(|place| places.get(&place).map_or_else(Step::default, |steps| Step::sum(steps)))
        .collect())
}

fn statuses(reports: &[Report]) -> Vec<Status> {
    let mut all: BTreeMap<u16, Hist> = BTreeMap::new();
    for row in reports.iter().flat_map(|report| &report.statuses) {
        all.entry(row.status).or_default().add(&row.response.hist);
    }
    all.into_iter().map(|(status, hist)| Status { status, response: hist.into() }).collect()
}

fn failures(reports: &[Report]) -> Vec<Failure> {
    let mut all: Vec<Failure> = Vec::new();
    for row in reports.iter().flat_map(|report| &report.failures) {
        match all.iter_mut().find(|known| known.kind == row.kind) {
            Some(known) => known.count += row.count,
            None => all.push(row.clone()),
        }
    }
    all
}

/// Means are weighted by counts; a percentile of several cannot be had from theirs, so the worst is told.
fn backends(reports: &[Report]) -> Vec<Backend> {
    let mut all: Vec<Backend> = Vec::new();
    for row in reports.iter().flat_map(|report| &report.backends) {
        let Some(known) = all.iter_mut().find(|known| known.name == row.name) else {
            all.push(row.clone());
            continue;
        };
        let (old, new) = (known.count as f64, row.count as f64);
        let mean = |is: &mut f64, other: f64| *is = (*is * old + other * new) / (old + new).max(1.0);
        mean(&mut known.lag_ms, row.lag_ms);
        mean(&mut known.queue_ms, row.queue_ms);
        mean(&mut known.retries_ms, row.retries_ms);
        mean(&mut known.backend_ms, row.backend_ms);
        mean(&mut known.rest_ms, row.rest_ms);
        known.count += row.count;
        known.failed += row.failed;
        known.p99_ms = [known.p99_ms, row.p99_ms].into_iter().flatten().reduce(f64::max);
    }
    all
}

fn marks(reports: &[Report], started_ms: u64) -> Vec<Mark> {
    let mut all: Vec<Mark> = Vec::new();
    for report in reports {
        let shift = (report.started_ms - started_ms) as f64 / 1e3;
        for mark in &report.marks {
            let moved =
                Mark { at_s: mark.at_s + shift, until_s: mark.until_s.map(|at| at + shift), ..mark.clone() };
            let is_known =
                all.iter().any(|known| known.what == moved.what && (known.at_s - moved.at_s).abs() < 1.0);
            if !is_known {
                all.push(moved);
            }
        }
    }
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_merger_is_the_sum_of_its_parts_at_their_moments() {
        let one = sample::report(1, 1.0);
        let mut two = sample::report(2, 1.2);
        two.started_ms += 2_000;
        let all = merge(&[one.clone(), two.clone()]).unwrap();
        assert_eq!(all.sent, one.sent + two.sent);
        assert_eq!(all.response.count, one.response.count + two.response.count);
        assert_eq!(all.steps.len(), one.steps.len() + 2);
        assert_eq!(all.steps[2].sent, one.steps[2].sent + two.steps[0].sent);
        assert_eq!(all.steps[0].sent, one.steps[0].sent);
        assert_eq!(all.generators.len(), 2);
        let backwards = merge(&[two, one]).unwrap();
        assert_eq!(backwards.response, all.response);
        assert_eq!(backwards.steps, all.steps);
    }

    #[test]
    fn what_did_not_run_together_is_not_merged() {
        let one = sample::report(1, 1.0);
        let mut two = one.clone();
        two.started_ms += 3_600_000;
        assert!(merge(&[one.clone(), two]).unwrap_err().to_string().contains("same time"));
        assert_eq!(merge(&[]), Err(MergeError::Nothing));
        let newer = Report { schema_version: 9, ..one.clone() };
        assert_eq!(merge(&[one, newer]), Err(MergeError::Version(9)));
    }

    fn parts(number: u32, of: u32) -> Report {
        let mut report = sample::report(u64::from(number), 1.0);
        report.asked.part = Some(crate::plan::Part { number, of });
        report.asked.seed = 7;
        report
    }

    #[test]
    fn parts_of_one_plan_make_it_whole_and_others_are_refused() {
        let all = merge(&[parts(1, 2), parts(2, 2)]).unwrap();
        assert_eq!(all.asked.part, None);
        assert!(!all.verdict.reasons.iter().any(|reason| reason.contains("missing")));
        let some = merge(&[parts(1, 3), parts(3, 3)]).unwrap();
        assert!(some.verdict.reasons.contains(&"of 3 parts of the plan these are missing: 2".to_owned()));
        let told = |reports: &[Report]| merge(reports).unwrap_err().to_string();
        assert!(told(&[parts(1, 2), parts(1, 2)]).contains("same recording"));
        let mut again = parts(1, 2);
        again.sent += 1;
        assert!(told(&[parts(1, 2), again]).contains("part 1 of 2 is there twice"));
        assert!(told(&[parts(1, 2), parts(2, 3)]).contains("one of 2 parts and one of 3 parts"));
        assert!(told(&[parts(1, 2), sample::report(5, 1.0)]).contains("all of it"));
        let mut other = parts(2, 2);
        other.asked.profile = "900/12s".into();
        assert!(told(&[parts(1, 2), other]).contains("profile 500/12s and 900/12s"));
        assert_eq!(merge(&[parts(1, 2)]), Err(MergeError::Nothing));
    }

    #[test]
    fn objectives_are_judged_for_all_and_left_open_where_generators_differ() {
        let gate = |condition: &str, holds: Option<bool>| Gate {
            condition: condition.into(),
            holds,
            value: "9 ms".into(),
        };
        let (mut one, mut two) = (sample::report(1, 1.0), sample::report(2, 1.0));
        one.gates = vec![
            gate("p99<50ms", Some(true)),
            gate("p50<5ms", Some(true)),
            gate("rate>=900", Some(false)),
            gate("err<2%", Some(true)),
            gate("in-flight<10", Some(true)),
        ];
        two.gates = one.gates.clone();
        two.gates[1].holds = Some(false);
        let holds: Vec<Option<bool>> =
            merge(&[one, two]).unwrap().gates.iter().map(|gate| gate.holds).collect();
        assert_eq!(holds, [Some(true), None, Some(true), Some(true), None]);
    }

    #[test]
    fn long_runs_have_longer_steps_and_lose_nothing() {
        let mut one = sample::report(1, 1.0);
        let steps = one.steps.clone();
        one.steps = (0..4_000).map(|n| steps[n % steps.len()].clone()).collect();
        let sent: u64 = one.steps.iter().map(|step| step.sent).sum();
        one.bound_steps();
        assert!(one.steps.len() <= crate::report::MOST_STEPS);
        assert_eq!(one.steps.iter().map(|step| step.sent).sum::<u64>(), sent);
        assert!((one.step_s - 8.0).abs() < 1e-9, "{}", one.step_s);
    }
}

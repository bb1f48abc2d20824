//! Whether the figures of a load test can be trusted, by rules that are stated.
//!
//! No request counts, ports or descriptors ran out, or the generator stood still for over 1 % of its time: GENERATOR-BOUND,
//! whatever else was seen.
//!
//! Open loop:
//! 1. Over 1 % of the requests waited for one of the connections that are allowed, or over 1 % had no answer in time:
//!    TARGET-BOUND. What waits for a connection is sent late, and the target is the cause. What piled up while the
//!    generator itself stood still is not among it.
//! 2. Send lag p99 is over 10 % of response p99, and over [`LAG_FLOOR_MS`], and so late were at least [`LATE_FEWEST`]
//!    requests: GENERATOR-BOUND. Not where nothing was answered: then response times are those of failures.
//! 3. Fewer than 99 % of the offered requests came to an end: GENERATOR-BOUND when its cores were full, else TARGET-BOUND.
//!
//! Closed loop: GENERATOR-BOUND when the generator's own cores were full: the target might have answered more.
//!
//! Else VALID.

use crate::plan::Model;
use crate::record::{ErrorKind, Recording};
use crate::report::{Verdict, Word, time};

/// Send lag below this says nothing, in milliseconds: it is what a timer of the system costs.
pub const LAG_FLOOR_MS: f64 = 0.2;
/// Part of response p99 that send lag p99 may be.
const LAG_PART: f64 = 0.1;
/// Fewer late requests than this say nothing: of a hundred requests or ten, the p99 is a single one.
pub const LATE_FEWEST: u64 = 3;
/// Part of the requests that may wait, or go unanswered.
const FEW: f64 = 0.01;
/// Part of the generator's processor time from which on it counts as full.
const FULL: f64 = 0.95;

/// Judges what was seen.
pub fn judge(seen: &Recording) -> Verdict {
    let (word, reason) = match (nothing(seen), seen.plan.model) {
        (Some(reason), _) => (Word::GeneratorBound, reason),
        (None, Model::Open) => open(seen),
        (None, Model::Closed) => closed(seen),
    };
    Verdict { word, reasons: vec![reason] }
}

/// Why nothing can be said of the target.
fn nothing(seen: &Recording) -> Option<String> {
    if seen.total.offered == 0 {
        let why =
            if seen.plan.warmup_ms > 0 { "all of it was warm-up" } else { "it ended before the first one" };
        return Some(format!("no request counts: {why}"));
    }
    let wants = errors(seen, &[ErrorKind::OutOfPorts, ErrorKind::OutOfDescriptors]);
    if wants > 0 {
        let what = "for want of ports or descriptors on this machine; take fewer connections (-c) or raise its limits";
        return Some(format!("{wants} requests were not sent {what}"));
    }
    let generator = &seen.generator;
    (generator.still_s > generator.wall_s * FEW).then(|| {
        let still = generator.still_s;
        format!("the generator stood still for {still:.1} s: stopped, asleep, or without a processor")
    })
}

fn errors(seen: &Recording, kinds: &[ErrorKind]) -> u64 {
    kinds.iter().filter_map(|kind| seen.total.errors.get(kind)).sum()
}

/// What is worth knowing of answers that came to nothing.
fn failed(seen: &Recording) -> String {
    match seen.total.error_share() {
        Some(share) if share > FEW => format!("; {:.1} % of that failed", share * 100.0),
        _ => String::new(),
    }
}

fn open(seen: &Recording) -> (Word, String) {
    let total = &seen.total;
    let part = |count: u64| count as f64 / total.offered.max(1) as f64;
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let waited = part(total.waited);
    if waited > FEW {
        let cap = seen.plan.connections;
        let what = format!("waited because all {cap} connections were in use");
        let why = "the target is slower than the load, or -c is too low";
        return (Word::TargetBound, format!("{} of the requests {what}: {why}", percent(waited)));
    }
    let late = part(errors(seen, &[ErrorKind::Timeout, ErrorKind::Unfinished]));
    if late > FEW {
        return (Word::TargetBound, format!("{} of the requests had no answer in time", percent(late)));
    }
    let (lag, response) = (total.lag.percentile_ms(99.0), total.response.percentile_ms(99.0));
    if let (Some(lag), Some(response)) = (lag, response)
        && total.answered > 0
        && let most = LAG_FLOOR_MS.max(response * LAG_PART)
        && lag > most
        && total.lag.count_over(most) >= LATE_FEWEST
    {
        let (lag, response) = (time(Some(lag)), time(Some(response)));
        let what = format!("send lag p99 is {lag}, over a tenth of response p99 ({response})");
        return (Word::GeneratorBound, format!("{what}: this machine had no time to send when it was due"));
    }
    let achieved = part(total.ended());
    if achieved < 1.0 - FEW {
        let what = format!("{} of what was offered came to an end", percent(achieved));
        let (word, why) = if busy(seen) > FULL {
            (Word::GeneratorBound, "the generator's cores were full")
        } else {
            (Word::TargetBound, "the target did not keep up")
        };
        return (word, format!("{what}: {why}"));
    }
    let lag = lag.map_or_else(String::new, |lag| format!(", send lag p99 {}", time(Some(lag))));
    let failed = failed(seen);
    (Word::Valid, format!("{} of what was offered came to an end{lag}{failed}", percent(achieved.min(1.0))))
}

fn closed(seen: &Recording) -> (Word, String) {
    let busy = busy(seen);
    let cores = format!("{:.0} % of its {} cores", busy * 100.0, seen.generator.threads);
    if busy > FULL {
        let what = format!("the generator used {cores}");
        return (Word::GeneratorBound, format!("{what}: the target might have answered more"));
    }
    let failed = failed(seen);
    (Word::Valid, format!("the target set the pace; the generator used {cores}{failed}"))
}

/// Part of its processor time that the generator used.
pub fn busy(seen: &Recording) -> f64 {
    let there = seen.generator.wall_s * f64::from(seen.generator.threads.max(1));
    if there > 0.0 { seen.generator.cpu_s / there } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hist::Hist;
    use crate::plan::{Plan, Target};
    use crate::record::{Ended, Generator, RECORDING_VERSION, Seen};

    fn seen(model: Model) -> Recording {
        let hist = |us: u64| -> Hist { [(us, 10_000)].into_iter().collect() };
        let mut plan = Plan::to(Target::plain("127.0.0.1:80", "/"));
        plan.model = model;
        Recording {
            schema_version: RECORDING_VERSION,
            plan,
            started_ms: 0,
            took_ms: 10_000,
            ended: Ended::Done,
            seconds: Vec::new(),
            total: Seen {
                offered: 10_000,
                sent: 10_000,
                answered: 10_000,
                response: hist(5_000),
                service: hist(5_000),
                lag: hist(50),
                ..Seen::default()
            },
            by_status: std::collections::BTreeMap::new(),
            by_backend: std::collections::BTreeMap::new(),
            overhead: None,
            marks: Vec::new(),
            generator: Generator { threads: 1, cpu_s: 2.0, wall_s: 10.0, ..Generator::default() },
        }
    }

    fn word(change: impl FnOnce(&mut Recording)) -> Word {
        let mut seen = seen(Model::Open);
        change(&mut seen);
        judge(&seen).word
    }

    #[test]
    fn each_rule_has_its_word() {
        assert_eq!(word(|_| {}), Word::Valid);
        assert_eq!(word(|seen| seen.total.lag = [(900, 10_000)].into_iter().collect()), Word::GeneratorBound);
        let refused = |seen: &mut Recording| {
            (seen.total.answered, seen.total.errors) = (0, [(ErrorKind::Refused, 10_000)].into());
            seen.total.lag = [(900, 10_000)].into_iter().collect();
        };
        assert_eq!(word(refused), Word::Valid, "all of it failed, and that is the target's");
        // One request of ten.
        let single = |seen: &mut Recording| seen.total.lag = [(50, 9), (900, 1)].into_iter().collect();
        assert_eq!(word(single), Word::Valid);
        assert_eq!(word(|seen| seen.total.waited = 200), Word::TargetBound);
        assert_eq!(word(|seen| seen.total.errors = [(ErrorKind::Timeout, 200)].into()), Word::TargetBound);
        assert_eq!(
            word(|seen| seen.total.errors = [(ErrorKind::OutOfPorts, 1)].into()),
            Word::GeneratorBound
        );
        assert_eq!(word(|seen| seen.total.answered = 9_000), Word::TargetBound);
        let full = word(|seen| {
            seen.total.answered = 9_000;
            seen.generator.cpu_s = 9.9;
        });
        assert_eq!(full, Word::GeneratorBound);
        // Late because it had to wait for the target.
        let both = word(|seen| {
            seen.total.waited = 5_000;
            seen.total.lag = [(900_000, 10_000)].into_iter().collect();
        });
        assert_eq!(both, Word::TargetBound);
    }

    #[test]
    fn a_generator_that_stood_still_is_not_the_target() {
        // It was stopped for a while: what waited meanwhile waited for it.
        let mut stopped = seen(Model::Open);
        stopped.generator.still_s = 3.0;
        stopped.total.waited = 5_000;
        let verdict = judge(&stopped);
        assert_eq!(verdict.word, Word::GeneratorBound);
        assert!(verdict.reasons[0].contains("stood still for 3.0 s"), "{verdict:?}");
        let mut poor = seen(Model::Closed);
        poor.total.errors = [(ErrorKind::OutOfPorts, 1)].into();
        assert_eq!(judge(&poor).word, Word::GeneratorBound);
        stopped.plan.model = Model::Closed;
        assert_eq!(judge(&stopped).word, Word::GeneratorBound);
    }

    #[test]
    fn what_failed_or_does_not_count_is_in_the_reason() {
        let mut all = seen(Model::Open);
        all.total.answered = 0;
        all.total.failed = 10_000;
        all.total.errors = [(ErrorKind::Reset, 10_000)].into();
        assert!(judge(&all).reasons[0].ends_with("100.0 % of that failed"), "{:?}", judge(&all));
        all.total = Seen::default();
        all.plan.warmup_ms = 5_000;
        let verdict = judge(&all);
        assert_eq!(verdict.word, Word::GeneratorBound);
        assert_eq!(verdict.reasons, ["no request counts: all of it was warm-up"]);
    }

    #[test]
    fn in_a_closed_loop_only_a_full_generator_is_in_the_way() {
        let mut seen = seen(Model::Closed);
        assert_eq!(judge(&seen).word, Word::Valid);
        seen.generator.cpu_s = 9.8;
        assert_eq!(judge(&seen).word, Word::GeneratorBound);
    }
}

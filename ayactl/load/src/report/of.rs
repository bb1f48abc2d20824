//! From what the engine saw to the report of it.

use aya_api::condition::Condition;
use aya_api::event::Event;

use super::{
    Added, Asked, Backend, Failure, Gate, Generator, Hist, Latency, Mark, Report, SCHEMA_VERSION, Status,
    Step,
};
use crate::gate::{self, Standing};
use crate::hist::Hist as Counter;
use crate::plan::{Arrivals, Model, Protocol};
use crate::record::{Ended, OfBackend, Overhead, Recording};
use crate::verdict;

/// A status from which on an answer is a failure.
const FAILURE: u16 = 500;

impl Report {
    /// The report of what was seen.
    pub fn of(seen: &Recording) -> Self {
        let total = &seen.total;
        let is_open = seen.plan.model == Model::Open;
        let well = seen.by_status.iter().filter(|(status, _)| **status < FAILURE);
        let (responses, services): (Vec<Hist>, Vec<Hist>) =
            well.map(|(_, of)| (still(&of.response), still(&of.service))).unzip();
        let duration_s =
            seen.took_ms.min(seen.plan.length_ms).saturating_sub(seen.plan.warmup_ms) as f64 / 1e3;
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            verdict: verdict::judge(seen),
            asked: asked(seen),
            generators: vec![generator(seen)],
            started_ms: seen.started_ms,
            duration_s,
            ended_early: match &seen.ended {
                Ended::Done => None,
                Ended::Interrupted => Some("it was interrupted: what is here is whole, but less".to_owned()),
                Ended::Aborted(condition) => Some(format!("its condition \"{condition}\" held")),
                Ended::Cut(why) => Some(format!("what it was to send could not be read on: {why}")),
            },
            offered: is_open.then_some(total.offered),
            sent: total.sent,
            achieved: total.answered,
            failed: total.failed,
            response: Hist::sum(&responses).into(),
            service: Hist::sum(&services).into(),
            lag: is_open.then(|| still(&total.lag).into()),
            statuses: statuses(seen),
            failures: failures(seen),
            step_s: 1.0,
            steps: steps(seen, is_open),
            backends: seen.by_backend.iter().map(|(name, of)| backend(name, of)).collect(),
            marks: marks(&seen.marks, seen.started_ms),
            gates: gates(seen, duration_s),
            overhead: seen
                .overhead
                .as_ref()
                .map(|overhead| added(overhead, seen.plan.seed))
                .unwrap_or_default(),
            comparison: None,
            peak: None,
        };
        report.bound_steps();
        report
    }
}

/// Microseconds while counting are nanoseconds in a report.
fn still(counter: &Counter) -> Hist {
    Hist::of(counter.pairs().into_iter().map(|(us, count)| (us * 1_000, count)))
}

fn asked(seen: &Recording) -> Asked {
    let plan = &seen.plan;
    let arrivals = match plan.arrivals {
        Arrivals::Constant => "const".to_owned(),
        Arrivals::Poisson => "poisson".to_owned(),
        Arrivals::Burst(size) => format!("burst:{size}"),
    };
    let protocol = match (plan.protocol, plan.target.tls) {
        (Protocol::Http1, _) => "http/1.1",
        (Protocol::Http2, true) => "h2",
        (Protocol::Http2, false) => "h2c",
    };
    Asked {
        command: plan.command.clone(),
        url: plan.target.url.clone(),
        model: if plan.model == Model::Open { "open".into() } else { "closed".into() },
        profile: plan.profile.clone(),
        input: plan.input.clone(),
        arrivals,
        seed: plan.seed,
        protocol: protocol.to_owned(),
        connections: u64::from(plan.connections),
        warmup_s: plan.warmup_ms / 1000,
        part: plan.part,
    }
}

fn generator(seen: &Recording) -> Generator {
    let generator = &seen.generator;
    let sent = seen.total.sent;
    Generator {
        host: crate::clock::host(),
        cpu: crate::clock::processor(),
        threads: u64::from(generator.threads),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cpu_us_per_request: (sent > 0).then(|| generator.cpu_s * 1e6 / sent as f64),
        busy: Some(verdict::busy(seen)),
        in_flight_max: seen.seconds.iter().map(|second| second.in_flight).max().unwrap_or(0),
    }
}

fn statuses(seen: &Recording) -> Vec<Status> {
    let status = |(status, of): (&u16, &crate::record::OfStatus)| Status {
        status: *status,
        response: Latency::from(still(&of.response)),
    };
    seen.by_status.iter().map(status).collect()
}

fn failures(seen: &Recording) -> Vec<Failure> {
    let errors = seen.total.errors.iter();
    errors
        .map(|(kind, count)| Failure {
            kind: kind.as_str().to_owned(),
            count: *count,
            first: kind.in_words().to_owned(),
        })
        .collect()
}

fn steps(seen: &Recording, is_open: bool) -> Vec<Step> {
    let Some(first) = seen.seconds.first() else { return Vec::new() };
    let last = seen.seconds.last().map_or(first.at, |second| second.at);
    let mut steps: Vec<Step> =
        (first.at..=last).map(|_| Step { offered: is_open.then_some(0), ..Step::default() }).collect();
    for second in &seen.seconds {
        let of = &second.seen;
        let Some(step) = steps.get_mut((second.at - first.at) as usize) else { continue };
        *step = Step {
            offered: is_open.then_some(of.offered),
            sent: of.sent,
            achieved: of.answered,
            failed: of.failed,
            ended: of.ended(),
            response: still(&of.response).without(&still(&of.failures)).coarse(),
            lag_p99_ms: of.lag.percentile_ms(99.0).filter(|_| is_open),
        };
    }
    steps
}

fn backend(name: &str, of: &OfBackend) -> Backend {
    let mean = |counter: &Counter| counter.mean_ms().unwrap_or(0.0);
    let (lag, queue, retries, own) = (mean(&of.lag), mean(&of.queue), mean(&of.retries), mean(&of.backend));
    Backend {
        name: name.to_owned(),
        count: of.response.count(),
        failed: of.failed,
        lag_ms: lag,
        queue_ms: queue,
        retries_ms: retries,
        backend_ms: own,
        rest_ms: (mean(&of.response) - lag - queue - retries - own).max(0.0),
        p99_ms: of.response.percentile_ms(99.0),
    }
}

/// Events as marks; a fault or a drain that begins and ends is one that lasts.
fn marks(events: &[Event], started_ms: u64) -> Vec<Mark> {
    let at = |event: &Event| (event.at_ms as f64 - started_ms as f64) / 1e3;
    let mut marks: Vec<Mark> = Vec::new();
    for event in events {
        let words = match (&event.from, &event.to) {
            (Some(from), Some(to)) => format!("{} {from} → {to}", event.subject),
            (None, Some(to)) => format!("{} {to}", event.subject),
            _ => format!("{} {}", event.subject, event.cause),
        };
        let ends = event.kind == "fault" && event.to.as_deref().is_some_and(|to| to.starts_with("ended"));
        let begun = marks.iter_mut().rev().find(|mark| {
            ends && mark.kind == "fault" && mark.until_s.is_none() && mark.what.starts_with(&event.subject)
        });
        match begun {
            Some(begun) => begun.until_s = Some(at(event)),
            None => {
                marks.push(Mark { at_s: at(event), until_s: None, kind: event.kind.clone(), what: words });
            }
        }
    }
    marks
}

fn gates(seen: &Recording, seconds: f64) -> Vec<Gate> {
    // They were read before the test began.
    let conditions: Vec<Condition> = seen.plan.slo.iter().filter_map(|text| gate::parse(text).ok()).collect();
    let in_flight = seen.seconds.iter().map(|second| second.in_flight).max().unwrap_or(0);
    let standings = gate::standings(&conditions, &seen.total, seconds, in_flight);
    standings.into_iter().map(told).collect()
}

fn told(standing: Standing) -> Gate {
    Gate { value: standing.shown, condition: standing.condition, holds: standing.holds }
}

/// What the proxy adds, with an interval by drawing seconds anew.
fn added(overhead: &Overhead, seed: u64) -> Vec<Added> {
    let (through, direct): (Vec<Hist>, Vec<Hist>) = overhead
        .proxied
        .iter()
        .zip(&overhead.direct)
        .map(|(through, direct)| (still(through), still(direct)))
        .filter(|(through, direct)| !through.is_empty() && !direct.is_empty())
        .unzip();
    super::added::added(&through, &direct, seed)
}

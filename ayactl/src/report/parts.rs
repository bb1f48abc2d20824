//! Sections that reports of experiments and of game days share.

use aya_api::change::Operation;
use aya_api::event::Event;
use aya_load::html::Tone;
use aya_load::html::plot::{Mark, Scale, Series, Span, TimePlot};

use super::{Block, Cell, Section, Table, judged, plain};
use crate::experiment::record::{PoolSample, Record, Recovery, Sample};
use crate::experiment::verdict::Word;
use crate::time;

/// Kinds of events that are decisions of the daemon.
const DECISIONS: [&str; 6] = ["breaker", "health", "outlier", "algorithm", "panic", "weight"];
/// Most rows of a table of events.
const MOST: usize = 200;
/// Most marks of a plot: more cannot be told apart.
const MARKS: usize = 40;

/// The colour of a verdict.
pub(super) fn tone(word: Word) -> Tone {
    match word {
        Word::Held => Tone::Good,
        Word::Failed | Word::Lost => Tone::Bad,
        Word::NoProof | Word::NotStarted | Word::Stopped | Word::Interrupted | Word::Deadline => Tone::Warn,
    }
}

/// Seconds between two moments, for people.
pub(super) fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

/// How long something took, for people.
fn soon(ms: u64) -> String {
    if ms < 100 { "at once".to_owned() } else { seconds(ms) }
}

/// Seconds since the start, for people: `+12.3 s`.
pub(super) fn since(start_ms: u64, at_ms: u64) -> String {
    format!("+{}", seconds(at_ms.saturating_sub(start_ms)))
}

/// The conditions of a hypothesis.
pub(super) fn hypothesis(record: &Record) -> Vec<Block> {
    let held = |held: Option<bool>, text: &str| judged(text, held);
    let probes = record.probes.iter().map(|probe| {
        let after = probe.after.clone().unwrap_or_else(|| "not looked at".to_owned());
        let back = match (probe.held_after, probe.recovered_ms) {
            (Some(true), Some(ms)) if ms < 500 => plain("at once"),
            (Some(true), Some(ms)) => plain(format!("after {}", seconds(ms))),
            (Some(true), None) => plain("yes"),
            (Some(false), _) => judged("no", Some(false)),
            (None, _) => plain(""),
        };
        vec![
            plain(&probe.condition),
            held(probe.held_before, &probe.before),
            held(probe.held_after, &after),
            back,
        ]
    });
    let during = record.during.iter().map(|gate| {
        let (text, good) = match (&gate.at_ms, gate.had_data) {
            (Some(at), _) => {
                let value = gate.value.as_deref().unwrap_or_default();
                (format!("no: {value} at {}", since(record.started_ms, *at)), Some(false))
            }
            (None, true) => ("yes, all the time".to_owned(), Some(true)),
            (None, false) => ("not known: there was nothing to judge by".to_owned(), None),
        };
        vec![plain(&gate.condition), judged(text, good)]
    });
    vec![
        Block::Table(Table {
            caption: "Must hold before and after".into(),
            head: vec!["condition", "before", "after", "held again"],
            rows: probes.collect(),
        }),
        Block::Table(Table {
            caption: "Must hold all the time in between".into(),
            head: vec!["condition", "held"],
            rows: during.collect(),
        }),
    ]
}

/// What had to come about.
pub(super) fn expected(record: &Record) -> Table {
    let rows = record.expects.iter().map(|expect| {
        let (text, good) = match (expect.took_ms, expect.decided) {
            (Some(ms), _) if ms < 100 => ("at once".to_owned(), Some(true)),
            (Some(ms), _) => (format!("after {}", seconds(ms)), Some(true)),
            (None, true) => (format!("not in time: it was {}", expect.value), Some(false)),
            (None, false) => ("the run ended before".to_owned(), None),
        };
        let within = format!("{} after {}", seconds(expect.within_ms), expect.after);
        vec![plain(&expect.what), plain(within), judged(text, good)]
    });
    Table {
        caption: "Had to come about".into(),
        head: vec!["condition", "within", "came"],
        rows: rows.collect(),
    }
}

/// What was done.
pub(super) fn steps(record: &Record, start_ms: u64) -> Table {
    let rows = record.steps.iter().map(|step| {
        let at = |moment: Option<u64>| moment.map(|at| since(start_ms, at)).unwrap_or_default();
        let outcome = step.outcome.clone().unwrap_or_else(|| "its turn did not come".to_owned());
        let good = (!step.ok).then_some(false);
        let told = if good.is_some() { judged(outcome, good) } else { plain(outcome) };
        vec![plain(&step.what), plain(at(step.started_ms)), plain(at(step.ended_ms)), told]
    });
    Table {
        caption: "Steps".into(),
        head: vec!["step", "from", "to", "what came of it"],
        rows: rows.collect(),
    }
}

/// How long metrics took to be back to normal.
pub(super) fn recoveries(list: &[Recovery]) -> Table {
    let rows = list.iter().map(|recovery| {
        let value = |value: f64| match recovery.metric.as_str() {
            "p99" => format!("{value:.0} ms"),
            "err" => format!("{:.2} %", value * 100.0),
            _ => format!("{value:.0}"),
        };
        let took = match recovery.took_ms {
            None => judged("not yet when the run ended", Some(false)),
            Some(0) => plain("at once, or it never left"),
            Some(ms) => plain(soon(ms)),
        };
        let last = recovery.last_ms.map_or_else(|| "not known".to_owned(), soon);
        let name = match recovery.metric.as_str() {
            "err" => "failed requests",
            "eligible" => "backends that may serve",
            other => other,
        };
        vec![
            plain(format!("{}: {name}", recovery.pool)),
            plain(value(recovery.before)),
            plain(value(recovery.worst)),
            plain(value(recovery.normal)),
            took,
            plain(last),
        ]
    });
    Table {
        caption: "Time until each metric was back to normal, counted from when everything had been put back"
            .into(),
        head: vec!["metric", "before", "worst", "normal up to", "back after", "last run"],
        rows: rows.collect(),
    }
}

/// What the daemon decided, and why.
pub(super) fn decisions(events: &[Event], start_ms: u64) -> Vec<Block> {
    let of_daemon = events.iter().filter(|e| DECISIONS.contains(&e.kind.as_str()) && e.by.is_none());
    let all: Vec<&Event> = of_daemon.collect();
    if all.is_empty() {
        return vec![Block::Text(
            "AYA changed nothing by itself: no breaker, no health, no outlier, no algorithm.".into(),
        )];
    }
    let rows = all.iter().take(MOST).map(|event| event_row(event, start_ms, &event.cause));
    let table = Table {
        caption: "Decisions of AYA, each with its cause".into(),
        head: vec!["when", "what", "about", "from → to", "why"],
        rows: rows.collect(),
    };
    let mut blocks = vec![Block::Table(table)];
    if all.len() > MOST {
        blocks.push(Block::Text(format!("{} more are in the JSON.", all.len() - MOST)));
    }
    blocks
}

fn event_row(event: &Event, start_ms: u64, why: &str) -> Vec<Cell> {
    let change = match (&event.from, &event.to) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => to.clone(),
        _ => String::new(),
    };
    let kind = plain(&event.kind);
    vec![plain(since(start_ms, event.at_ms)), kind, plain(&event.subject), plain(change), plain(why)]
}

/// Who ordered, injected and noted what.
pub(super) fn people(events: &[Event], operations: &[Operation], start_ms: u64) -> Table {
    let mut rows: Vec<(u64, Vec<Cell>)> = Vec::new();
    for operation in operations {
        let what =
            format!("{}: {} {} → {}", operation.subject, operation.field, operation.before, operation.after);
        let why = operation.reason.clone().unwrap_or_default();
        let row =
            vec![plain(since(start_ms, operation.at_ms)), plain(&operation.by), plain(what), plain(why)];
        rows.push((operation.at_ms, row));
    }
    for event in events.iter().filter(|event| matches!(event.kind.as_str(), "fault" | "note")) {
        let by = event.by.clone().unwrap_or_else(|| "ayad".to_owned());
        let what = match event.kind.as_str() {
            "note" => format!("note: {}", event.cause),
            _ => event_row(event, start_ms, "")[1..4]
                .iter()
                .map(|(text, _)| text.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        };
        let why = if event.kind == "note" { String::new() } else { event.cause.clone() };
        rows.push((
            event.at_ms,
            vec![plain(since(start_ms, event.at_ms)), plain(by), plain(what), plain(why)],
        ));
    }
    rows.sort_by_key(|(at, _)| *at);
    let rows = rows.into_iter().take(MOST).map(|(_, row)| row).collect();
    Table { caption: "Orders, faults and notes".into(), head: vec!["when", "who", "what", "why"], rows }
}

/// Faults, as times of a plot.
fn faults(records: &[&Record], at: impl Fn(u64) -> f64, end: f64) -> Vec<Span> {
    let steps = records.iter().flat_map(|record| &record.steps).filter(|step| step.kind == "fault");
    let spans = steps.filter_map(|step| {
        let to = step.ended_ms.map_or(end, &at);
        Some(Span { from: at(step.started_ms?), to, label: step.what.clone() })
    });
    spans.collect()
}

/// Decisions about `pools` and what people noted, as moments of a plot.
fn happenings(events: &[Event], pools: &[String], at: impl Fn(u64) -> f64) -> Vec<Mark> {
    let is_about = |event: &Event| pools.iter().any(|pool| event.subject.split('/').next() == Some(pool));
    let told = events.iter().filter(|event| {
        // Faults are drawn as times already.
        let is_noted = event.kind == "note" && !event.cause.starts_with("fault: ");
        is_noted || DECISIONS.contains(&event.kind.as_str()) && is_about(event)
    });
    let marks = told.take(MARKS).map(|event| {
        let to = event.to.as_deref().unwrap_or(&event.cause);
        let is_note = event.kind == "note";
        let label =
            if is_note { event.cause.clone() } else { format!("{} {} {to}", event.subject, event.kind) };
        Mark { at: at(event.at_ms), label }
    });
    marks.collect()
}

/// Plots over time of the pools, with faults as spans, and decisions and notes as marks.
pub(super) fn plots(
    samples: &[Sample],
    pools: &[String],
    records: &[&Record],
    events: &[Event],
    start_ms: u64,
) -> Vec<Block> {
    if samples.len() < 2 {
        return vec![Block::Text("The run was too short for a plot.".into())];
    }
    let at = |ms: u64| ms.saturating_sub(start_ms) as f64 / 1e3;
    let times: Vec<f64> = samples.iter().map(|sample| at(sample.at_ms)).collect();
    let end = times.last().copied().unwrap_or_default();
    let (spans, marks) = (faults(records, at, end), happenings(events, pools, at));
    let of = |name: String, value: &dyn Fn(&Sample) -> Option<f64>| Series {
        name,
        values: samples.iter().map(value).collect(),
    };
    let by_pool = |value: fn(&PoolSample) -> Option<f64>| -> Vec<Series> {
        let each = pools.iter();
        each.map(|pool| of(pool.clone(), &|sample: &Sample| value(sample.pools.get(pool)?))).collect()
    };
    let mut rates = Vec::new();
    if samples.iter().any(|sample| sample.offered.is_some()) {
        rates.push(of("offered by the load".into(), &|sample| sample.offered));
        rates.push(of("answered to the load".into(), &|sample| sample.achieved));
    }
    rates.extend(by_pool(|pool| Some(pool.rate)));
    let plot = |title: &str, unit: &str, series: Vec<Series>| {
        Block::Plot(TimePlot {
            title: title.to_owned(),
            unit: unit.to_owned(),
            scale: Scale::Linear,
            times: times.clone(),
            series,
            marks: marks.clone(),
            spans: spans.clone(),
        })
    };
    vec![
        plot("Requests a second, by pool", "/s", rates),
        plot("Latency that 99 of 100 requests stay below (p99), by pool", "ms", by_pool(|pool| pool.p99_ms)),
        plot(
            "Failed requests, in percent of all, by pool",
            "%",
            by_pool(|pool| pool.err.map(|err| err * 100.0)),
        ),
        plot("Backends that may serve, by pool", "backends", by_pool(|pool| Some(f64::from(pool.eligible)))),
    ]
}

/// What is left to do: what failed, what was skipped, what could not be judged.
pub(super) fn follow_ups(records: &[&Record]) -> Vec<String> {
    let mut list = Vec::new();
    for record in records {
        let name = &record.experiment;
        list.extend(record.verdict.reasons.iter().map(|reason| format!("{name}: {reason}")));
        for step in &record.steps {
            let skipped = step.observed.iter().flat_map(|observed| &observed.skipped);
            list.extend(skipped.map(|s| {
                format!("{name}: {} hits of \"{}\" were skipped by {}", s.count, step.what, s.cause)
            }));
            if step.observed.as_ref().is_some_and(|observed| observed.matched == 0) {
                list.push(format!("{name}: \"{}\" met no request at all: it showed nothing", step.what));
            }
        }
        let blind = record.stop.iter().filter(|gate| !gate.had_data && record.reverted_ms.is_some());
        list.extend(blind.map(|gate| {
            format!(
                "{name}: the stop condition {} never had anything to judge by: it protected nobody",
                gate.condition
            )
        }));
        let slower = record.recoveries.iter().filter_map(|recovery| {
            let (now, last) = (recovery.took_ms?, recovery.last_ms?);
            (now > last + 2000).then(|| {
                format!(
                    "{name}: {} {} was back after {}; in the run before: {}",
                    recovery.pool,
                    recovery.metric,
                    soon(now),
                    soon(last)
                )
            })
        });
        list.extend(slower);
    }
    list
}

/// Follow-ups, with room for people's own.
pub(super) fn follow_up_section(records: &[&Record]) -> Section {
    let list = follow_ups(records);
    let mut blocks = if list.is_empty() {
        vec![Block::Text("Nothing failed and nothing was skipped.".into())]
    } else {
        vec![Block::List(list)]
    };
    blocks.push(Block::Text(
        "What people want to do about it (to be filled in): who, what, until when.".into(),
    ));
    Section::new("Follow-ups", blocks)
}

/// Words that are used.
pub(super) fn words() -> Section {
    let terms = vec![
        ("pool", "Backends that serve the same thing. Requests are shared out among them."),
        ("backend", "One server of a pool, written pool/backend."),
        (
            "p99",
            "Of 100 requests, 99 were answered in less than this time. It is taken over 2 seconds; of a load, over one.",
        ),
        ("fault", "A failure that was injected on purpose. It always has an end."),
        (
            "breaker",
            "Holds requests back from a backend that keeps failing (open), and tries it again later (half-open).",
        ),
        ("health", "What checks say of a backend: up or down."),
        (
            "outlier",
            "A backend that does worse than the others of its pool. It gets less, then nothing for a while.",
        ),
        (
            "response time",
            "Of a load: from the moment at which a request was planned to the last byte of its answer.",
        ),
        ("service time", "Of a load: from the actual send of a request to the last byte of its answer."),
        ("send lag", "Of a load: how long after its planned moment a request was sent."),
        (
            "generator-bound",
            "A load that this machine could not send as planned: its figures say little about the proxy, and prove nothing.",
        ),
        ("hypothesis", "What was said to hold before, during and after the faults."),
        ("put back", "Every fault was ended, and every order undone."),
    ];
    Section::new("Words", vec![Block::Terms(terms)])
}

/// When something began and how long it took.
pub(super) fn when(start_ms: u64, end_ms: u64) -> String {
    format!(
        "It began at {} and took {}. Times with a plus sign count from there.",
        time::stamp(start_ms),
        seconds(end_ms.saturating_sub(start_ms))
    )
}

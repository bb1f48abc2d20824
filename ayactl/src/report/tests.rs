//! Reports of a run that was made up.

use aya_api::event::{Event, Severity};
use aya_api::fault::{Observed, Skipped};

use super::{of_experiment, of_gameday};
use crate::experiment::record::{
    ExpectRecord, GateRecord, PoolSample, ProbeRecord, Record, Recovery, Sample, StepRecord,
};
use crate::experiment::verdict::{Verdict, Word};
use crate::gameday::record::{Record as GameDay, Run};

const START: u64 = 1_795_392_864_000;

fn event(
    seq: u64,
    after_ms: u64,
    kind: &str,
    subject: &str,
    change: Option<(&str, &str)>,
    cause: &str,
) -> Event {
    Event {
        seq,
        at_ms: START + after_ms,
        severity: Severity::Info,
        kind: kind.into(),
        subject: subject.into(),
        from: change.map(|(from, _)| from.into()),
        to: change.map(|(_, to)| to.into()),
        cause: cause.into(),
        by: (kind == "note").then(|| "kim".into()),
        op: None,
    }
}

fn sample(number: u64) -> Sample {
    let p99_ms = Some(if (6..14).contains(&number) { 400.0 } else { 20.0 });
    let pool = PoolSample { rate: 100.0, err: Some(0.0), p50_ms: Some(5.0), p99_ms, eligible: 4 };
    Sample {
        at_ms: START + number * 500,
        pools: [("shop".to_owned(), pool)].into(),
        offered: None,
        achieved: None,
    }
}

fn steps() -> Vec<StepRecord> {
    let observed = Observed {
        matched: 200,
        hit: 100,
        share: Some(0.5),
        low: Some(0.41),
        high: Some(0.59),
        held: 0,
        skipped: vec![Skipped { cause: "max-traffic".into(), count: 12 }],
    };
    vec![StepRecord {
        name: "fault 1".into(),
        what: "fault latency shop/web-1 --mean 300ms --for 4s".into(),
        kind: "fault".into(),
        started_ms: Some(START + 3000),
        ended_ms: Some(START + 7000),
        outcome: Some("hit 100 of 200 attempts: 50.0 %, asked for 50.0 %".into()),
        ok: true,
        observed: Some(observed),
        share: Some(0.5),
        load: None,
    }]
}

fn events() -> Vec<Event> {
    let change = Some(("in", "suspected"));
    vec![
        event(1, 3400, "outlier", "shop/web-1", change, "median 305 ms, others 5 ms"),
        event(2, 5000, "note", "slow-20261123T001424", None, "the pager stayed silent"),
    ]
}

fn recovery(metric: &str, [before, worst, normal]: [f64; 3], took_ms: Option<u64>) -> Recovery {
    let (pool, metric) = ("shop".into(), metric.into());
    Recovery { pool, metric, before, worst, normal, took_ms, last_ms: Some(500) }
}

fn record() -> Record {
    let late = "expected shop/web-1: breaker = open within 2 s after fault 1: it was closed";
    Record {
        schema_version: crate::experiment::record::SCHEMA_VERSION,
        id: "slow-20261123T001424".into(),
        experiment: "slow".into(),
        title: "A <slow> backend | one".into(),
        promise: Some("Nobody waits".into()),
        file: "slow.toml".into(),
        vars: [("pool".to_owned(), "shop".to_owned())].into(),
        by: Some("kim".into()),
        started_ms: START,
        ended_ms: START + 12_000,
        reverted_ms: Some(START + 7000),
        verdict: Verdict {
            word: Word::Failed,
            text: "the hypothesis did not hold".into(),
            reasons: vec![late.into()],
        },
        probes: vec![ProbeRecord {
            condition: "shop: p99 < 300ms".into(),
            before: "20 ms".into(),
            held_before: Some(true),
            after: Some("21 ms".into()),
            held_after: Some(true),
            recovered_ms: Some(2200),
        }],
        during: vec![GateRecord {
            condition: "shop: err < 1%".into(),
            at_ms: None,
            value: None,
            had_data: true,
        }],
        stop: vec![GateRecord {
            condition: "img: err > 20%".into(),
            at_ms: None,
            value: None,
            had_data: false,
        }],
        expects: vec![ExpectRecord {
            what: "shop/web-1: breaker = open".into(),
            within_ms: 2000,
            after: "fault 1".into(),
            took_ms: None,
            value: "closed".into(),
            decided: true,
        }],
        steps: steps(),
        recoveries: vec![
            recovery("p99", [20.0, 400.0, 30.0], Some(3500)),
            recovery("err", [0.0, 0.0, 0.005], Some(0)),
            recovery("eligible", [4.0, 4.0, 4.0], None),
        ],
        samples: (0..24).map(sample).collect(),
        events: events(),
        operations: Vec::new(),
        compared_with: Some("slow-20261122T001424".into()),
    }
}

#[test]
fn a_run_reads_like_this() {
    insta::assert_snapshot!(of_experiment(&record()).markdown());
}

#[test]
fn a_game_day_reads_like_this_and_its_page_draws_faults_and_notes() {
    let record = record();
    let day = GameDay {
        schema_version: crate::experiment::record::SCHEMA_VERSION,
        id: "first-20261123T001424".into(),
        name: "first".into(),
        title: "The first game day".into(),
        promise: None,
        file: "first.toml".into(),
        by: Some("kim".into()),
        load: Some("60 requests a second, for at most 3m".into()),
        load_result: None,
        started_ms: START,
        ended_ms: START + 12_000,
        verdict: Verdict {
            word: Word::Failed,
            text: "1 of 1 hypotheses did not hold".into(),
            reasons: Vec::new(),
        },
        samples: record.samples.clone(),
        events: record.events.clone(),
        operations: Vec::new(),
        runs: vec![Run { late_ms: 2500, record }],
    };
    let document = of_gameday(&day);
    insta::assert_snapshot!(document.markdown());
    let page = document.html("day.json", "{}");
    assert!(
        page.contains("fault latency shop/web-1 --mean 300ms") && page.contains("the pager stayed silent")
    );
    assert!(!page.contains("<slow>"), "titles are escaped");
}

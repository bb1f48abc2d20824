//! The report of a game day.

use super::experiment::pools;
use super::parts;
use super::{Block, Document, Section, Table, plain};
use crate::experiment::record::Record;
use crate::gameday::record::Record as GameDay;

/// What a game day says, as a document.
pub fn of(day: &GameDay) -> Document {
    let start = day.started_ms;
    let records: Vec<&Record> = day.runs.iter().map(|run| &run.record).collect();
    let mut about = Vec::new();
    if let Some(promise) = &day.promise {
        about.push(Block::Text(format!("The promise: {promise}.")));
    }
    about.push(Block::Text(parts::when(start, day.ended_ms)));
    if let Some(load) = &day.load {
        let told = day.load_result.as_ref().map(|result| format!(" It was {}.", result.told()));
        about.push(Block::Text(format!("A load ran all the time: {load}.{}", told.unwrap_or_default())));
    }
    let by = day.by.as_deref().unwrap_or("somebody unknown to the daemon");
    about.push(Block::Text(format!("{by} ran {}; the run is called {}.", day.file, day.id)));
    let rows = day.runs.iter().map(|run| {
        let verdict = &run.record.verdict;
        let late = if run.late_ms > 1000 {
            format!(" ({} late)", parts::seconds(run.late_ms))
        } else {
            String::new()
        };
        vec![
            plain(format!("{}{late}", parts::since(start, run.record.started_ms))),
            plain(&run.record.title),
            (verdict.word.shown().to_owned(), parts::tone(verdict.word)),
            plain(verdict.reasons.first().cloned().unwrap_or_else(|| verdict.text.clone())),
        ]
    });
    let overview = Table {
        caption: "Experiments".into(),
        head: vec!["when", "experiment", "verdict", "why"],
        rows: rows.collect(),
    };
    let mut all_pools: Vec<String> = records.iter().flat_map(|record| pools(record)).collect();
    all_pools.sort();
    all_pools.dedup();
    let mut sections = vec![
        Section::new("What was tried", about),
        Section::new("Verdicts", vec![Block::Table(overview)]),
        Section::new("Time line", parts::plots(&day.samples, &all_pools, &records, &day.events, start)),
    ];
    for record in &records {
        sections.push(Section::new(&record.title, details(record, start)));
    }
    sections.extend([
        Section::new("What AYA decided, and why", parts::decisions(&day.events, start)),
        Section::new("Who did what", vec![Block::Table(parts::people(&day.events, &day.operations, start))]),
        parts::follow_up_section(&records),
        parts::words(),
    ]);
    Document {
        title: day.title.clone(),
        tone: parts::tone(day.verdict.word),
        verdict: format!("{} {}: {}", day.verdict.word.shown(), day.title, day.verdict.text),
        reasons: day.verdict.reasons.clone(),
        sections,
    }
}

/// One experiment of the day.
fn details(record: &Record, start: u64) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(promise) = &record.promise {
        blocks.push(Block::Text(format!("The promise: {promise}.")));
    }
    let verdict = &record.verdict;
    blocks.push(Block::Text(format!("{}: {}.", verdict.word.shown(), verdict.text)));
    blocks.extend(parts::hypothesis(record));
    blocks.push(Block::Table(parts::expected(record)));
    blocks.push(Block::Table(parts::steps(record, start)));
    blocks.push(Block::Table(parts::recoveries(&record.recoveries)));
    blocks
}

//! The report of one run of an experiment.

use super::parts;
use super::{Block, Document, Section};
use crate::experiment::record::Record;

/// What a run says, as a document.
pub fn of(record: &Record) -> Document {
    let start = record.started_ms;
    let mut about = Vec::new();
    if let Some(promise) = &record.promise {
        about.push(Block::Text(format!("The promise: {promise}.")));
    }
    about.push(Block::Text(parts::when(start, record.ended_ms)));
    let by = record.by.as_deref().unwrap_or("somebody unknown to the daemon");
    about.push(Block::Text(format!("{by} ran {}; the run is called {}.", record.file, record.id)));
    let back = vec![
        Block::Table(parts::recoveries(&record.recoveries)),
        Block::Text(match &record.compared_with {
            Some(id) => format!("The last run is {id}."),
            None => "There was no earlier run to compare with.".to_owned(),
        }),
    ];
    let pools: Vec<String> = pools(record);
    let sections = vec![
        Section::new("What was tried", about),
        Section::new("Hypothesis", parts::hypothesis(record)),
        Section::new("Expectations", vec![Block::Table(parts::expected(record))]),
        Section::new("Steps", vec![Block::Table(parts::steps(record, start))]),
        Section::new("Time line", parts::plots(&record.samples, &pools, &[record], &record.events, start)),
        Section::new("Back to normal", back),
        Section::new("What AYA decided, and why", parts::decisions(&record.events, start)),
        Section::new(
            "Who did what",
            vec![Block::Table(parts::people(&record.events, &record.operations, start))],
        ),
        parts::follow_up_section(&[record]),
        parts::words(),
    ];
    Document {
        title: record.title.clone(),
        tone: parts::tone(record.verdict.word),
        verdict: format!("{} {}: {}", record.verdict.word.shown(), record.title, record.verdict.text),
        reasons: record.verdict.reasons.clone(),
        sections,
    }
}

/// Pools that the experiment was about.
pub(super) fn pools(record: &Record) -> Vec<String> {
    let mut pools: Vec<String> = record.recoveries.iter().map(|recovery| recovery.pool.clone()).collect();
    pools.dedup();
    pools
}

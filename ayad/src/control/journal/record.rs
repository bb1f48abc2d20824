//! One record of the journal, and which of many are still of use.

use std::collections::HashSet;

use aya_api::axis::StickyDrain;
use aya_api::change::Operation;
use serde::{Deserialize, Serialize};

use super::OPERATIONS_KEPT;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The operation, as the API shows it.
    #[serde(flatten)]
    pub operation: Operation,
    /// For drains: what happens to bound clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyDrain>,
    /// For leases: the value they go back to, which is the one before the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// For leases that go back to a drain: what happens to bound clients then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_sticky: Option<StickyDrain>,
    /// It put back what the configuration says, so that the configuration decides from then on.
    #[serde(default)]
    pub clears: bool,
}

/// Positions of the newest record for each subject and field, oldest first.
pub(super) fn newest_of_each(records: &[Record]) -> Vec<usize> {
    let mut seen = HashSet::new();
    let mut newest: Vec<usize> = (0..records.len())
        .rev()
        .filter(|i| {
            let operation = &records[*i].operation;
            seen.insert((operation.subject.as_str(), operation.field.as_str()))
        })
        .collect();
    newest.reverse();
    newest
}

/// Leaves out old records; says whether there were any.
pub(super) fn compact(records: &mut Vec<Record>) -> bool {
    if records.len() <= OPERATIONS_KEPT {
        return false;
    }
    let before = records.len();
    let mut keep = newest_of_each(records);
    // What was put back says nothing any more, and there may be as many of these as there ever were backends.
    keep.retain(|i| !records[*i].clears);
    keep.extend(before - OPERATIONS_KEPT..before);
    keep.sort_unstable();
    keep.dedup();
    *records = keep.into_iter().map(|i| records[i].clone()).collect();
    records.len() < before
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An order of a weight, by itself in time.
    pub(crate) fn record(op: &str, subject: &str, after: &str) -> Record {
        Record {
            operation: Operation {
                op: op.into(),
                at_ms: 1,
                by: "ann".into(),
                reason: None,
                subject: subject.into(),
                field: "weight".into(),
                before: "1".into(),
                after: after.into(),
                until_ms: None,
            },
            sticky: None,
            back: None,
            back_sticky: None,
            clears: false,
        }
    }

    #[test]
    fn compaction_keeps_what_is_in_force() {
        let mut records = vec![record("1", "old", "7")];
        records.extend((2..2 + OPERATIONS_KEPT as u64 * 2).map(|i| record(&i.to_string(), "a/x", "1")));
        compact(&mut records);
        assert_eq!(records.len(), OPERATIONS_KEPT + 1);
        assert_eq!(records[0].operation.subject, "old");
    }
}

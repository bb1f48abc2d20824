//! The journal: what people ordered at run time, so that it survives a restart.
//!
//! One JSON object a line, appended and synced before the order takes effect. A line that was cut off by a
//! crash is put aside and told about; everything before it counts. At start the file is rewritten with the
//! orders still in force and the newest others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aya_api::axis::StickyDrain;
use aya_api::change::Operation;
use serde::{Deserialize, Serialize};

/// Operations kept for `/v1/operations`, and in the file at the next start.
pub(super) const OPERATIONS_KEPT: usize = 1000;
/// Largest journal that is read, in bytes; it is rewritten at every start and grows by a line for an order.
const MAX_SIZE: u64 = 64 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The operation, as the API shows it.
    #[serde(flatten)]
    pub operation: Operation,
    /// For drains: what happens to bound clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyDrain>,
    /// It put back what the configuration says, so that the configuration decides from then on.
    #[serde(default)]
    pub clears: bool,
}

/// What reading a journal found out, besides its records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines that could not be read.
    pub lines: usize,
    /// Where the damaged file was copied to.
    pub kept_as: Option<PathBuf>,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Held for as long as the journal is open: two daemons must not write the same one.
    _lock: File,
    /// Newest last.
    records: Vec<Record>,
    next: u64,
}

impl Journal {
    /// Opens or makes the journal in `state_dir`.
    pub fn open(state_dir: &Path) -> io::Result<(Self, Damage)> {
        fs::create_dir_all(state_dir)?;
        let lock = File::create(state_dir.join("lock"))?;
        lock.try_lock()?;
        let path = state_dir.join("journal.jsonl");
        let (mut records, mut damage) = read(&path)?;
        if damage.lines > 0 {
            let aside = state_dir.join("journal.damaged.jsonl");
            fs::copy(&path, &aside)?;
            damage.kept_as = Some(aside);
        }
        let next = records.iter().filter_map(|r| number(&r.operation.op)).max().unwrap_or(0) + 1;
        compact(&mut records);
        let file = rewrite(&path, &records)?;
        Ok((Self { path, file, _lock: lock, records, next }, damage))
    }

    /// Name for the next operation.
    pub fn next_op(&self) -> String {
        self.next.to_string()
    }

    /// Writes a record down. When that fails nothing was ordered.
    pub fn append(&mut self, record: Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Half a line would spoil the next one.
            self.file.set_len(before)?;
            return Err(error);
        }
        self.next += 1;
        self.records.push(record);
        if self.records.len() > 4 * OPERATIONS_KEPT {
            compact(&mut self.records);
            self.file = rewrite(&self.path, &self.records)?;
        }
        Ok(())
    }

    /// The newest operations, newest first.
    pub fn operations(&self) -> Vec<Operation> {
        self.records.iter().rev().take(OPERATIONS_KEPT).map(|r| r.operation.clone()).collect()
    }

    /// The newest record for each subject and field: what is in force.
    pub fn in_force(&self) -> Vec<Record> {
        newest_of_each(&self.records).into_iter().map(|i| self.records[i].clone()).collect()
    }

    /// The newest record for this subject, whatever its field.
    pub(super) fn newest_of(&self, subject: &str) -> Option<&Record> {
        self.records.iter().rev().find(|r| r.operation.subject == subject)
    }

    /// The newest record for this subject and field.
    pub fn newest(&self, subject: &str, field: &str) -> Option<&Record> {
        self.records.iter().rev().find(|r| r.operation.subject == subject && r.operation.field == field)
    }
}

fn number(op: &str) -> Option<u64> {
    op.parse().ok()
}

fn read(path: &Path) -> io::Result<(Vec<Record>, Damage)> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
        Ok(found) if found.len() > MAX_SIZE => {
            return Err(io::Error::other(format!("the journal has {} bytes, over {MAX_SIZE}", found.len())));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path)?;
    let mut records = Vec::new();
    let mut damage = Damage::default();
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) => damage.lines += 1,
        }
    }
    Ok((records, damage))
}

/// Positions of the newest record for each subject and field, oldest first.
fn newest_of_each(records: &[Record]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
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

fn compact(records: &mut Vec<Record>) {
    if records.len() <= OPERATIONS_KEPT {
        return;
    }
    let mut keep = newest_of_each(records);
    keep.extend(records.len() - OPERATIONS_KEPT..records.len());
    keep.sort_unstable();
    keep.dedup();
    *records = keep.into_iter().map(|i| records[i].clone()).collect();
}

fn rewrite(path: &Path, records: &[Record]) -> io::Result<File> {
    let fresh = path.with_extension("jsonl.new");
    let mut file = File::create(&fresh)?;
    for record in records {
        serde_json::to_writer(&mut file, record)?;
        file.write_all(b"\n")?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(op: &str, subject: &str, after: &str) -> Record {
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
            clears: false,
        }
    }

    #[test]
    fn what_was_ordered_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        for (subject, after) in [("a/x", "2"), ("a/y", "3"), ("a/x", "4")] {
            let op = journal.next_op();
            journal.append(record(&op, subject, after)).unwrap();
        }
        drop(journal);

        let (journal, damage) = Journal::open(dir.path()).unwrap();

        assert_eq!(damage, Damage::default());
        let in_force: Vec<_> =
            journal.in_force().into_iter().map(|r| (r.operation.subject, r.operation.after)).collect();
        assert_eq!(in_force, [("a/y".into(), "3".into()), ("a/x".into(), "4".into())]);
        assert_eq!(journal.next_op(), "4");
    }

    #[test]
    fn two_daemons_cannot_share_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let first = Journal::open(dir.path()).unwrap();

        assert_eq!(Journal::open(dir.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(Journal::open(dir.path()).is_ok());
    }

    #[test]
    fn a_line_cut_in_the_middle_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.append(record("1", "a/x", "2")).unwrap();
        journal.append(record("2", "a/y", "3")).unwrap();
        let path = dir.path().join("journal.jsonl");
        let length = fs::metadata(&path).unwrap().len();
        drop(journal);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 20).unwrap();

        let (mut journal, damage) = Journal::open(dir.path()).unwrap();

        assert_eq!(damage.lines, 1);
        assert!(damage.kept_as.unwrap().exists());
        assert_eq!(journal.operations().len(), 1);
        journal.append(record("2", "a/z", "5")).unwrap();
        drop(journal);
        assert_eq!(Journal::open(dir.path()).unwrap().0.operations().len(), 2);
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

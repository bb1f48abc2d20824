//! The journal: what people ordered at run time, so that it survives a restart.
//!
//! One JSON object a line, appended and synced before the order takes effect. A line that was cut off by a
//! crash is put aside and told about; everything before it counts. When it has grown long, the file is rewritten
//! with the orders still in force and the newest others. A rewriting that fails costs nothing: the old file goes
//! on, and the next order tries again.

mod file;
mod record;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya_api::change::Operation;

use file::{Found, is_same_file, read, write_anew};
pub(super) use record::Record;
use record::{compact, newest_of_each};

/// Operations kept for `/v1/operations`, and in the file at the next start.
pub(super) const OPERATIONS_KEPT: usize = 1000;
/// Records in memory and in the file before it is rewritten.
const LONGEST: usize = 4 * OPERATIONS_KEPT;

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
    lock: File,
    /// Newest last.
    records: Vec<Record>,
    next: u64,
    /// The file has lines that cannot be read; they are put aside before it is rewritten.
    damaged: bool,
    /// The file ends in the middle of a line, which would spoil the next one.
    ragged: bool,
    rewriting: Rewriting,
    /// What went wrong without keeping anything from being written down.
    troubles: Vec<String>,
}

/// How far the file is from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rewriting {
    /// It is as it should be.
    Unneeded,
    /// It is to be rewritten.
    Due,
    /// That was tried and told; it is tried again with each order.
    Failed,
}

impl Journal {
    /// Opens or makes the journal in `state_dir`. `held` is the lock of the process that this one takes over
    /// from: the lock of an open file, which both have for as long as either is there.
    pub fn open(state_dir: &Path, held: Option<File>) -> io::Result<(Self, Damage)> {
        fs::create_dir_all(state_dir)?;
        let mut lock = File::create(state_dir.join("lock"))?;
        match held {
            Some(held) if is_same_file(&held, &lock)? => lock = held,
            Some(_) | None => lock.try_lock()?,
        }
        let path = state_dir.join("journal.jsonl");
        let Found { mut records, damaged, ragged } = read(&path)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let next = records.iter().filter_map(|r| number(&r.operation.op)).max().unwrap_or(0) + 1;
        let long = compact(&mut records);
        let due = long || damaged > 0 || ragged;
        let rewriting = if due { Rewriting::Due } else { Rewriting::Unneeded };
        let troubles = Vec::new();
        let damaged_lines = damaged > 0;
        let mut journal =
            Self { path, file, lock, records, next, damaged: damaged_lines, ragged, rewriting, troubles };
        journal.tidy();
        let kept_as = (damaged_lines && !journal.damaged).then(|| journal.aside("damaged"));
        Ok((journal, Damage { lines: damaged, kept_as }))
    }

    /// The lock, for the process that takes over.
    pub fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Name for the next operation.
    pub fn next_op(&self) -> String {
        self.next.to_string()
    }

    /// Writes a record down. When that fails nothing was ordered.
    pub fn append(&mut self, record: Record) -> io::Result<()> {
        let mut line = if self.ragged { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut line, &record)?;
        line.push(b'\n');
        if !self.is_in_place()? {
            self.put_back()?;
        }
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            self.ragged |= self.file.set_len(before).is_err();
            return Err(error);
        }
        self.ragged = false;
        self.next += 1;
        self.records.push(record);
        if self.records.len() > LONGEST {
            compact(&mut self.records);
            self.rewriting = Rewriting::Due;
        }
        self.tidy();
        Ok(())
    }

    /// What went wrong since the last call, in words; each trouble is told once.
    pub fn take_troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Rewrites the file when that is due. What is in the file counts all the same when that fails.
    fn tidy(&mut self) {
        if self.rewriting == Rewriting::Unneeded {
            return;
        }
        let Err(error) = self.rewrite() else { return };
        if self.rewriting == Rewriting::Due {
            let trouble = format!("cannot rewrite the journal: {error}; it grows until that works again");
            self.troubles.push(trouble);
        }
        self.rewriting = Rewriting::Failed;
    }

    fn rewrite(&mut self) -> io::Result<()> {
        if self.damaged {
            fs::copy(&self.path, self.aside("damaged"))?;
            self.damaged = false;
        }
        self.file = write_anew(&self.path, &self.records)?;
        self.ragged = false;
        self.rewriting = Rewriting::Unneeded;
        Ok(())
    }

    /// Whether the file at the path is still the one that is open: orders written to another one are lost.
    fn is_in_place(&self) -> io::Result<bool> {
        let open = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes everything again to where the journal was deleted or replaced. What replaced it is kept.
    fn put_back(&mut self) -> io::Result<()> {
        let aside = self.aside("replaced");
        let what = match fs::copy(&self.path, &aside) {
            Ok(_) => format!("replaced (what was there is kept as {})", aside.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "deleted".to_owned(),
            Err(error) => return Err(error),
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Damaged lines are gone with the file they were in.
        self.damaged = false;
        self.rewrite()?;
        self.troubles.push(format!("the journal was {what} while the daemon ran; it was written again"));
        Ok(())
    }

    fn aside(&self, why: &str) -> PathBuf {
        self.path.with_file_name(format!("journal.{why}.jsonl"))
    }

    /// The newest operations, newest first.
    pub fn operations(&self) -> Vec<Operation> {
        self.records.iter().rev().take(OPERATIONS_KEPT).map(|r| r.operation.clone()).collect()
    }

    /// The newest record for each subject and field: what is in force.
    pub fn in_force(&self) -> Vec<Record> {
        newest_of_each(&self.records).into_iter().map(|i| self.records[i].clone()).collect()
    }

    /// The value that a lease goes back to. Records of earlier versions do not say it: there it is what was
    /// before the first of the leases that this one is on top of.
    pub fn back_of(&self, lease: &Record) -> String {
        if let Some(back) = &lease.back {
            return back.clone();
        }
        let same = |r: &&Record| {
            r.operation.subject == lease.operation.subject && r.operation.field == lease.operation.field
        };
        let earlier = self.records.iter().rev().skip_while(|r| r.operation.op != lease.operation.op).skip(1);
        let mut first = lease;
        for record in earlier.filter(same) {
            if record.operation.until_ms.is_none_or(|until| until < first.operation.at_ms) {
                break;
            }
            first = record;
        }
        first.operation.before.clone()
    }

    /// The newest record for this subject, whatever its field.
    pub(super) fn newest_of(&self, subject: &str) -> Option<&Record> {
        self.records.iter().rev().find(|r| r.operation.subject == subject)
    }

    /// The subjects whose weight is ordered, and not back to what the configuration says.
    pub fn weighed(&self) -> HashSet<String> {
        let weights = self.in_force().into_iter().filter(|r| r.operation.field == "weight" && !r.clears);
        weights.map(|r| r.operation.subject).collect()
    }
}

fn number(op: &str) -> Option<u64> {
    op.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::record::tests::record;
    use super::*;

    #[test]
    fn what_was_ordered_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        for (subject, after) in [("a/x", "2"), ("a/y", "3"), ("a/x", "4")] {
            let op = journal.next_op();
            journal.append(record(&op, subject, after)).unwrap();
        }
        drop(journal);

        let (journal, damage) = Journal::open(dir.path(), None).unwrap();

        assert_eq!(damage, Damage::default());
        let in_force: Vec<_> =
            journal.in_force().into_iter().map(|r| (r.operation.subject, r.operation.after)).collect();
        assert_eq!(in_force, [("a/y".into(), "3".into()), ("a/x".into(), "4".into())]);
        assert_eq!(journal.next_op(), "4");
    }

    #[test]
    fn two_daemons_cannot_share_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let first = Journal::open(dir.path(), None).unwrap();

        assert_eq!(Journal::open(dir.path(), None).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(Journal::open(dir.path(), None).is_ok());
    }

    #[test]
    fn a_line_cut_in_the_middle_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        journal.append(record("1", "a/x", "2")).unwrap();
        journal.append(record("2", "a/y", "3")).unwrap();
        let path = dir.path().join("journal.jsonl");
        let length = fs::metadata(&path).unwrap().len();
        drop(journal);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 20).unwrap();

        let (mut journal, damage) = Journal::open(dir.path(), None).unwrap();

        assert_eq!(damage.lines, 1);
        assert!(damage.kept_as.unwrap().exists());
        assert_eq!(journal.operations().len(), 1);
        journal.append(record("2", "a/z", "5")).unwrap();
        drop(journal);
        assert_eq!(Journal::open(dir.path(), None).unwrap().0.operations().len(), 2);
    }

    /// A folder in the place of the fresh file: nothing can be rewritten until it is gone.
    fn obstruct(dir: &Path) -> PathBuf {
        let obstacle = dir.join("journal.jsonl.new");
        fs::create_dir(&obstacle).unwrap();
        obstacle
    }

    fn lines(dir: &Path) -> usize {
        fs::read_to_string(dir.join("journal.jsonl")).unwrap().lines().count()
    }

    #[test]
    fn an_order_that_was_written_is_not_refused_when_the_file_cannot_be_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        journal.records = (1..=LONGEST).map(|op| record(&op.to_string(), "a/x", "2")).collect();
        let obstacle = obstruct(dir.path());

        journal.append(record("4001", "a/x", "3")).unwrap();
        journal.append(record("4002", "a/x", "4")).unwrap();

        assert_eq!(journal.newest_of("a/x").unwrap().operation.after, "4");
        assert_eq!(lines(dir.path()), 2);
        assert_eq!(journal.take_troubles().len(), 1, "it is told once");
        fs::remove_dir(obstacle).unwrap();
        journal.append(record("4003", "a/x", "5")).unwrap();
        assert_eq!(lines(dir.path()), OPERATIONS_KEPT + 2, "it was rewritten as soon as that was possible");
    }

    #[test]
    fn a_journal_that_cannot_be_rewritten_is_opened_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        journal.append(record("1", "a/x", "2")).unwrap();
        drop(journal);
        let path = dir.path().join("journal.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"op\":").unwrap();
        obstruct(dir.path());

        let (mut journal, damage) = Journal::open(dir.path(), None).unwrap();

        assert_eq!(damage.lines, 1);
        assert!(journal.take_troubles()[0].contains("cannot rewrite"));
        journal.append(record("2", "a/x", "3")).unwrap();
        drop(journal);
        let (journal, damage) = Journal::open(dir.path(), None).unwrap();
        assert_eq!((damage.lines, journal.operations().len()), (1, 2), "half a line spoils no other");
    }

    #[test]
    fn a_last_line_without_its_end_counts_and_spoils_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&record("1", "a/x", "2")).unwrap();
        fs::write(dir.path().join("journal.jsonl"), line).unwrap();

        let (mut journal, damage) = Journal::open(dir.path(), None).unwrap();
        journal.append(record("2", "a/y", "3")).unwrap();
        drop(journal);

        assert_eq!(damage, Damage::default());
        assert_eq!(Journal::open(dir.path(), None).unwrap().0.operations().len(), 2);
    }

    #[test]
    fn a_journal_that_was_deleted_or_replaced_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        journal.append(record("1", "a/x", "2")).unwrap();

        fs::remove_file(&path).unwrap();
        journal.append(record("2", "a/y", "3")).unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "somebody else's").unwrap();
        fs::rename(&other, &path).unwrap();
        journal.append(record("3", "a/z", "4")).unwrap();

        let troubles = journal.take_troubles();
        assert!(troubles[0].contains("deleted") && troubles[1].contains("replaced"), "{troubles:?}");
        let kept = fs::read_to_string(dir.path().join("journal.replaced.jsonl")).unwrap();
        assert_eq!(kept, "somebody else's");
        drop(journal);
        assert_eq!(Journal::open(dir.path(), None).unwrap().0.operations().len(), 3);
    }

    #[test]
    fn a_lease_on_a_lease_goes_back_to_what_was_before_both() {
        let lease = |op: &str, at_ms, until_ms, before: &str, after: &str| {
            let mut record = record(op, "a/x", after);
            record.operation = Operation { at_ms, until_ms, before: before.to_owned(), ..record.operation };
            record
        };
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), None).unwrap();
        let newest = lease("3", 30, Some(40), "5", "9");
        journal.append(lease("1", 10, Some(15), "7", "1")).unwrap();
        journal.append(lease("2", 20, Some(60), "1", "5")).unwrap();
        journal.append(newest.clone()).unwrap();

        assert_eq!(journal.back_of(&newest), "1");
        assert_eq!(journal.back_of(&Record { back: Some("6".into()), ..newest }), "6");
    }
}

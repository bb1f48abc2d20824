//! Recordings of load tests that people keep by name: their reports as JSON, a file each, beside the runs of experiments.

use std::path::{Path, PathBuf};

use aya_api::exit::Exit;
use aya_load::report::{Report, SCHEMA_VERSION};
use serde::Serialize;

use crate::experiment::history::{History, read_file};
use crate::failure::Failure;
use crate::render::cell::Cell;
use crate::render::{Column, Row};
use crate::time;

/// Longest name, in letters.
const LONGEST: usize = 64;

/// Where recordings are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    history: History,
}

impl Shelf {
    /// The shelf below the state folder of a person.
    pub fn new(state: &Path) -> Self {
        Self { history: History::new(state, "loadtests").listed_by("ayactl loadtest list") }
    }

    /// Names of the recordings, oldest first.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        self.history.ids()
    }

    /// Makes sure that a recording can be kept under `name`, before it is made.
    pub fn reserve(&self, name: &str, replace: bool) -> Result<(), Failure> {
        check(name)?;
        self.history.prepare()?;
        if replace || !self.history.file(name).exists() {
            return Ok(());
        }
        let hint = "choose another name, or add --replace to give it up";
        let message = format!("there is a recording \"{name}\" already");
        Err(Failure::new(Exit::Conflict, "conflict", message, hint))
    }

    /// Keeps a report. A name that somebody else took since it was reserved gets the moment of the report as its end: what
    /// was recorded is not lost. Answers with the name.
    pub fn keep(&self, name: &str, report: &Report, replace: bool) -> Result<String, Failure> {
        if self.history.keep_named(name, report, replace)?.is_some() {
            return Ok(name.to_owned());
        }
        let other = format!("{name}-{}", report.started_ms);
        self.history.keep_named(&other, report, true)?;
        Ok(other)
    }

    /// The recording that `typed` means: a file when it has a `/` or ends in `.json`, else a name or `last`. Answers with
    /// what to call it.
    pub fn find(&self, typed: &str) -> Result<(String, Report), Failure> {
        let (name, report): (String, Report) = if is_file(typed) {
            (typed.to_owned(), read_file(Path::new(typed)).map_err(|failure| failure.hint(FILES))?)
        } else {
            self.history.named(typed).map_err(|failure| beside(typed, failure))?
        };
        if report.schema_version != SCHEMA_VERSION {
            let version = report.schema_version;
            let message =
                format!("{name} has version {version} of its shape, and this ayactl knows {SCHEMA_VERSION}");
            return Err(Failure::new(Exit::Error, "version", message, "take the ayactl that wrote it"));
        }
        Ok((name, report))
    }

    /// Every recording that can be read, newest first, and words of warning of the others.
    pub fn lines(&self) -> Result<(Vec<Line>, Vec<String>), Failure> {
        let (mut lines, mut warnings) = (Vec::new(), Vec::new());
        for name in self.names()?.into_iter().rev() {
            match self.find(&name) {
                Ok((name, report)) => lines.push(Line::new(name, &report)),
                Err(failure) => warnings.push(failure.message),
            }
        }
        Ok((lines, warnings))
    }

    /// The file of a recording.
    pub fn file(&self, name: &str) -> PathBuf {
        self.history.file(name)
    }
}

/// What to do about a file that is no recording.
const FILES: &str =
    "name a file that `ayactl loadtest --report json=FILE` wrote, or one of `ayactl loadtest list`";

fn is_file(typed: &str) -> bool {
    typed.contains('/') || Path::new(typed).extension().is_some_and(|ending| ending == "json")
}

/// Somebody may have meant a file of this folder.
fn beside(typed: &str, failure: Failure) -> Failure {
    if failure.status == Exit::NotFound as u8 && Path::new(typed).is_file() {
        return failure.hint(&format!("for the file, write ./{typed}"));
    }
    failure
}

/// A name must be a file's in any folder, and never be taken for a file or an option.
fn check(name: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let wrong = if name == "last" {
        "\"last\" is what the newest recording is called".to_owned()
    } else if is_file(name) {
        format!("\"{name}\" is a file's name, not a recording's")
    } else if !begins || name.len() > LONGEST || !name.chars().all(is_plain) {
        format!("\"{name}\" is no name")
    } else {
        return Ok(());
    };
    let hint = format!(
        "take up to {LONGEST} letters, digits, \"-\", \"_\" and \".\", with a letter or digit first; for a file there is --report \
         json=FILE"
    );
    Err(Failure::usage(format!("--save: {wrong}"), hint))
}

/// A recording in lists.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// Where its requests went.
    pub target: String,
    /// `open` or `closed`.
    pub model: String,
    /// Its profile; empty in a closed loop.
    pub profile: String,
    /// Whether its figures can be trusted.
    pub verdict: String,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// Answers a second.
    pub rate: f64,
    /// Median response time in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
    /// Share of the requests that failed, 0 to 1.
    pub error_share: Option<f64>,
    /// Requests that were sent.
    pub sent: u64,
}

impl Line {
    fn new(name: String, report: &Report) -> Self {
        Self {
            name,
            started_ms: report.started_ms,
            target: report.asked.url.clone(),
            model: report.asked.model.clone(),
            profile: report.asked.profile.clone(),
            verdict: report.verdict.word.shout().to_owned(),
            duration_s: report.duration_s,
            rate: report.rate(report.achieved),
            p50_ms: report.response.p50_ms,
            p99_ms: report.response.p99_ms,
            error_share: report.error_share(),
            sent: report.sent,
        }
    }

    fn load(&self) -> Cell {
        Cell::text(if self.profile.is_empty() { &self.model } else { &self.profile })
    }
}

impl Row for Line {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::left("name", "NAME", |row, _| Cell::text(&row.name)),
        Column::right("age", "AGE", |row, now| Cell::age(now, row.started_ms)),
        Column::left("target", "TARGET", |row, _| Cell::text(&row.target)),
        Column::left("profile", "PROFILE", |row, _| row.load()),
        Column::left("verdict", "VERDICT", |row, _| Cell::text(&row.verdict)),
        Column::right("rate", "RATE /S", |row, _| Cell::number(row.rate, 1)),
        Column::right("p50", "P50 MS", |row, _| Cell::maybe_number(row.p50_ms, 2)),
        Column::right("p99", "P99 MS", |row, _| Cell::maybe_number(row.p99_ms, 2)),
        Column::right("err", "ERR %", |row, _| {
            Cell::maybe_number(row.error_share.map(|share| share * 100.0), 2)
        }),
        Column::<Self>::right("took", "TOOK", |row, _| Cell::text(time::span((row.duration_s * 1e3) as u64)))
            .wide(),
        Column::<Self>::right("sent", "SENT", |row, _| Cell::count(row.sent)).wide(),
        Column::<Self>::left("started", "STARTED", |row, _| Cell::moment(row.started_ms)).wide(),
    ];

    fn label(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_anywhere_and_never_look_like_something_else() {
        for good in ["monday", "v1.2-rc_3", "2"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "last", "a/b", "../x", ".hidden", "-r", "a b", "x.json", "ä", &"x".repeat(65)] {
            let failure = check(bad).expect_err(bad);
            assert_eq!(failure.status, Exit::Usage as u8, "{bad}");
            assert!(failure.message.starts_with("--save: "), "{}", failure.message);
        }
    }

    #[test]
    fn a_name_that_is_taken_is_told_before_the_run() {
        let state = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(state.path());
        shelf.reserve("monday", false).unwrap();
        std::fs::write(shelf.file("monday"), "{}").unwrap();
        let failure = shelf.reserve("monday", false).unwrap_err();
        assert_eq!(failure.status, Exit::Conflict as u8);
        assert!(failure.hint.contains("--replace"));
        shelf.reserve("monday", true).unwrap();
        // What cannot be read is told, and hides nothing else.
        let (lines, warnings) = shelf.lines().unwrap();
        assert!(lines.is_empty() && warnings[0].contains("monday.json cannot be read"), "{warnings:?}");
        let missing = shelf.find("mondai").unwrap_err();
        assert_eq!((missing.status, missing.hint.as_str()), (3, "did you mean \"monday\"?"));
    }
}

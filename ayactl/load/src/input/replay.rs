//! The requests of an access log again, with the gaps they had.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lines::Lines;
use super::log::{self, Entry};
use super::{InputError, Request};

/// How many lines are looked at before the earliest of them is given: logs are in the order of ends, not of beginnings.
const WINDOW: usize = 4096;

/// Most lines of one second that are spread over it when the log knows seconds only.
const MOST_OF_A_SECOND: usize = 1 << 16;

/// Reads an access log once, in the order of beginnings, in bounded memory.
#[derive(Debug)]
pub struct Replay {
    file: PathBuf,
    lines: Lines,
    speed: f64,
    again: bool,
    /// Lines of one second of a log without milliseconds.
    second: Vec<Entry>,
    window: BinaryHeap<Reverse<(i64, u64, Line)>>,
    first_ms: Option<i64>,
    last: Duration,
    shift: Duration,
    order: u64,
    at_end: bool,
    given: u64,
    unreadable: u64,
    first_unreadable: Option<(u64, String)>,
}

/// Method and path.
type Line = (String, String);

impl Replay {
    /// Opens a log. Gaps are divided by `speed`; with `again`, it begins anew at its end.
    pub fn open(file: &Path, speed: f64, again: bool) -> Result<Self, InputError> {
        if !(speed.is_finite() && speed > 0.0) {
            return Err(InputError::content(
                file,
                format!("the speed {speed} is not above 0; write it like 2x"),
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            lines: Lines::open(file)?,
            speed,
            again,
            second: Vec::new(),
            window: BinaryHeap::new(),
            first_ms: None,
            last: Duration::ZERO,
            shift: Duration::ZERO,
            order: 0,
            at_end: false,
            given: 0,
            unreadable: 0,
            first_unreadable: None,
        })
    }

    /// The next request with its moment; `None` at the end. Moments never go back.
    pub fn next_request(&mut self) -> Result<Option<Request>, InputError> {
        loop {
            while !self.at_end && self.window.len() < WINDOW {
                self.fill()?;
            }
            if let Some(Reverse((at_ms, _, (method, path)))) = self.window.pop() {
                let first = *self.first_ms.get_or_insert(at_ms);
                let gap = Duration::from_millis(at_ms.saturating_sub(first).max(0) as u64);
                let at = self.shift
                    + Duration::try_from_secs_f64(gap.as_secs_f64() / self.speed)
                        .unwrap_or(Duration::MAX / 4);
                self.last = self.last.max(at);
                self.given += 1;
                return Ok(Some(Request {
                    method,
                    path,
                    headers: Vec::new(),
                    body: Arc::from([]),
                    at: Some(self.last),
                }));
            }
            if self.given == 0 {
                return Err(self.nothing());
            }
            if !self.again {
                return Ok(None);
            }
            // The gap from the last request to the first is not known; one second is between them.
            self.shift = self.last + Duration::from_secs(1);
            self.first_ms = None;
            self.at_end = false;
            self.lines = Lines::open(&self.file)?;
        }
    }

    /// How many lines could not be read, and the first of them: its number and what is wrong with it.
    pub fn unreadable(&self) -> (u64, Option<&(u64, String)>) {
        (self.unreadable, self.first_unreadable.as_ref())
    }

    fn nothing(&self) -> InputError {
        match &self.first_unreadable {
            Some((line, what)) => InputError::Line {
                file: self.file.clone(),
                line: *line,
                what: format!(
                    "{what}; no line of the file can be read: AYA's log, the common, combined and HAProxy formats can"
                ),
            },
            None => InputError::content(&self.file, "there is no line in it"),
        }
    }

    fn fill(&mut self) -> Result<(), InputError> {
        let Some(line) = self.lines.next()? else {
            self.spread();
            self.at_end = true;
            return Ok(());
        };
        if line.trim().is_empty() {
            return Ok(());
        }
        match log::read(&line) {
            Ok(entry) if entry.is_exact => self.push(entry.at_ms, (entry.method, entry.path)),
            Ok(entry) => {
                let is_other = self.second.first().is_some_and(|first| first.at_ms != entry.at_ms);
                if is_other || self.second.len() >= MOST_OF_A_SECOND {
                    self.spread();
                }
                self.second.push(entry);
            }
            Err(what) => {
                self.unreadable += 1;
                if self.first_unreadable.is_none() {
                    self.first_unreadable = Some((self.lines.number, what));
                }
            }
        }
        Ok(())
    }

    /// Lines of the same second are taken to be at equal distances in it.
    fn spread(&mut self) {
        let all = self.second.len().cast_signed() as i64;
        for (index, entry) in std::mem::take(&mut self.second).into_iter().enumerate() {
            self.push(entry.at_ms + index.cast_signed() as i64 * 1000 / all, (entry.method, entry.path));
        }
    }

    fn push(&mut self, at_ms: i64, line: Line) {
        self.order += 1;
        self.window.push(Reverse((at_ms, self.order, line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(text: &str, speed: f64, again: bool) -> (tempfile::TempDir, Replay) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        std::fs::write(&file, text).unwrap();
        (folder, Replay::open(&file, speed, again).unwrap())
    }

    fn all(mut replay: Replay, most: usize) -> Vec<(String, u128)> {
        let each = std::iter::from_fn(|| replay.next_request().unwrap());
        each.take(most).map(|request| (request.path, request.at.unwrap().as_millis())).collect()
    }

    const OWN: &str = "{\"time_ms\":1000,\"method\":\"GET\",\"uri\":\"/a\"}\nrubbish\n\
        {\"time_ms\":3000,\"method\":\"GET\",\"uri\":\"/c\"}\n\
        {\"time_ms\":4000,\"method\":\"GET\",\"uri\":\"/b\",\"timing_us\":{\"total\":2500000}}\n";

    #[test]
    fn gaps_and_the_order_of_beginnings_are_kept() {
        let (_folder, one) = replay(OWN, 2.0, true);
        let expected = [("/a", 0), ("/b", 250), ("/c", 1000), ("/a", 2000), ("/b", 2250)];
        assert_eq!(all(one, 5), expected.map(|(path, at)| (path.to_owned(), at)));
        let (_folder, mut once) = replay(OWN, 1.0, false);
        while once.next_request().unwrap().is_some() {}
        assert_eq!(once.unreadable().0, 1);
        assert_eq!(once.unreadable().1.unwrap().0, 2);
    }

    #[test]
    fn seconds_are_spread() {
        let line = "- - - [10/Oct/2025:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 5\n";
        let (_folder, one) = replay(&line.repeat(4), 1.0, false);
        assert_eq!(all(one, 9).iter().map(|(_, at)| *at).collect::<Vec<_>>(), [0, 250, 500, 750]);
    }

    #[test]
    fn a_file_without_requests_is_told() {
        let (_folder, mut one) = replay("a\nb\n", 1.0, true);
        assert!(one.next_request().unwrap_err().to_string().contains("access.log:1: "));
        let (_folder, mut one) = replay("", 1.0, true);
        assert!(one.next_request().unwrap_err().to_string().contains("no line in it"));
    }
}

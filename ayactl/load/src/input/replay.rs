//! The requests of an access log again, with the gaps they had.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lines::{LONGEST, Lines};
use super::log::{self, Entry};
use super::{InputError, MOST_KEPT, Request};

/// How many lines are looked at before the earliest of them is given: logs are in the order of ends, not of beginnings. A
/// line that comes later still is sent at once after what was sent before it.
pub const WINDOW: usize = 4096;

/// Most lines of one second that are spread over it when the log knows seconds only.
const MOST_OF_A_SECOND: usize = 1 << 16;

/// Between the last request of a log and the first one of the next round: the log does not tell.
const BETWEEN: Duration = Duration::from_secs(1);

/// Moments after this one are taken to be this one: wrong clocks write wrong years.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads an access log, in the order of beginnings, in bounded memory.
#[derive(Debug)]
pub struct Replay {
    file: PathBuf,
    lines: Lines,
    speed: f64,
    /// Rounds after this one; `None` for ever.
    left: Option<u64>,
    /// Lines of one second of a log without milliseconds.
    second: Vec<Entry>,
    window: BinaryHeap<Reverse<(i64, u64, Line)>>,
    /// Bytes of what waits in these two.
    kept: usize,
    first_ms: Option<i64>,
    last: Duration,
    shift: Duration,
    order: u64,
    at_end: bool,
    given: u64,
    late: u64,
    unreadable: u64,
    first_unreadable: Option<(u64, String)>,
}

/// Method, path and host.
type Line = (String, String, Option<String>);

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its requests, as far as it was looked at.
    pub requests: u64,
    /// From the first to the last of them, at the speed that was asked for.
    pub span: Duration,
    /// There are more of them after that length.
    pub is_cut: bool,
    /// Most of them in one second.
    pub peak: u64,
    /// Those that stood more than [`WINDOW`] lines too late in the file.
    pub late: u64,
    /// Lines that cannot be read.
    pub unreadable: u64,
    /// The first of these: its number, and what is wrong with it.
    pub first_unreadable: Option<(u64, String)>,
}

impl Survey {
    /// How long `rounds` of it take: the last request gets as much time as each has on average.
    pub fn length(&self, rounds: u64) -> Duration {
        let gap = self.span.checked_div(u32::try_from(self.requests - 1).unwrap_or(u32::MAX));
        let gap = gap.unwrap_or(BETWEEN).clamp(Duration::from_millis(1), BETWEEN);
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).max(1);
        let all = self.span.checked_mul(rounds).zip(BETWEEN.checked_mul(rounds - 1));
        all.and_then(|(spans, between)| spans.checked_add(between + gap)).unwrap_or(FAR)
    }
}

/// Reads a log once, up to the moment `most` and so many requests, and tells what is in it.
pub fn survey(
    file: &Path,
    speed: f64,
    most: Option<Duration>,
    most_requests: Option<u64>,
) -> Result<Survey, InputError> {
    let mut replay = Replay::open(file, speed, Some(1))?;
    let (mut requests, mut span, mut peak) = (0, Duration::ZERO, 0);
    let (mut second, mut in_second, mut is_cut) = (0, 0, false);
    while most_requests.is_none_or(|most| requests < most) {
        let Some(request) = replay.next_request()? else { break };
        let at = request.at.unwrap_or_default();
        if most.is_some_and(|most| at >= most) {
            is_cut = true;
            break;
        }
        if at.as_secs() != second {
            (second, in_second) = (at.as_secs(), 0);
        }
        in_second += 1;
        peak = peak.max(in_second);
        requests += 1;
        span = at;
    }
    let (unreadable, first_unreadable) = (replay.unreadable, replay.first_unreadable);
    Ok(Survey { requests, span, is_cut, peak, late: replay.late, unreadable, first_unreadable })
}

impl Replay {
    /// Opens a log. Gaps are divided by `speed`; it is played `rounds` times, or for ever.
    pub fn open(file: &Path, speed: f64, rounds: Option<u64>) -> Result<Self, InputError> {
        if !(speed.is_finite() && speed > 0.0) {
            return Err(InputError::content(
                file,
                format!("the speed {speed} is not above 0; write it like 2 for twice as fast"),
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            lines: Lines::open(file)?,
            speed,
            left: rounds.map(|rounds| rounds.saturating_sub(1)),
            second: Vec::new(),
            window: BinaryHeap::new(),
            kept: 0,
            first_ms: None,
            last: Duration::ZERO,
            shift: Duration::ZERO,
            order: 0,
            at_end: false,
            given: 0,
            late: 0,
            unreadable: 0,
            first_unreadable: None,
        })
    }

    /// The next request with its moment; `None` at the end. Moments never go back.
    pub fn next_request(&mut self) -> Result<Option<Request>, InputError> {
        loop {
            while !self.at_end && self.window.len() < WINDOW && self.kept < MOST_KEPT {
                self.fill()?;
            }
            if let Some(Reverse((at_ms, _, line))) = self.window.pop() {
                return Ok(Some(self.give(at_ms, line)));
            }
            if !self.at_end {
                self.spread();
                continue;
            }
            if self.given == 0 {
                return Err(self.nothing());
            }
            match &mut self.left {
                Some(0) => return Ok(None),
                Some(left) => *left -= 1,
                None => {}
            }
            self.shift = self.last + BETWEEN;
            self.first_ms = None;
            self.at_end = false;
            self.lines = Lines::open(&self.file)?;
        }
    }

    fn give(&mut self, at_ms: i64, line: Line) -> Request {
        self.kept = self.kept.saturating_sub(weight(&line.1));
        let first = *self.first_ms.get_or_insert(at_ms);
        let gap = Duration::from_millis(at_ms.saturating_sub(first).max(0) as u64);
        let gap = Duration::try_from_secs_f64(gap.as_secs_f64() / self.speed).unwrap_or(FAR);
        let at = (self.shift + gap).min(FAR);
        self.late += u64::from(at < self.last || at_ms < first);
        self.last = self.last.max(at);
        self.given += 1;
        let (method, path, host) = line;
        Request { method, path, host, headers: Vec::new(), body: Arc::from([]), at: Some(self.last) }
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
            None => InputError::content(&self.file, "there is no line in it; name an access log"),
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
        let read = if line.len() >= LONGEST {
            Err(format!("it is longer than {LONGEST} bytes"))
        } else {
            log::read(&line)
        };
        match read {
            Ok(entry) if entry.is_exact => {
                self.kept += weight(&entry.path);
                self.push(entry.at_ms, (entry.method, entry.path, entry.host));
            }
            Ok(entry) => {
                self.kept += weight(&entry.path);
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
            self.push(
                entry.at_ms + index.cast_signed() as i64 * 1000 / all,
                (entry.method, entry.path, entry.host),
            );
        }
    }

    fn push(&mut self, at_ms: i64, line: Line) {
        self.order += 1;
        self.window.push(Reverse((at_ms, self.order, line)));
    }
}

/// About what a line takes while it waits, in bytes.
fn weight(path: &str) -> usize {
    path.len() + 200
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(text: &str, speed: f64, rounds: Option<u64>) -> (tempfile::TempDir, Replay) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        std::fs::write(&file, text).unwrap();
        (folder, Replay::open(&file, speed, rounds).unwrap())
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
        let (_folder, one) = replay(OWN, 2.0, Some(2));
        let expected = [("/a", 0), ("/b", 250), ("/c", 1000), ("/a", 2000), ("/b", 2250), ("/c", 3000)];
        assert_eq!(all(one, 9), expected.map(|(path, at)| (path.to_owned(), at)));
        let (_folder, mut once) = replay(OWN, 1.0, Some(1));
        while once.next_request().unwrap().is_some() {}
        assert_eq!(once.unreadable().0, 1);
        assert_eq!(once.unreadable().1.unwrap().0, 2);
    }

    #[test]
    fn seconds_are_spread() {
        let line = "- - - [10/Oct/2025:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 5\n";
        let (_folder, one) = replay(&line.repeat(4), 1.0, Some(1));
        assert_eq!(all(one, 9).iter().map(|(_, at)| *at).collect::<Vec<_>>(), [0, 250, 500, 750]);
    }

    #[test]
    fn a_survey_tells_what_will_be_played() {
        let (folder, _) = replay(OWN, 1.0, None);
        let file = folder.path().join("access.log");
        let told = survey(&file, 1.0, None, None).unwrap();
        assert_eq!((told.requests, told.span, told.peak), (3, Duration::from_secs(2), 2));
        assert_eq!((told.late, told.unreadable), (0, 1));
        assert_eq!(told.length(1), Duration::from_secs(3));
        assert_eq!(told.length(2), Duration::from_secs(6));
        let part = survey(&file, 1.0, Some(Duration::from_secs(1)), None).unwrap();
        assert_eq!(survey(&file, 1.0, None, Some(1)).unwrap().requests, 1);
        assert_eq!((told.is_cut, part.is_cut, part.requests), (false, true, 2));
    }

    #[test]
    fn what_stands_far_too_late_is_sent_at_once_and_counted() {
        let line = |at: usize| format!("{{\"time_ms\":{at},\"method\":\"GET\",\"uri\":\"/{at}\"}}\n");
        let mut text: String = (1000..1000 + WINDOW + 10).map(line).collect();
        text.push_str(&line(5));
        text.push_str(&line(1000 + WINDOW - 1));
        let (_folder, one) = replay(&text, 1.0, Some(1));
        let all = all(one, usize::MAX);
        assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert_eq!(all.iter().filter(|(path, _)| path == "/5").count(), 1);
        let (folder, _) = replay(&text, 1.0, None);
        assert_eq!(survey(&folder.path().join("access.log"), 1.0, None, None).unwrap().late, 1);
    }

    #[test]
    fn a_file_without_requests_is_told() {
        let (_folder, mut one) = replay("a\nb\n", 1.0, None);
        assert!(one.next_request().unwrap_err().to_string().contains("access.log:1: "));
        let (_folder, mut one) = replay("", 1.0, None);
        assert!(one.next_request().unwrap_err().to_string().contains("no line in it"));
    }
}

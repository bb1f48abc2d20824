//! The event log: a bounded ring that any thread writes to and streams read from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya_api::event::{Event, Severity};
use tokio::sync::watch;

use crate::clock;

/// How many events are kept; older ones are gone, and a stream that asks for them is told.
pub const EVENTS_KEPT: usize = 4096;

/// An event before it has its number.
#[derive(Debug)]
pub struct NewEvent {
    severity: Severity,
    kind: &'static str,
    subject: String,
    change: Option<(String, String)>,
    cause: String,
    by: Option<String>,
    op: Option<String>,
}

impl NewEvent {
    /// An event about `subject`, with its cause in words.
    pub fn new(
        severity: Severity,
        kind: &'static str,
        subject: impl Into<String>,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            kind,
            subject: subject.into(),
            change: None,
            cause: cause.into(),
            by: None,
            op: None,
        }
    }

    /// Adds the value before and after.
    #[must_use]
    pub fn change(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.change = Some((from.into(), to.into()));
        self
    }

    /// Adds who ordered it, as which operation.
    #[must_use]
    pub fn ordered(mut self, by: Option<String>, op: Option<String>) -> Self {
        self.by = by;
        self.op = op;
        self
    }
}

/// The log. Writers hold its lock for a push; no request of the data plane ever takes it.
#[derive(Debug)]
pub struct EventLog {
    ring: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
    held: AtomicBool,
    closed: AtomicBool,
}

impl EventLog {
    /// An empty log; the first event is number 1.
    pub fn new() -> Self {
        Self::resume(0, Vec::new())
    }

    /// A log that goes on where another one was, after the event of number `newest`.
    pub fn resume(newest: u64, events: Vec<Event>) -> Self {
        Self {
            ring: Mutex::new(events.into()),
            newest: watch::channel(newest).0,
            held: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Adds an event, tells the streams, and writes it to the log of the process. Gives it with its number.
    pub fn push(&self, new: NewEvent) -> Event {
        let (from, to) = new.change.unzip();
        let mut ring = self.lock();
        let is_held = self.held.load(Ordering::Acquire);
        let seq = *self.newest.borrow() + u64::from(!is_held);
        let event = Event {
            seq,
            at_ms: clock::wall_ms(),
            severity: new.severity,
            kind: new.kind.to_owned(),
            subject: new.subject,
            from,
            to,
            cause: new.cause,
            by: new.by,
            op: new.op,
        };
        if is_held {
            trace(&event);
            return event;
        }
        if ring.len() == EVENTS_KEPT {
            ring.pop_front();
        }
        ring.push_back(event.clone());
        drop(ring);
        self.newest.send_replace(seq);
        // Without the lock: whoever reads the log of the process may be slow.
        trace(&event);
        event
    }

    /// While it is held, events get no number and go to the log of the process alone: another process gives out
    /// the next number, or is about to.
    pub fn hold(&self, held: bool) {
        // With the lock: whoever is just pushing gets its number first.
        let _ring = self.lock();
        self.held.store(held, Ordering::Release);
    }

    /// Nothing will follow: streams end once they have told what is there.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Wakes those who wait for a newer event.
        self.newest.send_modify(|_| {});
    }

    /// True once nothing will follow.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Streams that read along.
    pub fn readers(&self) -> usize {
        self.newest.receiver_count()
    }

    /// Number of the newest event; 0 when there is none.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Wakes up whenever there are newer events.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Events after `since`, at most `limit` of them, and how many before them are gone.
    pub fn after(&self, since: u64, limit: usize) -> (Vec<Event>, u64) {
        let ring = self.lock();
        let oldest = ring.front().map_or(0, |e| e.seq);
        let missed = oldest.saturating_sub(since + 1);
        let skip = (since + 1).saturating_sub(oldest) as usize;
        (ring.iter().skip(skip).take(limit).cloned().collect(), missed)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        // A panic while pushing leaves a ring that is still whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

fn trace(event: &Event) {
    let (from, to) = (event.from.as_deref().unwrap_or(""), event.to.as_deref().unwrap_or(""));
    let by = event.by.as_deref().unwrap_or("");
    match event.severity {
        Severity::Info => {
            tracing::info!(kind = event.kind, subject = event.subject, from, to, by, "{}", event.cause);
        }
        Severity::Warning => {
            tracing::warn!(kind = event.kind, subject = event.subject, from, to, by, "{}", event.cause);
        }
        Severity::Error => {
            tracing::error!(kind = event.kind, subject = event.subject, from, to, by, "{}", event.cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(count: usize) -> EventLog {
        let log = EventLog::new();
        for i in 0..count {
            log.push(NewEvent::new(Severity::Info, "daemon", "ayad", format!("{i}")));
        }
        log
    }

    #[test]
    fn a_reader_gets_what_follows_what_it_has() {
        let (events, missed) = log_of(5).after(3, 100);
        assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(missed, 0);
    }

    #[test]
    fn a_late_reader_is_told_what_it_missed() {
        let (events, missed) = log_of(EVENTS_KEPT + 10).after(0, 1);
        assert_eq!((events[0].seq, missed), (11, 10));
    }

    #[test]
    fn numbers_go_on_in_another_log_and_not_in_one_that_is_held() {
        let old = log_of(3);
        old.hold(true);
        let new = EventLog::resume(old.newest(), old.after(0, 10).0);
        for log in [&old, &new] {
            log.push(NewEvent::new(Severity::Info, "daemon", "ayad", "more"));
        }

        assert_eq!((old.newest(), new.newest()), (3, 4));
        assert_eq!(new.after(1, 10).0.len(), 3);
        old.hold(false);
        old.push(NewEvent::new(Severity::Info, "daemon", "ayad", "on its own again"));
        assert_eq!(old.newest(), 4);
    }

    #[test]
    fn an_empty_log_misses_nothing() {
        assert_eq!(EventLog::new().after(0, 10), (vec![], 0));
    }
}

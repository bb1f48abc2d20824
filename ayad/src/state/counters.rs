//! Counters that one worker writes and anyone reads: no lock prefix, no shared cache line.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use aya_core::reason::Reason;

/// Keeps a value on cache lines of its own; two lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What one worker counts over all its requests.
#[derive(Debug)]
pub struct WorkerCounters {
    responses: [AtomicU64; 5],
    reasons: [AtomicU64; Reason::ALL.len()],
    received: AtomicU64,
    sent: AtomicU64,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self {
            responses: Default::default(),
            reasons: std::array::from_fn(|_| AtomicU64::new(0)),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }
}

impl WorkerCounters {
    /// Counts an answered request by the class of its status.
    pub fn responded(&self, status: u16) {
        bump(&self.responses[usize::from(status / 100).clamp(1, 5) - 1], 1);
    }

    /// Counts a request the proxy answered or ended by itself.
    pub fn refused(&self, reason: Reason) {
        bump(&self.reasons[reason.index()], 1);
    }

    /// Counts bytes of bodies.
    pub fn transferred(&self, received: u64, sent: u64) {
        bump(&self.received, received);
        bump(&self.sent, sent);
    }

    /// Answered requests by class: index 0 is 1xx.
    pub fn responses(&self) -> [u64; 5] {
        std::array::from_fn(|i| self.responses[i].load(Ordering::Relaxed))
    }

    /// Refused requests by [`Reason::index`].
    pub fn reason(&self, reason: Reason) -> u64 {
        self.reasons[reason.index()].load(Ordering::Relaxed)
    }

    /// Bytes of bodies received from clients and sent to clients.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// Adds to a counter that only this thread writes: a load and a store are enough and cost a third of an
/// atomic addition.
pub(super) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_by_class() {
        let counters = WorkerCounters::default();
        for status in [200, 204, 404, 503, 999] {
            counters.responded(status);
        }
        assert_eq!(counters.responses(), [0, 2, 0, 1, 2]);
    }
}

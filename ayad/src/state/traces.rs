//! Requests that are remembered so that they can be explained: those that failed or were tried again, and a sample.
//!
//! Each worker writes to a list of its own, whose lock only the control thread ever contends for, and only for the time
//! of a search. What the proxy or a backend failed at is kept apart from all else, so that a flood of mistakes of
//! clients does not push it out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya_api::view::RequestExplanation;

use super::counters::Padded;

/// Most requests that one worker keeps of each kind.
pub const TRACES_KEPT: usize = 512;

/// What all workers keep.
#[derive(Debug)]
pub struct Traces(Vec<Padded<Mutex<Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    failed: VecDeque<RequestExplanation>,
    others: VecDeque<RequestExplanation>,
}

impl Traces {
    /// Nothing kept yet.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Padded::default()).collect())
    }

    /// Keeps a request of a worker in place of the oldest one.
    pub fn keep(&self, worker: usize, trace: RequestExplanation, is_our_failure: bool) {
        let Some(kept) = self.0.get(worker) else { return };
        let mut kept = lock(kept);
        let list = if is_our_failure { &mut kept.failed } else { &mut kept.others };
        if list.len() == TRACES_KEPT {
            list.pop_front();
        }
        list.push_back(trace);
    }

    /// The last request with this id.
    pub fn find(&self, id: &str) -> Option<RequestExplanation> {
        self.0.iter().find_map(|kept| {
            let kept = lock(kept);
            kept.failed.iter().rev().chain(kept.others.iter().rev()).find(|trace| trace.id == id).cloned()
        })
    }

    /// At most `limit` of those that are wanted, newest first. Copies at most `limit` of each worker and kind.
    pub fn newest(
        &self,
        limit: usize,
        wanted: impl Fn(&RequestExplanation) -> bool,
    ) -> Vec<RequestExplanation> {
        let mut all = Vec::new();
        for kept in &self.0 {
            let kept = lock(kept);
            for list in [&kept.failed, &kept.others] {
                all.extend(list.iter().rev().filter(|trace| wanted(trace)).take(limit).cloned());
            }
        }
        all.sort_by_key(|trace| std::cmp::Reverse(trace.at_ms));
        all.truncate(limit);
        all
    }
}

fn lock(kept: &Padded<Mutex<Kept>>) -> MutexGuard<'_, Kept> {
    // Every holder leaves whole values behind, also when it panics.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

//! One timer for a connection, whatever it waits for.
//!
//! Arming stores a number; the runtime's timer is only touched when it would ring too late, so that a request that
//! ends in time costs no timer operation at all. Whoever waits polls [`Wait::poll`] after everything else.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aya_core::time::Tick;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Sleep;

use crate::clock;

const NEVER: u64 = u64::MAX;

/// When somebody will have waited too long.
#[derive(Debug)]
pub(super) struct Wait {
    at: u64,
    limit: u64,
    armed: u64,
    /// The runtime's timer knows whom to wake.
    is_watched: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    /// A timer that never rings.
    pub(super) fn new() -> Self {
        Self { at: NEVER, limit: NEVER, armed: NEVER, is_watched: false, sleep: None }
    }

    /// Rings at `at`, or at the end of the whole request when that comes first; replaces what was armed before.
    pub(super) fn arm(&mut self, at: Tick) {
        self.at = at.as_nanos().min(self.limit);
    }

    /// The whole request must be over at `limit`; holds until it is set again.
    pub(super) fn limit(&mut self, limit: Option<Tick>) {
        self.limit = limit.map_or(NEVER, Tick::as_nanos);
        self.at = self.at.min(self.limit);
    }

    /// Forgets what was waited for, and keeps the runtime's timer for whoever uses it next.
    pub(super) fn rest(&mut self) {
        (self.at, self.limit, self.is_watched) = (NEVER, NEVER, false);
    }

    /// True once the whole request has taken too long.
    pub(super) fn is_past_limit(&self, now: Tick) -> bool {
        now.as_nanos() >= self.limit
    }

    /// Ready once the armed time has passed; to be called after everything else that the task waits for. Costs two
    /// comparisons while the runtime's timer rings early enough.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at == NEVER && self.armed == NEVER {
            return Poll::Pending;
        }
        let rings_early_enough = self.is_watched && self.at >= self.armed;
        if rings_early_enough && self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed()) {
            return Poll::Pending;
        }
        self.poll_timer(cx)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let at = Tick::from_nanos(self.at);
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(clock::instant(clock::now()))));
            if self.at < self.armed {
                self.armed = self.at;
                sleep.as_mut().reset(clock::instant(at));
            } else if self.armed == NEVER {
                return Poll::Pending;
            }
            if sleep.as_mut().poll(cx).is_pending() {
                // A task that did much without a pause is put off by the runtime instead, which leaves no waker.
                self.is_watched = has_budget_remaining();
                return Poll::Pending;
            }
            self.is_watched = false;
            self.armed = NEVER;
            if clock::now() >= at {
                self.at = NEVER;
                return Poll::Ready(());
            }
        }
    }
}

impl Default for Wait {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::task::coop::consume_budget;

    use super::*;

    #[test]
    fn it_rings_for_a_task_that_was_put_off_when_it_began_to_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let waits = async {
            let mut wait = Wait::new();
            wait.arm(clock::now().after(Duration::from_millis(20)));
            let mut is_busy = true;
            poll_fn(|cx| {
                while std::mem::take(&mut is_busy) && has_budget_remaining() {
                    assert!(pin!(consume_budget()).poll(cx).is_ready());
                    is_busy = has_budget_remaining();
                }
                wait.poll(cx)
            })
            .await;
        };
        let rings = async { tokio::time::timeout(Duration::from_secs(20), tokio::spawn(waits)).await };
        runtime.block_on(rings).expect("it rings").unwrap();
    }
}

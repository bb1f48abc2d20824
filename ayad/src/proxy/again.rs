//! Whether a request is sent once more. The decision is made in `aya-core`; here is what it is made from, and the share
//! of the pool's budget that a further attempt holds.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::retry::{self, Decision, Ended, Outcome};

use super::between::{Failed, Way};
use super::downstream::Downstream;
use super::exchange::Exchange;
use super::worker::Worker;
use crate::clock;
use crate::h1::{Known, ResponseHead};
use crate::state::Pool;

/// One attempt beyond the first, counted while it lasts.
#[derive(Debug)]
pub(super) struct Extra {
    pool: Arc<Pool>,
    /// The wait before it.
    pub(super) after: Duration,
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.pool.budget.end();
    }
}

/// How an attempt that gave no answer ended.
pub(super) fn outcome_of(failed: Failed) -> Option<Outcome> {
    match failed {
        Failed::Unsent(Reason::ClientGone | Reason::RequestTimeout) | Failed::Final(_) => None,
        Failed::Unsent(_) => Some(Outcome::NotSent),
        Failed::Sent(Reason::FirstByteTimeout) => Some(Outcome::Timeout),
        // Of a stale connection a fresh one was tried already, where that could help.
        Failed::Stale(_) | Failed::Sent(_) => Some(Outcome::Reset),
    }
}

/// What an answer means for another attempt.
pub(super) fn outcome_of_answer(head: &ResponseHead, bytes: &[u8]) -> Outcome {
    let asked = head.fields.only(bytes, Known::RetryAfter).and_then(|value| std::str::from_utf8(value).ok());
    // A date is for people who come back tomorrow.
    let retry_after = asked.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    Outcome::Status { code: head.status, retry_after }
}

/// Decides about one more attempt, and takes it from the budget.
pub(super) fn decide(exchange: &Exchange, way: &Way, repeatable: bool, outcome: Outcome) -> Option<Extra> {
    let pool = &way.hit.pool;
    let conf = &pool.conf;
    let ended = Ended {
        outcome,
        attempts: exchange.attempts,
        was_stale: false,
        repeatable,
        now: clock::now(),
        deadline: conf.request_timeout.map(|limit| exchange.started.after(limit)),
        in_flight: pool.loads.iter().map(|load| load.in_flight()).sum(),
    };
    let rules = &conf.retry.rules;
    match Worker::with(|worker| worker.chance(|rng| retry::decide(rules, &ended, &pool.budget, rng))) {
        Decision::Retry { after } => Some(Extra { pool: Arc::clone(pool), after }),
        Decision::GiveUp(why) => {
            tracing::trace!(pool = pool.name, why = why.as_str(), "not sent again");
            None
        }
    }
}

/// Takes a second, simultaneous attempt from the budget, when there is room for it.
pub(super) fn decide_hedge(way: &Way) -> Option<Extra> {
    let pool = &way.hit.pool;
    let in_flight = pool.loads.iter().map(|load| load.in_flight()).sum();
    let has_room = pool.budget.try_begin(&pool.conf.retry.rules.budget, in_flight);
    has_room.then(|| Extra { pool: Arc::clone(pool), after: Duration::ZERO })
}

/// Waits before another attempt, unless the client goes.
pub(super) async fn pause<D: Downstream>(down: &mut D, after: Duration) -> Result<(), Reason> {
    down.wait().arm(clock::now().after(after));
    poll_fn(|cx| {
        if down.is_body_over() && down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        down.wait().poll(cx).map(Ok)
    })
    .await
}

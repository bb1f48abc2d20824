//! Whether a request that failed at one backend goes to another, and when.
//!
//! ```text
//!   outcome of an attempt
//!        │  is it one of the causes the pool retries on?        no ─▶ NotOn
//!        │  is it safe to repeat?                               no ─▶ Unsafe
//!        │  are attempts left?                                  no ─▶ Attempts
//!        │  would it start before the deadline?                 no ─▶ Deadline, RetryAfter
//!        │  is there room in the pool's budget?                 no ─▶ Budget
//!        ▼
//!   Retry { after }, which owes the budget one `end`
//! ```
//!
//! Causes differ in what they cost. After a failed connect nothing was sent: the request reaches one backend in
//! any case, so it is counted in the budget but never refused by it, and a backend that dies costs no
//! request. The same holds for a request that met a kept connection just as the backend closed it (RFC 9112
//! §9.3.1). Every other retry is work that somebody may do twice, and needs room.
//!
//! A failed connection is retried at once, since the next attempt goes to another backend. After a status code
//! the backend is alive and short of something; the wait doubles with each attempt and is drawn between zero
//! and that ("full jitter"; M. Brooker, *Exponential Backoff and Jitter*, 2015), and never shorter than the
//! `Retry-After` that came with the answer.
//!
//! What it deliberately does not do: choose the backend (a pick never returns to one that was tried, see
//! [`crate::pick::Tried`]), hold the body, or read a clock.

mod budget;
mod statuses;

use std::time::Duration;

pub use budget::{BudgetRules, RetryBudget};
pub use statuses::Statuses;

use crate::rng::Rng;
use crate::time::{Tick, nanos};

/// When a pool repeats requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryRules {
    /// Most attempts for one request, the first included; 0 counts as 1.
    pub attempts: u32,
    /// Whether a connection that could not be made is a cause.
    pub on_connect_failure: bool,
    /// Whether a connection that ended before the head of the answer is a cause.
    pub on_reset: bool,
    /// Whether an answer that did not begin in time is a cause.
    pub on_timeout: bool,
    /// Status codes that are a cause.
    pub on_status: Statuses,
    /// Longest time from the start of one attempt to the head of its answer; `None` for the request's own.
    pub per_try: Option<Duration>,
    /// Upper end of the first wait after a status code; doubles with each attempt.
    pub backoff: Duration,
    /// Upper end of every wait.
    pub max_backoff: Duration,
    /// Longest `Retry-After` that is waited for; an answer that asks for more goes to the client.
    pub max_retry_after: Duration,
    /// How much may be repeated at once.
    pub budget: BudgetRules,
}

impl Default for RetryRules {
    /// Failed connects alone, three attempts, a fifth of the active requests and three more.
    fn default() -> Self {
        Self {
            attempts: 3,
            on_connect_failure: true,
            on_reset: false,
            on_timeout: false,
            on_status: Statuses::NONE,
            per_try: None,
            backoff: Duration::from_millis(25),
            max_backoff: Duration::from_millis(250),
            max_retry_after: Duration::from_secs(1),
            budget: BudgetRules { share: 0.2, least: 3 },
        }
    }
}

impl RetryRules {
    /// Whether any cause but a failed connect can lead to another attempt: only then is it worth keeping what
    /// was sent.
    pub fn repeats_what_was_sent(&self) -> bool {
        self.attempts > 1 && (self.on_reset || self.on_timeout || !self.on_status.is_empty())
    }

    /// When the attempt that starts now has to have the head of its answer, given the end of the whole
    /// request.
    pub fn try_deadline(&self, now: Tick, deadline: Option<Tick>) -> Option<Tick> {
        let own = self.per_try.map(|limit| now.after(limit));
        own.into_iter().chain(deadline).min()
    }
}

/// How an attempt ended that did not bring an answer to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection was not made, or the peer said that it processed nothing (HTTP/2 `REFUSED_STREAM`, a
    /// stream above the last one of `GOAWAY`): no byte of the request had an effect.
    NotSent,
    /// A connection that carried requests before ended without a byte of an answer.
    Stale,
    /// A fresh connection ended, or broke the protocol, before the head of an answer.
    Reset,
    /// The head of the answer did not come in time.
    Timeout,
    /// An answer with this status code came.
    Status {
        /// The code.
        code: u16,
        /// The wait that its `Retry-After` asks for.
        retry_after: Option<Duration>,
    },
}

/// What is there of the body of a request, when it may have to be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKept {
    /// The request has none.
    Empty,
    /// All of it is kept.
    Whole,
    /// At least a part of it is gone, or may be by then.
    Gone,
}

/// Whether a request means the same when it is sent twice: its method is idempotent (RFC 9110 §9.2.2, and
/// the safe methods of the IANA registry) or it carries an `Idempotency-Key`, and its body is still there.
pub fn is_repeatable(method: &[u8], has_idempotency_key: bool, body: BodyKept) -> bool {
    body != BodyKept::Gone && (has_idempotency_key || is_idempotent(method))
}

fn is_idempotent(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET"
            | b"HEAD"
            | b"OPTIONS"
            | b"TRACE"
            | b"PUT"
            | b"DELETE"
            | b"PROPFIND"
            | b"REPORT"
            | b"SEARCH"
            | b"QUERY"
    )
}

/// A request that had an attempt end, and what there is to decide by.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Attempts made so far, this one included.
    pub attempts: u32,
    /// Whether the request was already sent once more after [`Outcome::Stale`].
    pub was_stale: bool,
    /// Whether it may be sent twice; see [`is_repeatable`].
    pub repeatable: bool,
    /// Now.
    pub now: Tick,
    /// When the whole request has to be over.
    pub deadline: Option<Tick>,
    /// Requests that the backends of the pool have now, extra attempts included.
    pub in_flight: u32,
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The pool does not retry on this.
    NotOn,
    /// Sent twice, the request might act twice.
    Unsafe,
    /// As many attempts were made as may be.
    Attempts,
    /// It would start after the end of the request.
    Deadline,
    /// The backend asks for a longer wait than the pool allows.
    RetryAfter,
    /// Too much of the pool's traffic is repetition already.
    Budget,
}

impl GiveUp {
    /// The word for the access log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOn => "not-retried",
            Self::Unsafe => "not-repeatable",
            Self::Attempts => "attempts",
            Self::Deadline => "deadline",
            Self::RetryAfter => "retry-after",
            Self::Budget => "budget",
        }
    }
}

/// What happens to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It ends with what the attempt brought.
    GiveUp(GiveUp),
    /// It is sent once more. One was taken from the budget, and [`RetryBudget::end`] is owed once the attempt is
    /// over.
    Retry {
        /// The wait before that.
        after: Duration,
    },
}

/// Decides about one more attempt, and takes it from the budget. Constant cost, no allocation.
pub fn decide(rules: &RetryRules, ended: &Ended, budget: &RetryBudget, rng: &mut Rng) -> Decision {
    match wait(rules, ended, rng) {
        Err(why) => Decision::GiveUp(why),
        Ok(after) if adds_no_load(ended.outcome) => {
            budget.begin();
            Decision::Retry { after }
        }
        Ok(after) if budget.try_begin(&rules.budget, ended.in_flight) => Decision::Retry { after },
        Ok(_) => Decision::GiveUp(GiveUp::Budget),
    }
}

fn adds_no_load(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::NotSent | Outcome::Stale)
}

/// The wait before the next attempt, or why there is none; everything but the budget.
fn wait(rules: &RetryRules, ended: &Ended, rng: &mut Rng) -> Result<Duration, GiveUp> {
    let Ended { outcome, attempts, was_stale, repeatable, now, deadline, in_flight: _ } = *ended;
    let is_cause = match outcome {
        Outcome::NotSent => rules.on_connect_failure,
        // Once is part of using kept connections at all; a second time is a backend that resets.
        Outcome::Stale => !was_stale || rules.on_reset,
        Outcome::Reset => rules.on_reset,
        Outcome::Timeout => rules.on_timeout,
        Outcome::Status { code, .. } => rules.on_status.contains(code),
    };
    let is_replacement = outcome == Outcome::Stale && !was_stale;
    if !is_cause {
        return Err(GiveUp::NotOn);
    }
    if !repeatable && outcome != Outcome::NotSent {
        return Err(GiveUp::Unsafe);
    }
    if attempts >= rules.attempts.max(1) && !is_replacement {
        return Err(GiveUp::Attempts);
    }
    let after = match outcome {
        Outcome::Status { retry_after: Some(asked), .. } if asked > rules.max_retry_after => {
            return Err(GiveUp::RetryAfter);
        }
        Outcome::Status { retry_after, .. } => {
            backoff(rules, attempts, rng).max(retry_after.unwrap_or_default())
        }
        _ => Duration::ZERO,
    };
    match deadline {
        Some(deadline) if now.after(after) >= deadline => Err(GiveUp::Deadline),
        _ => Ok(after),
    }
}

/// A wait between zero and the bound that doubles with each attempt.
fn backoff(rules: &RetryRules, attempts: u32, rng: &mut Rng) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let bound = rules.backoff.saturating_mul(1 << doublings).min(rules.max_backoff);
    Duration::from_nanos(rng.below_wide(nanos(bound).saturating_add(1)))
}

#[cfg(test)]
mod tests;

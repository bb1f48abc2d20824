//! A request that waits long is also sent to a second backend, and whoever answers first is passed on.
//!
//! Only requests without a body that mean the same when sent twice, only once each, and only with room in the pool's
//! budget. Interim answers are left out, because they would belong to one of two stories. The slower attempt is
//! dropped with its connection, and told as cancelled; one that fails is judged like any other, and the other goes on.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;

use super::again::{self, Extra};
use super::between::{Failed, Picked, Way};
use super::downstream::Downstream;
use super::exchange::{Exchange, Place};
use super::forward::{answer_due, begin, connect_reason, connect_to, failed, kept};
use super::turn::Turn;
use super::verdict;
use crate::clock;
use crate::h1::ResponseHead;
use crate::queue::Queue;
use crate::upstream::Upstream;
use crate::wire::Mode;

/// The head of an answer, and the connection it came by.
type Answered = (Upstream, ResponseHead);
type Outcome = Result<Answered, Failed>;

/// After what time the request is sent to a second backend; `None` for those that never are.
pub(super) fn delay(way: &Way) -> Option<Duration> {
    let pool = &way.hit.pool;
    pool.conf.hedge.as_ref()?;
    let may = way.is_idempotent && !way.has_body() && !way.upgrade;
    pool.hedging.delay.get().filter(|_| may)
}

/// What came of the race.
pub(super) struct Raced {
    /// The answer that came first.
    pub(super) up: Upstream,
    /// Token of its backend, when the client is to be bound to it.
    pub(super) token: Option<u64>,
    /// What a second attempt holds of the budget.
    pub(super) extra: Option<Extra>,
}

/// One of the attempts under way.
struct Runner<'a> {
    attempt: Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>,
    place: &'a Place,
    /// When its answer must have begun.
    due: Tick,
}

impl<'a> Runner<'a> {
    fn start(exchange: &Exchange, head: &'a Queue, place: &'a Place, way: &'a Way) -> Self {
        verdict::begun(&exchange.client.state, place);
        let due = answer_due(place, place.since());
        Self { attempt: Box::pin(attempt(exchange, head, place, way)), place, due }
    }
}

/// What happens next in a race.
enum Next {
    /// The first attempt has taken its time.
    Hedge,
    /// This attempt is over.
    Ended(usize, Outcome),
}

/// Sends the request to `first`, and after `delay` also to what `second` picks. The winner's head is then in
/// `turn.response`, its place in the exchange; without one it is the place of the attempt that failed last.
pub(super) async fn race<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    first: Picked,
    way: &Way,
    delay: Duration,
    second: impl FnOnce(&mut Exchange) -> Option<Picked>,
) -> Result<Raced, Failed> {
    let head = std::mem::take(&mut turn.head);
    let (mut other, mut extra) = (None, None);
    exchange.note_picked();
    let second = |exchange: &mut Exchange| {
        extra = again::decide_hedge(way);
        extra.as_ref().and_then(|_| second(exchange))
    };
    let (is_first, outcome) = run(down, &head, exchange, &first.place, &mut other, way, delay, second).await;
    turn.head = head;
    if other.is_some() {
        exchange.note_hedged(&way.hit.pool, !is_first && outcome.is_ok());
    } else {
        // Nobody was there to be asked.
        extra = None;
    }
    let picked = other.filter(|_| !is_first).unwrap_or(first);
    let token = picked.bind.then(|| picked.place.backend.load.token());
    exchange.note_taken_over(picked.place);
    let (up, response) = outcome?;
    turn.response = response;
    Ok(Raced { up, token, extra })
}

/// Runs the attempts to the first answer. Tells whether what comes of it is of the first one.
#[expect(clippy::too_many_arguments, reason = "what two attempts need, and where the second one is kept")]
async fn run<D: Downstream>(
    down: &mut D,
    head: &Queue,
    exchange: &mut Exchange,
    first: &Place,
    other: &mut Option<Picked>,
    way: &Way,
    delay: Duration,
    second: impl FnOnce(&mut Exchange) -> Option<Picked>,
) -> (bool, Outcome) {
    let mut runners = vec![Runner::start(exchange, head, first, way)];
    let mut next = poll_next(down, &mut runners, Some(first.since().after(delay))).await;
    if let Ok(Next::Hedge) = next {
        *other = second(exchange);
        if let Some(other) = other {
            way.hit.pool.hedging.sent.fetch_add(1, Ordering::Relaxed);
            runners.push(Runner::start(exchange, head, &other.place, way));
        }
        next = poll_next(down, &mut runners, None).await;
    }
    loop {
        let (index, outcome) = match next {
            Ok(Next::Ended(index, outcome)) => (index, outcome),
            // Only asked for once.
            Ok(Next::Hedge) => (0, Err(Failed::Sent(Reason::FirstByteTimeout))),
            Err(failed) => (0, Err(failed)),
        };
        let ended = runners.remove(index);
        match outcome {
            // The other one may still do better.
            Err(failed @ (Failed::Unsent(_) | Failed::Stale(_) | Failed::Sent(_))) if !runners.is_empty() => {
                exchange.note_attempt(ended.place, Err(failed.reason()));
                next = poll_next(down, &mut runners, None).await;
            }
            outcome => {
                for slower in &runners {
                    exchange.note_cancelled(slower.place);
                }
                return (std::ptr::eq(ended.place, first), outcome);
            }
        }
    }
}

/// Waits for the first attempt to end, or for the time of another one. One that takes too long has ended.
async fn poll_next<D: Downstream>(
    down: &mut D,
    runners: &mut [Runner<'_>],
    hedge: Option<Tick>,
) -> Result<Next, Failed> {
    let last = runners.iter().enumerate().map(|(index, runner)| (runner.due, Some(index)));
    let rings = last.chain(hedge.map(|at| (at, None))).min_by_key(|(at, _)| *at);
    let (at, whose) = rings.unwrap_or((clock::now(), None));
    down.wait().arm(at);
    poll_fn(|cx| {
        for (index, runner) in runners.iter_mut().enumerate() {
            if let Poll::Ready(outcome) = runner.attempt.as_mut().poll(cx) {
                return Poll::Ready(Ok(Next::Ended(index, outcome)));
            }
        }
        if down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failed::Final(Reason::ClientGone)));
        }
        if down.wait().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let is_all = down.wait().is_past_limit(clock::now());
        Poll::Ready(match whose {
            _ if is_all => Err(Failed::Final(Reason::RequestTimeout)),
            Some(index) => Ok(Next::Ended(index, Err(Failed::Sent(Reason::FirstByteTimeout)))),
            None => Ok(Next::Hedge),
        })
    })
    .await
}

/// One attempt of a request without a body, which knows nothing of the client. A kept connection that turns out to be
/// closed is replaced by a fresh one, once.
fn attempt<'a>(
    exchange: &Exchange,
    head: &'a Queue,
    place: &'a Place,
    way: &'a Way,
) -> impl Future<Output = Outcome> + Send + 'a {
    let client = Arc::clone(&exchange.client);
    async move {
        if let Some(kept) = kept(place) {
            match ask(kept, head, place, way).await {
                Err(Failed::Stale(_)) => {}
                answered => return answered,
            }
        }
        let connecting = connect_to(&client, place);
        let made = tokio::time::timeout(place.pool.conf.connect_timeout, connecting).await;
        let made = made.map_err(|_| Failed::Unsent(Reason::ConnectTimeout))?;
        let fresh = made.map_err(|error| Failed::Unsent(connect_reason(&client.state, place, &error)))?;
        ask(fresh, head, place, way).await
    }
}

/// Sends the request by this connection and waits for the head of the answer.
async fn ask(mut up: Upstream, head: &Queue, place: &Place, way: &Way) -> Outcome {
    begin(&mut up, head, place, way, Mode::Plain);
    let mut response = ResponseHead::default();
    poll_fn(|cx| {
        // What cannot be written shows when the answer is read.
        let written = up.poll_finish(cx, b"");
        loop {
            match up.poll_head(cx, &mut response, way.to_head) {
                Poll::Ready(Ok(())) if response.is_interim() => up.skip_interim(&response),
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failed(&up, &failure, true))),
                Poll::Pending if matches!(written, Poll::Ready(Err(_))) => {
                    return Poll::Ready(Err(Failed::Sent(Reason::ClosedEarly)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await?;
    Ok((up, response))
}

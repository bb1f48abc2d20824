//! A request that waits long is also sent to a second backend, and whoever answers first is passed on.
//!
//! Only requests without a body that mean the same when sent twice, only once each, and only with room in the pool's
//! budget. Interim answers are left out, because they would belong to one of two stories. The slower attempt is
//! dropped with its connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aya_core::reason::Reason;

use super::again::{self, Extra};
use super::between::{Failed, Picked, Way};
use super::downstream::Downstream;
use super::exchange::{Exchange, Place};
use super::forward::{begin, connect_reason, connect_to, failed, kept};
use super::turn::Turn;
use crate::clock;
use crate::h1::ResponseHead;
use crate::queue::Queue;
use crate::upstream::Upstream;
use crate::wire::Mode;

/// The head of an answer, and the connection it came by.
type Answered = (Upstream, ResponseHead);
type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Answered, Failed>> + Send + 'a>>;

/// After what time the request is sent to a second backend; `None` for those that never are.
pub(super) fn delay(way: &Way) -> Option<Duration> {
    let pool = &way.hit.pool;
    pool.conf.hedge.as_ref()?;
    let may = way.is_idempotent && !way.has_body() && !way.upgrade;
    pool.hedge_delay.get().filter(|_| may)
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

/// Sends the request to `first`, and after `delay` also to what `second` picks. The winner's head is then in
/// `turn.response`, its place in the exchange.
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
    let raced = run(down, &head, exchange, first, way, delay, second).await;
    turn.head = head;
    let (raced, response) = raced?;
    turn.response = response;
    Ok(raced)
}

async fn run<D: Downstream>(
    down: &mut D,
    head: &Queue,
    exchange: &mut Exchange,
    first: Picked,
    way: &Way,
    delay: Duration,
    second: impl FnOnce(&mut Exchange) -> Option<Picked>,
) -> Result<(Raced, ResponseHead), Failed> {
    let token_of = |picked: &Picked| picked.bind.then(|| picked.place.backend.load.token());
    let token = token_of(&first);
    // Declared first, because both attempts borrow for the same time.
    let other: Picked;
    let mut one: Attempt<'_> = Box::pin(attempt(exchange, head, &first.place, way));
    down.wait().arm(clock::now().after(delay));
    if let Some(ended) = wait(down, &mut [&mut one]).await? {
        drop(one);
        return end(exchange, first.place, token, None, ended.1);
    }
    let extra = again::decide_hedge(way);
    let Some(picked) = extra.as_ref().and_then(|_| second(exchange)) else {
        arm(down, way);
        let ended = wait(down, &mut [&mut one]).await?.ok_or(Failed::Sent(Reason::FirstByteTimeout))?;
        drop(one);
        return end(exchange, first.place, token, None, ended.1);
    };
    other = picked;
    let other_token = token_of(&other);
    let mut two: Attempt<'_> = Box::pin(attempt(exchange, head, &other.place, way));
    arm(down, way);
    let ended = wait(down, &mut [&mut one, &mut two]).await?.ok_or(Failed::Sent(Reason::FirstByteTimeout))?;
    let (winner, result) = ended;
    let (result, winner) = match (result, winner) {
        (Ok(answered), winner) => (Ok(answered), winner),
        // The other one may still do better.
        (Err(_), 0) => (wait(down, &mut [&mut two]).await?.map_or(Err(late()), |e| e.1), 1),
        (Err(_), _) => (wait(down, &mut [&mut one]).await?.map_or(Err(late()), |e| e.1), 0),
    };
    drop((one, two));
    let (place, token) = if winner == 0 { (first.place, token) } else { (other.place, other_token) };
    end(exchange, place, token, extra, result)
}

fn late() -> Failed {
    Failed::Sent(Reason::FirstByteTimeout)
}

fn arm<D: Downstream>(down: &mut D, way: &Way) {
    let conf = &way.hit.pool.conf;
    down.wait().arm(clock::now().after(conf.retry.rules.per_try.unwrap_or(conf.first_byte_timeout)));
}

fn end(
    exchange: &mut Exchange,
    place: Place,
    token: Option<u64>,
    extra: Option<Extra>,
    result: Result<Answered, Failed>,
) -> Result<(Raced, ResponseHead), Failed> {
    exchange.place = Some(place);
    exchange.note_picked();
    exchange.note_connected();
    let (up, response) = result?;
    Ok((Raced { up, token, extra }, response))
}

/// Waits for the first of several attempts to end, and says which. `None` once the armed time has passed.
async fn wait<D: Downstream>(
    down: &mut D,
    attempts: &mut [&mut Attempt<'_>],
) -> Result<Option<(usize, Result<Answered, Failed>)>, Failed> {
    poll_fn(|cx| {
        for (index, attempt) in attempts.iter_mut().enumerate() {
            if let Poll::Ready(ended) = attempt.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some((index, ended))));
            }
        }
        if down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failed::Final(Reason::ClientGone)));
        }
        if down.wait().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let is_all = down.wait().is_past_limit(clock::now());
        Poll::Ready(if is_all { Err(Failed::Final(Reason::RequestTimeout)) } else { Ok(None) })
    })
    .await
}

/// One attempt of a request without a body, which knows nothing of the client.
fn attempt<'a>(
    exchange: &Exchange,
    head: &'a Queue,
    place: &'a Place,
    way: &'a Way,
) -> impl Future<Output = Result<Answered, Failed>> + Send + 'a {
    let client = Arc::clone(&exchange.client);
    async move {
        let mut up = if let Some(kept) = kept(place) {
            kept
        } else {
            let connecting = connect_to(&client, place);
            let made = tokio::time::timeout(place.pool.conf.connect_timeout, connecting).await;
            let made = made.map_err(|_| Failed::Unsent(Reason::ConnectTimeout))?;
            made.map_err(|error| Failed::Unsent(connect_reason(&client.state, place, &error)))?
        };
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
}

//! A request that waits long is also sent to a second backend, and whoever answers first is passed on.
//!
//! Only requests without a body that mean the same when sent twice, only once each, and only with room in the pool's
//! budget. Interim answers of both are passed on as they come: they bind nobody to anything. Each attempt has its own
//! deadlines, counted from its own beginning. The slower attempt is dropped with its connection, and says nothing about
//! its backend; one that failed does.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;

use super::again::{self, Extra};
use super::between::{Failed, Picked, Way};
use super::client::Client;
use super::downstream::{Downstream, Reply};
use super::exchange::{Exchange, Place};
use super::forward::{
    MOST_INTERIM, answer_due, begin, connect_due, connect_reason, connect_to, failed, kept,
};
use super::struck::{fate, struck_due};
use super::turn::Turn;
use crate::chaos::Struck;
use crate::clock;
use crate::h1::ResponseHead;
use crate::queue::Queue;
use crate::upstream::Upstream;
use crate::wire::Mode;

/// The head of an answer, the connection it came by, and since when that was there.
type Answered = (Upstream, ResponseHead, Tick);
type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Answered, Lost>> + Send + 'a>>;

/// An attempt that gave no answer.
#[derive(Debug)]
struct Lost {
    failed: Failed,
    /// What the system or TLS said, where there was no connection.
    cause: Option<Box<str>>,
}

impl From<Failed> for Lost {
    fn from(failed: Failed) -> Self {
        Self { failed, cause: None }
    }
}

/// After what time the request is sent to a second backend; `None` for those that never are.
pub(super) fn delay(way: &Way) -> Option<Duration> {
    let pool = &way.hit.pool;
    pool.conf.hedge.as_ref()?;
    let may = way.is_idempotent && !way.has_body() && !way.upgrade;
    pool.hedging.delay.get().filter(|_| may)
}

/// What came of the race.
pub(super) struct Raced {
    /// The answer that came first, and the token of its backend when the client is to be bound to it; or how the last
    /// attempt failed.
    pub(super) answered: Result<(Upstream, Option<u64>), Failed>,
    /// What a second attempt holds of the budget.
    pub(super) extra: Option<Extra>,
}

/// Interim answers on their way from attempts, which know nothing of the client, to whoever waits for them in the same
/// task; so the lock is always free.
#[derive(Default)]
struct Interims(Mutex<Vec<(Vec<u8>, ResponseHead)>>);

impl Interims {
    fn lock(&self) -> MutexGuard<'_, Vec<(Vec<u8>, ResponseHead)>> {
        // Every holder leaves a whole list behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what came. An error is the client's.
    fn poll_pass<D: Downstream>(&self, cx: &mut Context<'_>, down: &mut D) -> Result<(), Failed> {
        for (bytes, head) in self.lock().drain(..) {
            down.interim(Reply { bytes: &bytes, head: &head, added: b"", switches: false });
        }
        match down.poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(Failed::Final(Reason::ClientGone)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }
}

/// How two attempts ended, or one.
struct Finish {
    /// The second one counts.
    is_second: bool,
    result: Result<Answered, Lost>,
    /// How the one that does not count had failed, if it had.
    before: Option<Lost>,
}

impl Finish {
    fn of_first(result: Result<Answered, Lost>) -> Self {
        Self { is_second: false, result, before: None }
    }
}

/// The second attempt, once there is one.
#[derive(Default)]
struct Second {
    picked: OnceCell<Picked>,
    extra: Option<Extra>,
}

/// Sends the request to `first`, and after `delay` also to what `second` picks. The head of the answer is then in
/// `turn.response`, the place of the attempt that counts in the exchange.
pub(super) async fn race<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    first: Picked,
    way: &Way,
    delay: Duration,
    second: impl FnOnce(&mut Exchange) -> Option<Picked>,
) -> Raced {
    if way.hit.pool.conf.proxy_protocol.is_some() {
        down.learn_local();
    }
    let head = std::mem::take(&mut turn.head);
    let mut other = Second::default();
    exchange.note_pick_at(first.place.since());
    if let Some(breakdown) = &mut exchange.breakdown {
        breakdown.attempt(&first.place);
    }
    let finish = run(down, &head, exchange, &first.place, way, delay, &mut other, second).await;
    turn.head = head;
    let Second { picked, extra } = other;
    let counts = match picked.into_inner() {
        None => first,
        Some(second) => {
            let (counts, lost) = if finish.is_second { (second, first) } else { (first, second) };
            give_up(exchange, lost.place, finish.before);
            exchange.note_hedged(&way.hit.pool, finish.is_second && finish.result.is_ok());
            counts
        }
    };
    let token = counts.bind.then(|| counts.place.backend().load.token());
    exchange.place = Some(counts.place);
    exchange.note_picked();
    let answered = match finish.result {
        Ok((up, response, connected)) => {
            exchange.note_connected_at(connected);
            turn.response = response;
            Ok((up, token))
        }
        Err(lost) => {
            exchange.cause = lost.cause;
            Err(lost.failed)
        }
    };
    Raced { answered, extra }
}

/// Remembers the attempt that does not count.
fn give_up(exchange: &mut Exchange, place: Place, lost: Option<Lost>) {
    match lost {
        Some(Lost { failed, cause }) => {
            (exchange.place, exchange.cause) = (Some(place), cause);
            exchange.note_failed_attempt(Err(failed.reason()));
        }
        None => exchange.note_given_up(&place),
    }
}

#[expect(clippy::too_many_arguments, reason = "what two attempts need, and where the second one is kept")]
async fn run<D: Downstream>(
    down: &mut D,
    head: &Queue,
    exchange: &mut Exchange,
    first: &Place,
    way: &Way,
    delay: Duration,
    other: &mut Second,
    second: impl FnOnce(&mut Exchange) -> Option<Picked>,
) -> Finish {
    let interims = Interims::default();
    let mut one: Attempt<'_> = Box::pin(attempt(exchange, head, first, way, &interims));
    down.wait().arm(clock::now().after(delay));
    match wait(down, &interims, &mut [&mut one]).await {
        Ok(Some((_, result))) => return Finish::of_first(result),
        Ok(None) => down.wait().arm(Tick::from_nanos(u64::MAX)),
        Err(failed) => return Finish::of_first(Err(failed.into())),
    }
    other.extra = again::decide_hedge(way);
    let picked = other.extra.as_ref().and_then(|_| second(exchange));
    let Some(picked) = picked.map(|picked| other.picked.get_or_init(|| picked)) else {
        // Nobody is there to be asked, so nothing is held for it.
        other.extra = None;
        return Finish::of_first(last(down, &interims, &mut one).await);
    };
    way.hit.pool.hedging.sent.fetch_add(1, Ordering::Relaxed);
    let mut two: Attempt<'_> = Box::pin(attempt(exchange, head, &picked.place, way, &interims));
    let (index, result) = match wait(down, &interims, &mut [&mut one, &mut two]).await {
        Ok(Some(ended)) => ended,
        Ok(None) => (0, Err(Failed::Final(Reason::RequestTimeout).into())),
        Err(failed) => (0, Err(failed.into())),
    };
    match result {
        // The other one may still do better.
        Err(lost) if !matches!(lost.failed, Failed::Final(_)) => {
            let result = last(down, &interims, if index == 0 { &mut two } else { &mut one }).await;
            Finish { is_second: index == 0, result, before: Some(lost) }
        }
        result => Finish { is_second: index == 1, result, before: None },
    }
}

/// Waits for the only attempt that is left.
async fn last<D: Downstream>(
    down: &mut D,
    interims: &Interims,
    attempt: &mut Attempt<'_>,
) -> Result<Answered, Lost> {
    match wait(down, interims, &mut [attempt]).await {
        Ok(Some((_, result))) => result,
        Ok(None) => Err(Failed::Final(Reason::RequestTimeout).into()),
        Err(failed) => Err(failed.into()),
    }
}

/// Waits for the first of several attempts to end, and says which. `None` once the armed time has passed.
async fn wait<D: Downstream>(
    down: &mut D,
    interims: &Interims,
    attempts: &mut [&mut Attempt<'_>],
) -> Result<Option<(usize, Result<Answered, Lost>)>, Failed> {
    poll_fn(|cx| {
        let ended = attempts.iter_mut().enumerate().find_map(|(index, attempt)| {
            let Poll::Ready(ended) = attempt.as_mut().poll(cx) else { return None };
            Some((index, ended))
        });
        interims.poll_pass(cx, down)?;
        if ended.is_some() {
            return Poll::Ready(Ok(ended));
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

/// One attempt of a request without a body, which knows nothing of the client. As in `forward`, a kept connection that
/// turns out to be closed is replaced by a fresh one.
fn attempt<'a>(
    exchange: &mut Exchange,
    head: &'a Queue,
    place: &'a Place,
    way: &'a Way,
    interims: &'a Interims,
) -> impl Future<Output = Result<Answered, Lost>> + Send + 'a {
    let mut struck =
        if exchange.client.state.faults.is_idle() { None } else { exchange.strike_at(place, head.data()) };
    let client = Arc::clone(&exchange.client);
    async move {
        if let Some(struck) = &mut struck {
            suffer(&client, place, struck).await?;
        }
        if let Some(kept) = kept(place).filter(|_| struck.as_ref().is_none_or(|struck| !struck.wants_own())) {
            match ask(kept, head, place, way, interims, struck.as_deref()).await {
                Err(Failed::Stale(_)) => {}
                ended => return ended.map_err(Lost::from),
            }
        }
        let due = clock::instant(connect_due(place, clock::now()));
        let connecting = connect_to(&client, place, struck.as_deref_mut(), way.to_head);
        let made = tokio::time::timeout_at(due, connecting).await;
        let fresh = made.map_err(|_| Failed::Unsent(Reason::ConnectTimeout))?.map_err(|error| {
            let (reason, cause) = connect_reason(&client.state, place, &error);
            Lost { failed: Failed::Unsent(reason), cause }
        })?;
        ask(fresh, head, place, way, interims, struck.as_deref()).await.map_err(Lost::from)
    }
}

/// Lets an attempt feel faults that act before its connection, as `forward` does.
async fn suffer(client: &Client, place: &Place, struck: &mut Struck) -> Result<(), Failed> {
    let due = clock::instant(answer_due(place, place.since()));
    let waited = tokio::time::timeout_at(due, struck.wait()).await;
    waited.map_err(|_| Failed::Sent(Reason::FirstByteTimeout))?;
    fate(&client.state, place, struck).map_or(Ok(()), Err)
}

/// Sends the request, and waits for the head of the answer.
async fn ask(
    mut up: Upstream,
    head: &Queue,
    place: &Place,
    way: &Way,
    interims: &Interims,
    struck: Option<&Struck>,
) -> Result<Answered, Failed> {
    begin(&mut up, head, place, way, Mode::Plain);
    let mut response = ResponseHead::default();
    let connected = clock::now();
    let due = clock::instant(struck_due(place, connected, struck));
    let mut interim = 0;
    let answered = poll_fn(|cx| {
        // What cannot be written shows when the answer is read.
        let written = up.poll_finish(cx, b"");
        loop {
            match up.poll_head(cx, &mut response, way.to_head) {
                Poll::Ready(Ok(())) if response.is_interim() => {
                    interim += 1;
                    if interim > MOST_INTERIM {
                        return Poll::Ready(Err(Failed::Sent(Reason::BadResponse)));
                    }
                    interims.lock().push((up.head_bytes(&response).to_vec(), response.clone()));
                    up.skip_interim(&response);
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failed(&up, &failure, true))),
                Poll::Pending if matches!(written, Poll::Ready(Err(_))) => {
                    return Poll::Ready(Err(Failed::Sent(Reason::ClosedEarly)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let answered = tokio::time::timeout_at(due, answered).await;
    answered.map_err(|_| Failed::Sent(Reason::FirstByteTimeout))??;
    Ok((up, response, connected))
}

//! The way of a request. This file calls the steps one after the other and is the whole story on one screen:
//!
//! `accept → parse → route → guard → admit → pick → forward → respond → record`
//!
//! Each step is a file of its own and knows none of the others. What passes between them has a name:
//! `Target`, `Hit`, `Identity`, `Picked`, `Answer` (all in `between`), and [`exchange::Exchange`], which travels
//! along and is recorded exactly once, whatever happens.
//!
//! Budget for a small request: one snapshot comparison, two clock reads, no lock and no allocation in
//! `route`, `admit` and `pick`.

pub mod accept;
mod admit;
mod again;
pub mod between;
pub mod client;
pub mod client_hello;
mod closing;
mod downstream;
pub mod exchange;
mod forward;
mod guard;
mod h1;
mod head;
mod hedge;
mod hop;
mod introduce;
pub mod notes;
mod parse;
mod pass;
mod pick;
mod record;
mod respond;
mod route;
mod tcp;
mod turn;
mod unread;
mod verdict;
mod wait;
mod words;
pub mod worker;

use std::sync::Arc;

use aya_core::pick::Tried;
use aya_core::reason::Reason;
use aya_core::retry;

use self::between::{Failed, Request, Way};
use self::downstream::Downstream;
use self::exchange::Exchange;
use self::pass::{Kept, Upload};
use self::respond::Manner;
use self::turn::Turn;
use crate::clock;
use crate::h1::Known;
use crate::queue::Queue;

/// What is known of a request before anything of it was sent.
struct Prepared {
    manner: Manner,
    way: Result<Way, Instead>,
}

/// What is answered in place of a backend.
enum Instead {
    /// Why it is not asked.
    Refuse(Reason),
    /// An ACME directory is shown that a name is ours.
    Prove(Arc<str>),
}

impl From<Reason> for Instead {
    fn from(reason: Reason) -> Self {
        Self::Refuse(reason)
    }
}

/// Why a request ended without a whole answer of a backend.
enum Stop {
    /// Nothing was answered yet.
    Refuse(Reason),
    /// The answer has begun.
    Cut(Reason),
}

/// The steps up to `admit`, and the head for a backend, written to `out`. Nothing here waits.
fn prepare(
    exchange: &mut Exchange,
    request: &Request<'_>,
    normal: &mut Vec<u8>,
    out: &mut Queue,
) -> Prepared {
    let manner = Manner::of(request);
    Prepared { manner, way: find_way(exchange, request, normal, out) }
}

fn find_way(
    exchange: &mut Exchange,
    request: &Request<'_>,
    normal: &mut Vec<u8>,
    out: &mut Queue,
) -> Result<Way, Instead> {
    let client = Arc::clone(&exchange.client);
    let target = parse::parse(request, client.scheme(), normal)?;
    exchange.note_request(request, &target);
    if let Some(proof) = respond::proof(&client, &target) {
        return Err(Instead::Prove(proof));
    }
    let hit = route::route(&client, request, &target)?;
    let identity = guard::identify(&client, request);
    admit::admit(&client, request)?;

    let id = exchange.note_identity(request, &identity);
    head::write(&client, request, &target, id.as_bytes(), out);
    Ok(Way {
        binding: pick::binding(&hit, &identity, request),
        to_head: request.method() == b"HEAD",
        upgrade: request.head.upgrade,
        names_host: !request.head.authority.is_empty(),
        is_idempotent: retry::is_repeatable(
            std::str::from_utf8(request.method()).unwrap_or_default(),
            request.head.fields.has(Known::IdempotencyKey),
            retry::BodyKept::Whole,
        ),
        expects_continue: request.head.expects_continue,
        is_paced: !is_grpc(request),
        framing: request.head.framing,
        hit,
    })
}

/// True for a call of gRPC: its body is one half of a conversation, and may pause.
fn is_grpc(request: &Request<'_>) -> bool {
    const KIND: &[u8] = b"application/grpc";
    request
        .get(Known::ContentType)
        .and_then(|kind| kind.get(..KIND.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
}

/// Serves one request to its end. Never fails: whatever goes wrong is an answer, or the end of one.
async fn serve<D: Downstream>(down: &mut D, turn: &mut Turn, exchange: &mut Exchange, prepared: Prepared) {
    let handled = match prepared.way {
        Ok(way) => handle(down, turn, exchange, &way).await,
        Err(Instead::Refuse(reason)) => Err(Stop::Refuse(reason)),
        Err(Instead::Prove(proof)) => {
            respond::prove(down, turn, exchange, &proof).await;
            Ok(())
        }
    };
    match handled {
        Ok(()) => {}
        Err(Stop::Refuse(Reason::ClientGone)) => {
            exchange.bytes_received = down.received();
            exchange.failed(Reason::ClientGone, clock::now());
            down.cut();
        }
        Err(Stop::Refuse(reason)) => respond::refuse(down, turn, exchange, reason, prepared.manner).await,
        Err(Stop::Cut(reason)) => {
            exchange.bytes_received = down.received();
            exchange.failed(reason, clock::now());
            down.cut();
        }
    }
    turn.head.clear();
}

async fn handle<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    way: &Way,
) -> Result<(), Stop> {
    let conf = &way.hit.pool.conf;
    down.wait().limit(conf.request_timeout.map(|limit| exchange.started.after(limit)));
    let kept = if conf.retry.rules.repeats_what_was_sent() { conf.retry.body } else { 0 };
    let mut upload = Upload::new(down.client().listener.conf.max_body_bytes, Kept::up_to(kept));
    upload.unmet = way.expects_continue && way.has_body();
    let mut tried = Tried::new();
    let mut next = pick::pick(&way.hit, &way.binding, &tried, exchange);
    let mut extra = None;
    loop {
        let picked = next.take().ok_or(Stop::Refuse(Reason::NoBackend))?;
        tried.push(picked.index);
        let mut token = picked.bind.then(|| picked.place.backend.load.token());
        let answered = match hedge::delay(way).filter(|_| tried.len() == 1) {
            None => forward::forward(down, turn, exchange, picked, way, &mut upload).await,
            Some(delay) => {
                let second = |exchange: &mut Exchange| {
                    let other = pick::pick(&way.hit, &way.binding, &tried, exchange)?;
                    tried.push(other.index);
                    Some(other)
                };
                let raced = Box::pin(hedge::race(down, turn, exchange, picked, way, delay, second)).await;
                raced.map(|raced| {
                    (token, extra) = (raced.token, raced.extra);
                    raced.up
                })
            }
        };
        let outcome = match &answered {
            Ok(up) if conf.retry.rules.on_status.contains(turn.response.status) => {
                Some(again::outcome_of_answer(&turn.response, up.head_bytes(&turn.response)))
            }
            Ok(_) => None,
            Err(failed) => again::outcome_of(*failed),
        };
        let is_repeatable = forward::is_repeatable(way, &upload);
        let more = outcome.and_then(|outcome| again::decide(exchange, way, is_repeatable, outcome));
        if let Some(more) = more {
            next = pick::pick(&way.hit, &way.binding, &tried, exchange);
            if next.is_some() {
                exchange.note_failed_attempt(
                    answered.as_ref().map(|_| turn.response.status).map_err(|f| f.reason()),
                );
                again::pause(down, more.after).await.map_err(Stop::Refuse)?;
                extra = Some(more);
                upload.again();
                continue;
            }
        }
        let ended = match answered {
            Ok(up) if turn.response.status == 101 && way.upgrade => {
                respond::switch(down, turn, exchange, up, &mut upload).await.map_err(Stop::Cut)
            }
            // Nobody asked for another protocol.
            Ok(_) if turn.response.status == 101 => Err(Stop::Refuse(Reason::BadResponse)),
            Ok(up) => respond::pass_on(down, turn, exchange, up, &mut upload, token).await.map_err(Stop::Cut),
            Err(Failed::Unsent(reason)) => {
                exchange.note_failed_attempt(Err(reason));
                Err(Stop::Refuse(reason))
            }
            Err(failed) => Err(Stop::Refuse(failed.reason())),
        };
        drop(extra);
        return ended;
    }
}

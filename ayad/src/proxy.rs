//! The way of a request. This file calls the steps one after the other and is the whole story on one screen:
//!
//! `accept → parse → route → guard → admit → pick → forward → respond → record`
//!
//! Each step is a file of its own and knows none of the others. What passes between them has a name:
//! `Request`, `Target`, `Hit`, `Identity`, `Way`, `Picked` (all in `between`), and [`exchange::Exchange`], which travels
//! along and is recorded exactly once, whatever happens. The client is a `Downstream`, whichever protocol it speaks,
//! and the backend an [`Upstream`].
//!
//! Budget for a small request: one snapshot comparison, two clock reads, no lock and no allocation in
//! `route`, `admit` and `pick`.

pub mod accept;
mod admit;
mod again;
pub mod between;
mod body;
mod breakdown;
pub mod client;
pub mod client_hello;
mod closing;
mod downstream;
pub mod exchange;
mod forward;
mod grpc;
mod guard;
mod h1;
mod h2;
mod head;
mod hedge;
mod hop;
mod introduce;
pub mod notes;
mod parse;
mod pass;
mod pick;
mod record;
mod report;
mod respond;
mod route;
mod shadow;
mod struck;
mod tcp;
pub mod trace;
mod turn;
mod unread;
mod verdict;
mod wait;
mod words;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use aya_core::pick::Tried;
use aya_core::reason::Reason;
use aya_core::retry;

use self::again::Extra;
use self::between::{Failed, Picked, Request, Way};
use self::body::{Body, Json};
use self::downstream::{Downstream, Reply};
use self::exchange::Exchange;
use self::notes::Id;
use self::pass::{Kept, Upload};
use self::respond::Manner;
use self::route::Unrouted;
use self::turn::Turn;
use crate::clock;
use crate::config::UpstreamProtocol;
use crate::h1::{Known, RequestHead};
use crate::queue::Queue;
use crate::upstream::Upstream;
use crate::wire::Mode;

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
    /// Nothing yet: a route depends on the body.
    Read(Box<Held>),
}

/// A request that is routed once its body was read.
struct Held {
    /// Its head.
    bytes: Vec<u8>,
    protocol: &'static str,
    /// Most bytes that are read.
    limit: usize,
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
    Prepared { manner, way: find_way(exchange, request, normal, out, &Body::Unread) }
}

fn find_way(
    exchange: &mut Exchange,
    request: &Request<'_>,
    normal: &mut Vec<u8>,
    out: &mut Queue,
    body: &Body,
) -> Result<Way, Instead> {
    let target = parse::parse(request, exchange.client.scheme(), normal)
        .map_err(|refusal| exchange.note_unread(refusal))?;
    exchange.note_request(request, &target);
    if let Some(proof) = respond::proof(&exchange.client, &target) {
        return Err(Instead::Prove(proof));
    }
    let who = || guard::identify(&exchange.client, request).address;
    let hit =
        route::route(&exchange.client, request, &target, &who, body).map_err(|unrouted| match unrouted {
            Unrouted::Refuse(reason) => Instead::Refuse(reason),
            Unrouted::Read(limit) => {
                let (bytes, protocol) = (request.bytes.to_vec(), request.protocol);
                Instead::Read(Box::new(Held { bytes, protocol, limit }))
            }
        })?;
    exchange.note_routed(&hit);
    let identity = guard::identify(&exchange.client, request);
    admit::admit(&exchange.client, request)?;

    exchange.note_identity(request, &identity);
    exchange.note_run(request);
    let id = exchange.id.as_ref().map(Id::as_bytes).unwrap_or_default();
    let expects_continue = request.head.expects_continue && matches!(body, Body::Unread);
    head::write(&exchange.client, request, &target, id, matches!(body, Body::Unread), out);
    Ok(Way {
        binding: pick::binding(&hit, &identity, request, &target),
        to_head: request.method() == b"HEAD",
        upgrade: request.head.upgrade,
        names_host: !request.head.authority.is_empty(),
        is_idempotent: retry::is_repeatable(
            request.method(),
            request.head.fields.has(Known::IdempotencyKey),
            retry::BodyKept::Whole,
        ),
        expects_continue,
        // A call's body is one half of a conversation, and may pause.
        is_paced: grpc::spoken(request.bytes, &request.head.fields).is_none(),
        framing: request.head.framing,
        hit,
    })
}

/// A request that is being served. Dropped before its end, its client can tell, and the record has what was passed on.
struct Serving<'s, D: Downstream> {
    down: &'s mut D,
    exchange: &'s mut Exchange,
    is_over: bool,
}

impl<D: Downstream> Serving<'_, D> {
    /// Nothing more can be told to the client.
    fn cut(&mut self, reason: Reason) {
        self.exchange.bytes_received = self.down.received();
        self.exchange.failed(reason, clock::now());
        self.down.cut();
    }
}

impl<D: Downstream> Drop for Serving<'_, D> {
    fn drop(&mut self) {
        // What panicked is in no state to be asked.
        if !self.is_over && !std::thread::panicking() {
            self.cut(self.exchange.client.state.reason_of_drop());
        }
    }
}

/// Serves one request to its end. Never fails: whatever goes wrong is an answer, or the end of one.
async fn serve<D: Downstream>(down: &mut D, turn: &mut Turn, exchange: &mut Exchange, prepared: Prepared) {
    let mut serving = Serving { down, exchange, is_over: false };
    let Serving { down, exchange, .. } = &mut serving;
    let (way, early) = match prepared.way {
        Err(Instead::Read(held)) => Box::pin(read_first(*down, turn, exchange, *held)).await,
        way => (way, Vec::new()),
    };
    let handled = match way {
        Ok(way) => handle(*down, turn, exchange, &way, early).await,
        // A body is read once.
        Err(Instead::Read(_)) => Err(Stop::Refuse(Reason::NoRoute)),
        Err(Instead::Refuse(reason)) => Err(Stop::Refuse(reason)),
        Err(Instead::Prove(proof)) => {
            respond::prove(*down, turn, exchange, &proof).await;
            Ok(())
        }
    };
    if let Err(Stop::Refuse(Reason::BadRequest) | Stop::Cut(Reason::BadRequest)) = handled
        && exchange.cause.is_none()
    {
        exchange.cause = down.fault().map(Into::into);
    }
    match handled {
        Ok(()) => {}
        Err(Stop::Cut(reason) | Stop::Refuse(reason @ Reason::ClientGone)) => serving.cut(reason),
        Err(Stop::Refuse(reason)) => respond::refuse(*down, turn, exchange, reason, prepared.manner).await,
    }
    serving.is_over = true;
    turn.head.clear();
}

/// Reads what may be read of the body, and only then finds the way. What was read is sent on first.
async fn read_first<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    held: Held,
) -> (Result<Way, Instead>, Vec<u8>) {
    down.unframe();
    turn.upload_mode = Mode::Chunks;
    if let Err(reason) = admit::admit(&exchange.client, &held.request(&turn.request)) {
        return (Err(reason.into()), Vec::new());
    }
    if turn.request.expects_continue {
        forward::say_continue(down, turn);
    }
    let (bytes, is_all) = match body::read(down, held.limit).await {
        Ok(read) => read,
        Err(reason) => return (Err(reason.into()), Vec::new()),
    };
    let body = if is_all { Body::of(&bytes) } else { Body::Read(Json::Other) };
    let Turn { request: head, normal, head: out, .. } = turn;
    let way = find_way(exchange, &held.request(head), normal, out, &body);
    (way, bytes)
}

impl Held {
    fn request<'r>(&'r self, head: &'r RequestHead) -> Request<'r> {
        Request { bytes: &self.bytes, head, protocol: self.protocol }
    }
}

async fn handle<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    way: &Way,
    early: Vec<u8>,
) -> Result<(), Stop> {
    let conf = &way.hit.pool.conf;
    down.wait().limit(conf.request_timeout.map(|limit| exchange.started.after(limit)));
    let kept = if conf.retry.rules.repeats_what_was_sent() { conf.retry.body } else { 0 };
    if conf.protocol != UpstreamProtocol::Http1 {
        down.unframe();
        turn.upload_mode = Mode::Chunks;
    }
    let mut upload = Upload::new(down.client().listener.conf.max_body_bytes, Kept::beginning(early, kept));
    upload.unmet = way.expects_continue && way.has_body();
    let mut tried = Tried::new();
    let mut next = pick::pick(&way.hit, &way.binding, &tried, exchange);
    let mut extra = None;
    loop {
        let picked = next.take().ok_or(Stop::Refuse(Reason::NoBackend))?;
        tried.push(picked.index);
        let token = picked.bind.then(|| picked.place.backend().load.token());
        let sent = match hedge::delay(way).filter(|_| tried.len() == 1) {
            None => {
                let up = forward::forward(down, turn, exchange, picked, way, &mut upload).await;
                up.map(|up| Answered { up, token })
            }
            Some(delay) => {
                Box::pin(race(down, turn, exchange, picked, way, delay, &mut tried, &mut extra)).await
            }
        };
        if let Some(more) = once_more(turn, exchange, way, &upload, &sent) {
            // A place is taken when its attempt begins; before a wait it is enough that there is one.
            let after = Some(more.after).filter(|after| !after.is_zero());
            let has_other = match after {
                None => {
                    next = pick::pick(&way.hit, &way.binding, &tried, exchange);
                    next.is_some()
                }
                Some(_) => pick::has_other(&way.hit, &tried),
            };
            if has_other {
                let outcome = sent.as_ref().map(|_| turn.response.status).map_err(|failed| failed.reason());
                exchange.note_failed_attempt(outcome);
                drop(sent);
                extra = Some(more);
                if let Some(after) = after {
                    again::pause(down, after).await.map_err(Stop::Refuse)?;
                    next = pick::pick(&way.hit, &way.binding, &tried, exchange);
                }
                upload.again();
                continue;
            }
        }
        let ended = answer(down, turn, exchange, way, sent, &mut upload).await;
        drop(extra);
        return ended;
    }
}

/// A backend's answer, and the token of the backend when the client is to be bound to it.
struct Answered {
    up: Upstream,
    token: Option<u64>,
}

/// Sends the request to `first`, and when that takes long to another one as well.
#[expect(clippy::too_many_arguments, reason = "what an attempt needs, and what is known of those before")]
async fn race<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    first: Picked,
    way: &Way,
    delay: Duration,
    tried: &mut Tried,
    extra: &mut Option<Extra>,
) -> Result<Answered, Failed> {
    let second = |exchange: &mut Exchange| {
        let other = pick::pick(&way.hit, &way.binding, tried, exchange)?;
        tried.push(other.index);
        Some(other)
    };
    let raced = hedge::race(down, turn, exchange, first, way, delay, second).await;
    *extra = raced.extra;
    raced.answered.map(|(up, token)| Answered { up, token })
}

/// A further attempt, when what came of this one is a cause for it.
fn once_more(
    turn: &Turn,
    exchange: &Exchange,
    way: &Way,
    upload: &Upload,
    sent: &Result<Answered, Failed>,
) -> Option<Extra> {
    let outcome = match sent {
        Ok(Answered { up, .. }) => {
            let is_cause = way.hit.pool.conf.retry.rules.on_status.contains(turn.response.status);
            is_cause.then(|| again::outcome_of_answer(&turn.response, up.head_bytes(&turn.response)))?
        }
        Err(failed) => again::outcome_of(*failed)?,
    };
    again::decide(exchange, way, forward::is_repeatable(way, upload), outcome)
}

/// Passes on what came of the last attempt.
async fn answer<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    way: &Way,
    sent: Result<Answered, Failed>,
    upload: &mut Upload,
) -> Result<(), Stop> {
    let Answered { up, token } = sent.map_err(|failed| {
        if let Failed::Unsent(reason) = failed {
            exchange.note_failed_attempt(Err(reason));
        }
        Stop::Refuse(failed.reason())
    })?;
    let switches = turn.response.status == 101;
    let reply = Reply { bytes: up.head_bytes(&turn.response), head: &turn.response, added: b"", switches };
    // A switch that nobody asked for is no answer.
    if !down.accepts(reply) || (switches && !way.upgrade) {
        exchange.cause = Some("it does not answer how another protocol was asked for".into());
        return Err(Stop::Refuse(Reason::BadResponse));
    }
    if switches {
        respond::switch(down, turn, exchange, up, upload).await.map_err(Stop::Cut)
    } else {
        respond::pass_on(down, turn, exchange, up, upload, token).await.map_err(Stop::Cut)
    }
}

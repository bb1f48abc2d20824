//! Step 7: one attempt at one backend.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;

use super::between::{Failed, Picked, Way};
use super::client::Client;
use super::downstream::{Downstream, Reply};
use super::exchange::{Exchange, Place};
use super::pass::{Awaited, Upload};
use super::struck::{struck_due, suffer};
use super::turn::Turn;
use super::worker::Worker;
use crate::chaos::{Spoken, Struck};
use crate::clock;
use crate::config::UpstreamProtocol;
use crate::h1::{Framing, Limits, ResponseHead, write_field};
use crate::proxy_protocol::{Addresses, Facts, write_header};
use crate::queue::Queue;
use crate::state::State;
use crate::stream::Endpoint;
use crate::tls::Offer;
use crate::upstream::{self, ConnectError, Connection, HeadFailure, SharedList, Upstream};
use crate::wire::Mode;

/// Most interim answers before the real one: a backend that sends nothing else is broken.
pub(super) const MOST_INTERIM: u32 = 64;
/// How long a client that expects `100 Continue` waits for that of the backend. curl, for one, does not wait longer.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);
/// Most characters of what is told about a connection that was not made: certificates can make it long.
const LONGEST_CAUSE: usize = 240;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Sends the request to the picked backend and waits for the head of its answer, which is then in `turn.response`.
///
/// A kept connection that turns out to be closed is replaced by a fresh one, once, when the request can be sent twice.
/// Cancel-safe: dropping it closes the connection.
pub(super) async fn forward<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    picked: Picked,
    way: &Way,
    upload: &mut Upload,
) -> Result<Upstream, Failed> {
    exchange.place = Some(picked.place);
    exchange.note_picked();
    let mut struck = exchange.strike(turn.head.data());
    let mut kept = match &mut struck {
        None => take_kept(down, exchange),
        Some(struck) => {
            Box::pin(suffer(down, exchange, struck)).await?;
            if struck.wants_own() { None } else { take_kept(down, exchange) }
        }
    };
    loop {
        let was_kept = kept.is_some();
        let mut up = if let Some(kept) = kept.take() {
            kept
        } else {
            // Boxed, because it is rare and large.
            let made = Box::pin(connect(down, exchange, struck.as_deref_mut(), way.to_head)).await;
            made.map_err(Failed::Unsent)?
        };
        exchange.note_connected();
        let place = exchange.place.as_ref().ok_or(Failed::Unsent(Reason::NoBackend))?;
        let mode = if way.framing == Framing::Chunked { turn.upload_mode } else { Mode::Plain };
        begin(&mut up, &turn.head, place, way, mode);
        if let Some(kept) = upload.kept.bytes() {
            up.queue_body(kept);
        }
        match head(down, turn, exchange, &mut up, way, upload).await {
            Ok(()) => return Ok(up),
            Err(Failed::Stale(_)) if was_kept && is_repeatable(way, upload) => upload.again(),
            Err(failed) => return Err(failed),
        }
    }
}

/// True when the request can be sent once more: it means the same, and all that was sent of it is still there.
pub(super) fn is_repeatable(way: &Way, upload: &Upload) -> bool {
    way.is_idempotent && (!way.has_body() || upload.kept.bytes().is_some())
}

/// A connection that is there already.
pub(super) fn kept(place: &Place) -> Option<Upstream> {
    let keepalive = &place.pool.conf.keepalive;
    match place.pool.conf.protocol {
        UpstreamProtocol::Http1 => place.cell().idle.take().map(Upstream::H1),
        UpstreamProtocol::Http2 => {
            place.cell().shared.take(place.since(), keepalive).map(|call| Upstream::H2(Box::new(call)))
        }
    }
}

fn take_kept<D: Downstream>(down: &mut D, exchange: &Exchange) -> Option<Upstream> {
    let place = exchange.place.as_ref()?;
    let now = place.since();
    let kept = kept(place)?;
    // Close enough: nothing was waited for since then.
    down.wait().arm(answer_due(place, now));
    Some(kept)
}

/// When the answer must have begun, of a backend that is waited for since `now`.
pub(super) fn answer_due(place: &Place, now: Tick) -> Tick {
    let conf = &place.pool.conf;
    let ends = now.after(conf.first_byte_timeout);
    conf.retry.rules.try_deadline(place.since(), None).map_or(ends, |try_ends| try_ends.min(ends))
}

/// When a connection must be there that is being made since `now`.
pub(super) fn connect_due(place: &Place, now: Tick) -> Tick {
    let conf = &place.pool.conf;
    let ends = now.after(conf.connect_timeout);
    conf.retry.rules.try_deadline(place.since(), None).map_or(ends, |try_ends| try_ends.min(ends))
}

/// Makes a new connection.
async fn connect<D: Downstream>(
    down: &mut D,
    exchange: &mut Exchange,
    mut struck: Option<&mut Struck>,
    to_head: bool,
) -> Result<Upstream, Reason> {
    let place = exchange.place.as_ref().ok_or(Reason::NoBackend)?;
    let conf = &place.pool.conf;
    if conf.proxy_protocol.is_some() {
        down.learn_local();
    }
    down.wait().arm(connect_due(place, clock::now()));
    let connecting = connect_to(&exchange.client, place, struck.as_deref_mut(), to_head);
    let made = within(down, connecting, Reason::ConnectTimeout).await?;
    let now = clock::now();
    down.wait().arm(struck_due(place, now, struck.as_deref()));
    made.map_err(|error| {
        let (reason, cause) = connect_reason(&exchange.client.state, place, &error);
        exchange.cause = cause;
        reason
    })
}

/// Connects to the backend in which a place was taken, as its pool says, and as faults let it. `to_head` says that this is
/// for a `HEAD`.
pub(super) async fn connect_to(
    client: &Client,
    place: &Place,
    struck: Option<&mut Struck>,
    to_head: bool,
) -> Result<Upstream, ConnectError> {
    let Some(struck) = struck else { return connect_as(client, place, None, to_head).await };
    if let Some(answer) = struck.answer(to_head) {
        return Ok(Upstream::H1(Box::new(Connection::new(answer))));
    }
    struck.reach().await;
    connect_as(client, place, Some(struck), to_head).await
}

async fn connect_as(
    client: &Client,
    place: &Place,
    struck: Option<&mut Struck>,
    to_head: bool,
) -> Result<Upstream, ConnectError> {
    let conf = &place.pool.conf;
    let mut first = Vec::new();
    if let Some(version) = conf.proxy_protocol {
        let told =
            client.local.get().copied().map(|destination| Addresses { source: client.peer, destination });
        let handshake = client.handshake.get();
        let facts = Facts {
            authority: handshake.and_then(|handshake| handshake.server_name.as_deref()),
            tls: handshake.map(|h| if h.version == "1.2" { "TLSv1.2" } else { "TLSv1.3" }),
            has_certificate: handshake.is_some_and(|handshake| handshake.client.is_some()),
            ..Facts::default()
        };
        write_header(version, told, &facts, &mut first);
    }
    let tls = place.pool.tls.as_deref().map(|tls| (tls, place.backend().address.as_str()));
    let offer = match conf.protocol {
        UpstreamProtocol::Http1 => Offer::Http1,
        UpstreamProtocol::Http2 => Offer::H2,
    };
    let stream = upstream::open(&place.backend().resolved, tls, offer, &first);
    let begun = clock::now();
    let up = match conf.protocol {
        UpstreamProtocol::Http1 => {
            let mut stream = stream.await?;
            if let Some(struck) = struck {
                stream = struck.shape(stream, &Spoken::http1(to_head));
            }
            Upstream::H1(Box::new(Connection::new(stream)))
        }
        UpstreamProtocol::Http2 if struck.as_ref().is_some_and(|struck| struck.is_shaped()) => {
            let struck = struck.expect("the guard saw it");
            let stream = async { Ok(struck.shape(stream.await?, &Spoken::http2())) };
            Upstream::H2(Box::new(SharedList::connect_alone(stream, tls.is_some()).await?))
        }
        UpstreamProtocol::Http2 => {
            let call = place.cell().shared.connect(stream, &conf.keepalive, tls.is_some()).await?;
            Upstream::H2(Box::new(call))
        }
    };
    place.cell().connected(clock::now().since(begun));
    Ok(up)
}

/// Waits for something while the client stays and the time lasts.
pub(super) async fn within<D: Downstream, T>(
    down: &mut D,
    future: impl Future<Output = T>,
    late: Reason,
) -> Result<T, Reason> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        if down.is_body_over() && down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        if down.wait().poll(cx).is_ready() {
            let is_all = down.wait().is_past_limit(clock::now());
            return Poll::Ready(Err(if is_all { Reason::RequestTimeout } else { late }));
        }
        Poll::Pending
    })
    .await
}

/// Why there is no connection, and what the system or TLS said about it where the reason alone does not tell.
pub(super) fn connect_reason(
    state: &State,
    place: &Place,
    error: &ConnectError,
) -> (Reason, Option<Box<str>>) {
    let (reason, error) = match error {
        ConnectError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            state.refused(place.backend());
            return (Reason::ConnectRefused, None);
        }
        ConnectError::Io(error) if upstream::is_our_own_want(error) => {
            if Worker::with(|worker| worker.tells_want(clock::now())) {
                tracing::warn!(backend = place.backend().id, %error, "cannot connect for want of our own");
            }
            (Reason::OutOfResources, error)
        }
        ConnectError::Io(error) => (Reason::ConnectFailed, error),
        ConnectError::Tls(error) => (Reason::TlsFailed, error),
    };
    tracing::debug!(backend = place.backend().id, %error, reason = reason.as_str(), "cannot connect");
    let cause: String = error.to_string().chars().take(LONGEST_CAUSE).collect();
    (reason, Some(cause.into()))
}

/// Writes the head.
pub(super) fn begin(up: &mut Upstream, head: &Queue, place: &Place, way: &Way, mode: Mode) {
    let mut host = Queue::new();
    if !way.names_host {
        let name = match &place.backend().resolved {
            Endpoint::Tcp(_) => place.backend().address.as_str(),
            Endpoint::Unix(_) => "localhost",
        };
        write_field(&mut host, "host", name.as_bytes());
    }
    up.begin_request([head.data(), host.data(), b"\r\n"], mode);
}

/// Sends the request, and waits for the head of the answer.
async fn head<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    up: &mut Upstream,
    way: &Way,
    upload: &mut Upload,
) -> Result<(), Failed> {
    let mut awaited = Awaited::Backend;
    let mut interim = 0;
    poll_fn(|cx| {
        loop {
            if !upload.is_over()
                && let Poll::Ready(Err(reason)) = upload.poll(cx, down, up)
            {
                return Poll::Ready(Err(Failed::Final(reason)));
            }
            match up.poll_head(cx, &mut turn.response, way.to_head) {
                Poll::Ready(Ok(())) if !turn.response.is_interim() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if interim < MOST_INTERIM => {
                    interim += 1;
                    pass_interim(down, &turn.response, up, upload);
                }
                Poll::Ready(Ok(())) => {
                    exchange.cause = Some("there are too many interim answers".into());
                    return Poll::Ready(Err(Failed::Sent(Reason::BadResponse)));
                }
                Poll::Ready(Err(failure)) => {
                    if let HeadFailure::Bad(error) = &failure {
                        exchange.cause = Some(error.0.into());
                    }
                    let is_whole = !way.has_body() || upload.kept.bytes().is_some();
                    return Poll::Ready(Err(failed(up, &failure, is_whole)));
                }
                Poll::Pending => break,
            }
        }
        if upload.moved || upload.awaited != awaited {
            (upload.moved, awaited) = (false, upload.awaited);
            rearm(down, exchange, way, upload);
        }
        if down.wait().poll(cx).is_ready() {
            if !upload.unmet || down.wait().is_past_limit(clock::now()) {
                return Poll::Ready(Err(late(down, awaited)));
            }
            interim += 1;
            say_continue(down, turn);
            upload.unmet = false;
            rearm(down, exchange, way, upload);
            // The timer is polled with its new time, or would not ring.
            cx.waker().wake_by_ref();
        }
        let is_told = interim == 0 || !matches!(down.poll_flush(cx), Poll::Ready(Err(_)));
        if !is_told || (down.is_body_over() && down.poll_gone(cx).is_ready()) {
            return Poll::Ready(Err(Failed::Final(Reason::ClientGone)));
        }
        Poll::Pending
    })
    .await
}

/// Passes an interim answer on. It goes out when nothing else can be done.
fn pass_interim<D: Downstream>(down: &mut D, head: &ResponseHead, up: &mut Upstream, upload: &mut Upload) {
    upload.unmet &= head.status != 100;
    down.interim(Reply { bytes: up.head_bytes(head), head, added: b"", switches: false });
    up.skip_interim(head);
}

/// Tells the client to send its body although the backend did not: one that does not know `Expect` waits for the body
/// just as the client waits for the backend.
pub(super) fn say_continue<D: Downstream>(down: &mut D, turn: &mut Turn) {
    let limits = Limits { bytes: CONTINUE.len(), fields: 0 };
    let is_whole = turn.response.read(CONTINUE, false, limits);
    debug_assert_eq!(is_whole, Ok(true), "our own answers can be read");
    down.interim(Reply { bytes: CONTINUE, head: &turn.response, added: b"", switches: false });
}

/// Something moved, or somebody else has to move now: it has its time from now on.
fn rearm<D: Downstream>(down: &mut D, exchange: &Exchange, way: &Way, upload: &mut Upload) {
    let now = clock::now();
    let conf = &down.client().listener.conf;
    let ends = match (upload.awaited, &exchange.place) {
        (Awaited::Backend, Some(place)) => {
            upload.pace.rest(now);
            answer_due(place, now)
        }
        _ if upload.unmet => now.after(CONTINUE_AFTER),
        _ => {
            upload.pace.wait(now);
            let left = upload.pace.left(conf.body_pace, down.received()).filter(|_| way.is_paced);
            now.after(left.map_or(conf.body_timeout, |left| left.min(conf.body_timeout)))
        }
    };
    down.wait().arm(ends);
}

fn late<D: Downstream>(down: &mut D, awaited: Awaited) -> Failed {
    if down.wait().is_past_limit(clock::now()) {
        return Failed::Final(Reason::RequestTimeout);
    }
    match awaited {
        Awaited::Client => Failed::Final(Reason::BodyTimeout),
        Awaited::Backend => Failed::Sent(Reason::FirstByteTimeout),
    }
}

pub(super) fn failed(up: &Upstream, failure: &HeadFailure, is_whole: bool) -> Failed {
    match failure {
        HeadFailure::Unprocessed if is_whole => Failed::Unsent(Reason::ClosedEarly),
        HeadFailure::Closed | HeadFailure::Io(_) if up.was_kept() && !up.has_answered() => {
            Failed::Stale(Reason::ClosedEarly)
        }
        HeadFailure::Closed | HeadFailure::Io(_) | HeadFailure::Unprocessed | HeadFailure::Reset => {
            Failed::Sent(Reason::ClosedEarly)
        }
        HeadFailure::Bad(error) => {
            tracing::debug!(%error, "an answer cannot be passed on");
            Failed::Sent(Reason::BadResponse)
        }
    }
}

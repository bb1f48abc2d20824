//! The way of a TCP connection, on one screen:
//!
//! `accept → sniff → route → pick → relay → record`
//!
//! A connection counts as one request of its backend, from the pick to its end. What algorithms and breakers learn is
//! how long connecting took and whether it worked: how long a connection lives says nothing about a server.
//!
//! Nothing of what is passed on is read, except the first bytes of TLS when routes ask for the name in them; these
//! bytes then go to the backend as they came. A client that sends nothing (the server speaks first) or something
//! that is no TLS goes where routes without a host lead.
//!
//! Not here: sharing connections to backends, ending TLS, and repeating anything that was sent.

mod session;
mod sniff;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aya_core::auto::Request as Asking;
use aya_core::pick::{Ask, Tried};
use aya_core::reason::Reason;
use aya_core::route::Found;
use aya_core::sticky;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use self::session::Session;
use super::between::{Hit, RouteId};
use super::exchange::Place;
use super::worker::Worker;
use super::{forward, introduce, struck};
use crate::chaos::{Spoken, Struck};
use crate::clock;
use crate::config::Sticky;
use crate::proxy_protocol::{Facts, write_header};
use crate::relay::{End, Side, Tunnel, reset_on_close};
use crate::state::{Listener, State};
use crate::stream::{Plain, Stream};
use crate::upstream::{self, ConnectError};

/// Silence after which the system asks a peer whether it is still there, the time between two such questions, and
/// how many go unanswered before the connection counts as broken: a peer without power is found within two minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 4;

/// Time between two looks at a connection of which one side has ended: it may have gone altogether since.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Serves one connection until it ends.
pub(super) async fn serve(state: Arc<State>, listener: Arc<Listener>, stream: TcpStream, peer: SocketAddr) {
    let mut session = Session::begin(state, listener, peer);
    prepare(&stream);
    let ended = handle(&mut session, stream).await;
    session.end(ended.err());
}

/// Turns a connection away: the listener or the daemon holds as many as it may.
pub(super) fn turn_away(state: Arc<State>, listener: Arc<Listener>, stream: TcpStream, peer: SocketAddr) {
    refuse(stream);
    Session::begin(state, listener, peer).end(Some(Reason::TooManyConnections));
}

async fn handle(session: &mut Session, client: TcpStream) -> Result<(), Reason> {
    match find(session, &client).await {
        Ok((backend, first)) => relay(session, Tunnel::new(client.into(), backend, first, Vec::new())).await,
        Err(reason) => {
            refuse(client);
            Err(reason)
        }
    }
}

/// Finds a backend that takes the connection, and what it is sent first.
async fn find(session: &mut Session, client: &TcpStream) -> Result<(Stream, Vec<u8>), Reason> {
    let limit = clock::instant(session.started.after(session.listener.conf.header_timeout));
    if session.listener.conf.proxy_protocol {
        session.told = introduce::introduce(&session.listener, client, session.peer, limit).await?;
    }
    let peeks = Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let (snapshot, listener) = snapshot.of(&session.listener);
            snapshot.peeks.get(usize::from(listener)).is_some_and(|peeks| *peeks)
        })
    });
    let first = if peeks { sniff::sniff(session, client, limit).await? } else { Vec::new() };
    let hit = route(session)?;
    let backend = reach(session, &hit).await?;
    let Some(version) = hit.pool.conf.proxy_protocol else { return Ok((backend, first)) };
    let mut up = Vec::new();
    let facts = Facts { authority: session.sni.as_deref(), ..Facts::default() };
    write_header(version, session.addresses(client), &facts, &mut up);
    session.header_sent(up.len());
    up.extend_from_slice(&first);
    Ok((backend, up))
}

/// Nothing is known of a connection but the name it asks for.
struct NameAlone;

impl aya_core::route::Facts for NameAlone {
    fn header(&mut self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// The most specific route for the name the client asked for.
fn route(session: &Session) -> Result<Hit, Reason> {
    let host = session.sni.as_deref().unwrap_or_default();
    Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let (snapshot, listener) = snapshot.of(&session.listener);
            match snapshot.router.find(listener, host, "/", "", &mut |_| None) {
                Found::Route(index) => {
                    let target = &snapshot.targets[index];
                    target.matched();
                    let position = target.pool;
                    let route = RouteId { generation: snapshot.generation, index };
                    let pool = Arc::clone(&snapshot.pools[position]);
                    let asked = &mut Asking { host, path: "/", method: "", facts: &mut NameAlone };
                    let rule = pool.rule_for(target.rules, asked);
                    let prefer = target.zones.as_deref().map_or(0, |zones| pool.prefer(zones));
                    Ok(Hit { pool, position, prefer, route, rule, country: None })
                }
                Found::NoHost | Found::NoPath | Found::NoMethod | Found::Unread => Err(Reason::NoRoute),
            }
        })
    })
}

/// Connects to a backend, or to the next one.
async fn reach(session: &mut Session, hit: &Hit) -> Result<Stream, Reason> {
    let mut tried = Tried::new();
    let mut last = Reason::NoBackend;
    while tried.len() < hit.pool.conf.retry.rules.attempts as usize {
        let (place, index) = pick(session, hit, &tried).ok_or(last)?;
        tried.push(index);
        session.picked(place);
        let struck = session.strike(hit.route);
        match connect(session, struck).await {
            Ok(backend) => {
                session.connected();
                return Ok(backend);
            }
            Err(reason) => {
                session.failed_attempt(reason);
                last = reason;
            }
        }
    }
    Err(last)
}

/// Picks a backend that was not tried and takes a place in it.
fn pick(session: &Session, hit: &Hit, tried: &Tried) -> Option<(Place, usize)> {
    let (now, key, worker) = (clock::now(), session.key(), session.worker);
    let loads = &hit.pool.loads;
    if matches!(hit.pool.conf.sticky, Some(Sticky::Source))
        && let Some(index) = sticky::by_source(loads, key, now, tried)
        && let Some(place) = Place::take(&hit.pool, index, worker, now, true)
    {
        if place.backend().load.honours_sticky() {
            place.backend().bound_request(now);
        }
        return Some((place.by(hit.rule), index));
    }
    let ask = Ask::any(now, key, tried);
    // A backend can leave between pick and take; every other one is left to be picked again.
    (0..=hit.pool.backends.len()).find_map(|_| {
        let picked = Worker::with(|worker| worker.pick(hit, &ask))?;
        let place = Place::take_picked(&hit.pool, picked, worker, now)?;
        Some((place.by(hit.rule), picked.0.index))
    })
}

/// Connects to the backend in which a place was taken, as faults let it. What they make of a connection that is
/// waited for counts as connecting.
async fn connect(session: &Session, mut struck: Option<Box<Struck>>) -> Result<Stream, Reason> {
    let place = session.place.as_ref().ok_or(Reason::NoBackend)?;
    if let Some(failed) = struck.as_ref().and_then(|hit| struck::fate(&session.state, place, hit)) {
        return Err(failed.reason());
    }
    let connecting = async {
        if let Some(struck) = &mut struck {
            struck.wait().await;
            struck.reach().await;
        }
        place.backend().resolved.connect().await
    };
    let connected = tokio::time::timeout(place.pool.conf.connect_timeout, connecting).await;
    let backend = connected
        .map_err(|_| Reason::ConnectTimeout)?
        .map_err(|error| forward::connect_reason(&session.state, place, &ConnectError::Io(error)).0)?;
    if let Plain::Tcp(stream) = &backend {
        prepare(stream);
    }
    let stream = Stream::Plain(backend);
    Ok(match struck {
        Some(mut struck) => struck.shape(stream, &Spoken::Bytes),
        None => stream,
    })
}

/// Passes bytes on until both sides are done, one breaks, or nothing moves for too long. The one timer is set anew
/// only when it rings, and once when a side has ended.
async fn relay(session: &mut Session, mut tunnel: Tunnel) -> Result<(), Reason> {
    let idle = session.listener.conf.idle_timeout;
    let mut timer = pin!(tokio::time::sleep(idle));
    let mut moved_at = clock::now();
    let mut is_watched = false;
    let ended = poll_fn(|cx| {
        let ended = tunnel.poll(cx);
        if session.passed_on(tunnel.totals()) {
            moved_at = clock::now();
        }
        if let Poll::Ready(ended) = ended {
            return Poll::Ready(ended.map_err(|end| reason_of(&end)));
        }
        if tunnel.is_half_closed() && !std::mem::replace(&mut is_watched, true) {
            timer.as_mut().reset(clock::instant(clock::now().after(LOOK_EVERY.min(idle))));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let (now, until) = (clock::now(), moved_at.after(idle));
            if now >= until {
                return Poll::Ready(Err(Reason::Silent));
            }
            if let Err(end) = tunnel.check() {
                return Poll::Ready(Err(reason_of(&end)));
            }
            let next = if is_watched { until.min(now.after(LOOK_EVERY)) } else { until };
            timer.as_mut().reset(clock::instant(next));
        }
        Poll::Pending
    })
    .await;
    ended.map(drop)
}

fn reason_of(end: &End) -> Reason {
    tracing::debug!(side = ?end.side, error = %end.error, "a connection broke");
    match end.side {
        _ if upstream::is_our_own_want(&end.error) => Reason::OutOfResources,
        Side::Client => Reason::ClientReset,
        Side::Backend => Reason::BackendReset,
    }
}

/// Ends a connection that nobody serves, with a reset: an end would read like an empty answer.
fn refuse(client: TcpStream) {
    if let Err(error) = reset_on_close(&client.into()) {
        tracing::debug!(%error, "a connection ends without a reset");
    }
}

/// Sets what both sockets need. None of it is needed enough to refuse the client.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    let kept = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    if let Err(error) = stream.set_nodelay(true).and(kept) {
        tracing::debug!(%error, "cannot set up a socket");
    }
}

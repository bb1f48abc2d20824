//! HTTP/2 connections to a backend: few, shared by the requests of one worker.
//!
//! Unlike an HTTP/1.1 connection, one of these has a task of its own, because it carries the requests of many clients.
//! It ends when the backend ends it, when a ping is not answered while requests wait, or when nobody holds it any more.
//!
//! | what happens | what becomes of the requests |
//! |---|---|
//! | `GOAWAY`, and streams above its last | were not looked at: may be sent elsewhere, whatever they ask |
//! | `REFUSED_STREAM` | the same (RFC 9113, 8.7) |
//! | the connection is lost, or a ping is | as with HTTP/1.1: what may be repeated is |
//! | more requests than the backend takes at once | another connection, up to [`MOST`] of them; then they queue |
//!
//! A new connection carries nothing before the backend's settings came: only they say how many requests it takes at
//! once, and whether it takes a WebSocket. Those who need a connection at the same moment wait for one attempt.

mod call;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aya_core::time::Tick;
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};

pub use self::call::Call;
use super::ConnectError;
use crate::clock;
use crate::config::Keepalive;
use crate::http2::{Marks, Watched};
use crate::stream::Stream;

/// Most connections of one worker to one backend.
pub const MOST: usize = 16;
/// How long a backend may be silent while requests wait before it is asked whether it is there; and how long it has to
/// answer that.
const PING: Duration = Duration::from_secs(10);
/// Most bytes of one answer that wait for its client.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Most bytes of all answers that wait: enough that a slow client does not hold up the others.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Most bytes of one request's body that wait for the backend.
const SEND_BUFFER: usize = 64 * 1024;
/// How large the head of an answer may be.
const HEAD: u32 = 64 * 1024;

/// The connections of one worker to one backend.
#[derive(Debug, Default)]
pub struct SharedList {
    list: Mutex<Vec<Shared>>,
    /// Held by whoever makes a connection.
    gate: tokio::sync::Mutex<()>,
}

/// One connection.
struct Shared {
    sender: SendRequest<Bytes>,
    tally: Arc<Tally>,
}

/// What its users and its task know of each other.
#[derive(Debug)]
struct Tally {
    marks: Arc<Marks>,
    opened: Tick,
    /// Requests it carries now.
    active: AtomicUsize,
    /// When the last one ended.
    idle_since: AtomicU64,
    /// It carried one before.
    used: AtomicBool,
    closed: AtomicBool,
}

impl Shared {
    fn active(&self) -> usize {
        self.tally.active.load(Ordering::Relaxed)
    }

    fn is_open(&self, now: Tick, age: Duration) -> bool {
        let tally = &self.tally;
        !tally.closed.load(Ordering::Relaxed) && !tally.marks.is_leaving() && now.since(tally.opened) < age
    }

    fn has_room(&self) -> bool {
        self.active() < self.sender.current_max_send_streams()
    }
}

impl SharedList {
    /// A place on a connection that is there and has one. Connections that take no more requests are let go; they
    /// finish those they have.
    pub fn take(&self, now: Tick, keepalive: &Keepalive) -> Option<Call> {
        let mut list = self.lock();
        list.retain(|shared| shared.is_open(now, keepalive.age));
        let with_room = list.iter().find(|shared| shared.has_room());
        let fullest = list.len() >= MOST;
        let taken = with_room.or_else(|| list.iter().min_by_key(|s| s.active()).filter(|_| fullest))?;
        Some(Call::on(taken))
    }

    /// Connects, unless somebody else just did. `stream` makes the stream. Cancel-safe: dropping the future closes the
    /// socket, and lets the next one try.
    pub async fn connect(
        &self,
        stream: impl Future<Output = Result<Stream, ConnectError>>,
        keepalive: &Keepalive,
        is_secure: bool,
    ) -> Result<Call, ConnectError> {
        let gate = self.gate.lock().await;
        if let Some(call) = self.take(clock::now(), keepalive) {
            return Ok(call.over(is_secure));
        }
        let shared = start(stream.await?).await?;
        let call = Call::on(&shared).over(is_secure);
        self.lock().push(shared);
        drop(gate);
        Ok(call)
    }

    /// Connects for one request alone: nobody else gets a place on it.
    pub async fn connect_alone(
        stream: impl Future<Output = Result<Stream, ConnectError>>,
        is_secure: bool,
    ) -> Result<Call, ConnectError> {
        Ok(Call::on(&start(stream.await?).await?).over(is_secure))
    }

    /// Lets go of connections that are idle or alive for too long, and says how many.
    pub fn close_old(&self, now: Tick, keepalive: &Keepalive) -> usize {
        let mut list = self.lock();
        let before = list.len();
        list.retain(|shared| {
            let idle_since = Tick::from_nanos(shared.tally.idle_since.load(Ordering::Relaxed));
            let is_idle = shared.active() == 0 && now.since(idle_since) >= keepalive.idle;
            !is_idle && shared.is_open(now, keepalive.age)
        });
        before - list.len()
    }

    /// Lets go of all, and says how many carried nothing. What they carry is finished.
    pub fn close_all(&self) -> usize {
        std::mem::take(&mut *self.lock()).iter().filter(|shared| shared.active() == 0).count()
    }

    /// How many carry nothing now.
    pub fn idle(&self) -> usize {
        self.lock().iter().filter(|shared| shared.active() == 0).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Shared>> {
        // Every holder leaves a whole list behind.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a connection of a stream: shakes hands, waits for the backend's settings, and leaves it to a task.
async fn start(stream: Stream) -> io::Result<Shared> {
    let marks = Arc::new(Marks::default());
    let io = Watched::of_backend(stream, Arc::clone(&marks));
    let (sender, connection) = builder().handshake(io).await.map_err(io::Error::other)?;
    let mut connection = Box::pin(connection);
    poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Err(ended.err().map_or_else(closed, io::Error::other))),
        Poll::Pending if marks.is_greeted() => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    let now = clock::now();
    let tally = Arc::new(Tally {
        marks,
        opened: now,
        active: AtomicUsize::new(0),
        idle_since: AtomicU64::new(now.as_nanos()),
        used: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    });
    tokio::spawn(drive(connection, Arc::clone(&tally)));
    Ok(Shared { sender, tally })
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the backend closed the connection before its settings")
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEAD);
    builder
}

/// Drives a connection until it ends, and asks a backend that is silent for too long whether it is there.
async fn drive(mut connection: Pin<Box<Connection<Watched, Bytes>>>, tally: Arc<Tally>) {
    let mut watch = Watch { pings: connection.ping_pong(), read: 0, is_asked: false };
    let mut timer = pin!(tokio::time::sleep(PING));
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP/2 connection to a backend ended");
            }
            return Poll::Ready(());
        }
        if tally.marks.verdict().is_some() {
            tracing::debug!("an HTTP/2 connection to a backend is closed: too many frames for its work");
            return Poll::Ready(());
        }
        while timer.as_mut().poll(cx).is_ready() {
            if watch.is_lost(cx, &tally) {
                tracing::debug!("an HTTP/2 connection to a backend is closed: a ping was not answered");
                return Poll::Ready(());
            }
            timer.as_mut().reset(clock::instant(clock::now().after(PING)));
        }
        Poll::Pending
    })
    .await;
    // Before its requests learn of it, so that none of them takes it again.
    tally.closed.store(true, Ordering::Relaxed);
}

/// Whether a connection is still there.
struct Watch {
    pings: Option<PingPong>,
    read: u64,
    is_asked: bool,
}

impl Watch {
    /// To be asked once in a [`PING`]: true when nothing came since the last ping, which is two of them ago.
    fn is_lost(&mut self, cx: &mut Context<'_>, tally: &Tally) -> bool {
        let read = tally.marks.read();
        let is_silent = std::mem::replace(&mut self.read, read) == read;
        let is_waited_for = tally.active.load(Ordering::Relaxed) > 0;
        if !is_silent || !is_waited_for {
            self.is_asked = false;
            return false;
        }
        if std::mem::replace(&mut self.is_asked, true) {
            return true;
        }
        if let Some(pings) = &mut self.pings {
            // An answer to an earlier one makes room for this one.
            let is_answered = pings.poll_pong(cx).is_ready();
            if let Err(error) = pings.send_ping(Ping::opaque()) {
                tracing::trace!(%error, is_answered, "a ping is still on its way");
            }
        }
        false
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tally", &self.tally).finish_non_exhaustive()
    }
}

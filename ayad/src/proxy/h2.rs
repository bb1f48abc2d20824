//! A client that speaks HTTP/2: many requests at once on one connection.
//!
//! One task drives the connection, and one each request; all of them on the worker that accepted it. The steps of a
//! request are those of HTTP/1.1 ([`stream`] is their [`super::downstream::Downstream`]). Here is what belongs to the
//! connection: its limits, how long it may be idle, and how it ends.
//!
//! | what comes | what holds it |
//! |---|---|
//! | requests at once | `limits.streams`, told to the client; more are refused |
//! | resets, pings, settings, priorities, window updates without work | the purse of [`aya_core::flood`] |
//! | resets of requests that were not yet taken on; of our own doing | the codec: 20; 1024 |
//! | `CONTINUATION` frames, compressed heads | the codec: a few frames, and `limits.header_bytes` decoded |
//! | small and empty `DATA` frames | the codec's budgets |
//! | a frame or a head without its end | `timeouts.header` |
//! | a client that does not read | [`SEND_BUFFER`] for each request, and `timeouts.body` |
//!
//! A connection that breaks a limit is told so (`GOAWAY`), counted by its reason and closed. Not here: priorities
//! (RFC 9218), and pushed answers, which no browser takes any more.

mod stream;
mod tasks;

use self::tasks::Job;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;
use bytes::Bytes;
use h2::server::{Builder, Connection};

use super::client::Client;
use super::unread;
use super::wait::Wait;
use crate::clock;
use crate::config::Listener;
use crate::http2::{Marks, Watched};
use crate::queue::Queue;
use crate::stream::Stream;

/// Most bytes of one answer that wait for the client.
const SEND_BUFFER: usize = 64 * 1024;
/// Most bytes of one request's body that wait for the backend.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Most bytes of the bodies of all requests of a connection that wait for backends.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What a field costs beside its bytes in the codec's reckoning (RFC 9113, 6.5.2).
const FIELD_COST: usize = 32;
/// How long a client has to agree that no request is on its way, and to close.
const LINGER: Duration = Duration::from_millis(250);
/// How long it has to read why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the tasks of one connection know of each other.
#[derive(Debug)]
struct Shared {
    client: Arc<Client>,
    marks: Arc<Marks>,
    /// Requests being served.
    active: AtomicUsize,
    /// When the last one ended.
    idle_since: AtomicU64,
}

/// One request being served, counted while it is.
#[derive(Debug)]
struct Active(Arc<Shared>);

impl Active {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.active.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle_since.store(clock::now().as_nanos(), Ordering::Relaxed);
        }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes no new requests.
    Leaving,
    /// Says its last word.
    Ending,
}

struct Driver {
    conn: Connection<Watched, Bytes>,
    shared: Arc<Shared>,
    wait: Wait,
    phase: Phase,
    /// Why it ends was counted.
    is_counted: bool,
    /// Bytes that had moved when the timer last rang.
    moved: u64,
    /// The number of the frame or head that is waited for, and until when.
    unfinished: u64,
    head: Wait,
}

/// Serves the requests of one connection, of which `early` was read already: its preface, at least.
pub(super) async fn run(stream: Stream, early: Queue, client: Arc<Client>, accepted: Tick) {
    // The codec keeps the stream to itself, so requests cannot ask it later.
    client.learn_local(stream.plain());
    let marks = Arc::new(Marks::default());
    let mut wait = Wait::new();
    wait.arm(accepted.after(client.listener.conf.header_timeout));
    let io = Watched::of_client(stream, early, Arc::clone(&marks));
    let shaken = {
        let mut handshake = pin!(builder(&client.listener.conf).handshake::<_, Bytes>(io));
        poll_fn(|cx| match handshake.as_mut().poll(cx) {
            Poll::Ready(shaken) => Poll::Ready(shaken.map_err(|_| Reason::ClientGone)),
            Poll::Pending => wait.poll(cx).map(|()| Err(Reason::HeaderTimeout)),
        })
        .await
    };
    let conn = match shaken {
        Ok(conn) => conn,
        Err(reason) => return unread::ended(&client, reason),
    };
    let now = clock::now();
    let shared = Arc::new(Shared {
        client,
        marks,
        active: AtomicUsize::new(0),
        idle_since: AtomicU64::new(now.as_nanos()),
    });
    let phase = Phase::Open;
    let head = Wait::new();
    let mut driver = Driver { conn, shared, wait, phase, is_counted: false, moved: 0, unfinished: 0, head };
    driver.wait.arm(now.after(driver.tick()));
    poll_fn(|cx| driver.poll(cx)).await;
}

fn builder(conf: &Listener) -> Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(conf.max_streams.unwrap_or(1))
        // The strict reader refuses what is too long by its own count, and says so.
        .max_header_list_size((conf.max_header_bytes + FIELD_COST * (conf.max_headers + 1)) as u32)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol();
    builder
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.client.woken_by(cx);
        loop {
            match self.conn.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let active = Active::begin(&self.shared);
                    tasks::serve(Job { active, request, respond, started: clock::now() });
                }
                Poll::Ready(Some(Err(error))) => {
                    self.note(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if self.turns() || self.is_late(cx) => {}
                Poll::Pending if self.wait.poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending if self.rang() => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
    }

    /// Looks whether the connection has to end, and begins that; true when it has to be polled again for it.
    fn turns(&mut self) -> bool {
        if self.phase != Phase::Ending
            && let Some(verdict) = self.shared.marks.verdict()
        {
            let is_flood = verdict == h2::Reason::ENHANCE_YOUR_CALM;
            let reason = if is_flood { Reason::FrameFlood } else { Reason::BadRequest };
            self.count(reason);
            self.end(verdict);
            return true;
        }
        if self.phase == Phase::Open && self.shared.client.is_closing() {
            self.leave();
            return true;
        }
        if self.phase != Phase::Ending && self.shared.marks.is_closing() {
            self.phase = Phase::Ending;
            self.wait.arm(clock::now().after(FAREWELL));
        }
        false
    }

    /// Ends a connection whose client has begun a frame or a head and does not finish it in time: nothing else can come
    /// until it does. True when it has to be polled again for that. The clock is read once for each that is left
    /// unfinished by a read.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let unfinished = self.shared.marks.unfinished();
        if std::mem::replace(&mut self.unfinished, unfinished) != unfinished {
            self.head.rest();
            if unfinished != 0 {
                self.head.arm(clock::now().after(self.shared.client.listener.conf.header_timeout));
            }
        }
        if unfinished == 0 || self.phase == Phase::Ending || self.head.poll(cx).is_pending() {
            return false;
        }
        self.count(Reason::HeaderTimeout);
        self.end(h2::Reason::CANCEL);
        true
    }

    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.conn.graceful_shutdown();
        self.wait.arm(clock::now().after(LINGER));
    }

    fn end(&mut self, why: h2::Reason) {
        self.phase = Phase::Ending;
        self.conn.abrupt_shutdown(why);
        self.wait.arm(clock::now().after(FAREWELL));
    }

    /// The timer rang: true when the connection is closed as it is.
    fn rang(&mut self) -> bool {
        let moved = self.shared.marks.moved();
        let is_still = std::mem::replace(&mut self.moved, moved) == moved;
        let is_busy = self.shared.active.load(Ordering::Relaxed) > 0;
        // Answers that nobody works on any more wait for the client to read them.
        let is_read = !is_busy && self.conn.has_streams();
        match self.phase {
            Phase::Ending => return true,
            _ if is_read && is_still => {
                self.count(Reason::SendTimeout);
                self.end(h2::Reason::CANCEL);
            }
            Phase::Leaving if !is_busy && !is_read => self.end(h2::Reason::NO_ERROR),
            Phase::Open if !is_busy && !is_read => {
                let idle = Tick::from_nanos(self.shared.idle_since.load(Ordering::Relaxed));
                let ends = idle.after(self.shared.client.listener.conf.idle_timeout);
                if clock::now() >= ends {
                    self.leave();
                } else {
                    self.wait.arm(ends);
                }
            }
            _ => self.wait.arm(clock::now().after(self.tick())),
        }
        false
    }

    /// How often is looked whether anything moves.
    fn tick(&self) -> Duration {
        let conf = &self.shared.client.listener.conf;
        match self.phase {
            Phase::Open => conf.idle_timeout.min(conf.body_timeout),
            Phase::Leaving => conf.body_timeout,
            Phase::Ending => FAREWELL,
        }
    }

    fn count(&mut self, reason: Reason) {
        self.is_counted = true;
        unread::ended(&self.shared.client, reason);
    }

    /// Counts a connection that the codec ended.
    fn note(&mut self, error: &h2::Error) {
        let reason = match error.reason() {
            Some(h2::Reason::ENHANCE_YOUR_CALM) => Reason::FrameFlood,
            Some(_) => Reason::BadRequest,
            None => Reason::ClientGone,
        };
        // What the client said or did to its own connection is no trouble of ours.
        if !self.is_counted && error.is_library() {
            self.count(reason);
        } else {
            tracing::debug!(%error, "an HTTP/2 connection ended");
        }
    }
}

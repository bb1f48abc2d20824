//! A client that speaks HTTP/1.1: its requests, one after the other.
//!
//! While it waits for its next request a connection holds two sockets' worth of bookkeeping and no buffer. What cannot
//! be read as a request is answered and ends the connection, because nobody knows where the next request would begin.

mod gone;
mod stream;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;

use self::gone::{Doubt, Half};
use super::between::Request;
use super::client::Client;
use super::downstream::Downstream;
use super::exchange::Exchange;
use super::turn::Turn;
use super::wait::Wait;
use super::{closing, h2, prepare, serve, unread};
use crate::clock;
use crate::h1::{Limits, RequestHead};
use crate::http2::PREFACE;
use crate::stream::Stream;
use crate::wire::{Mode, Wire};

/// How long an idle connection stays once it must end, for a request that may be on its way.
const LINGER: Duration = Duration::from_millis(100);
/// How long after its request the end of a client's half still belongs to that: `nc -N`, for one, sends both at once.
const TOGETHER: Duration = Duration::from_millis(10);
/// Most bytes of a request's body that are read and thrown away to keep the connection.
const DRAINED: u64 = 64 * 1024;
/// Most bytes read ahead while a request is being served: the next ones of a client that does not wait.
const READ_AHEAD: usize = 16 * 1024;

/// The connection, and the request that is being served.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one connection")]
pub(super) struct H1 {
    wire: Wire,
    client: Arc<Client>,
    wait: Wait,
    http_1_0: bool,
    keep_alive: bool,
    /// What is known of what the client still sends.
    half: Half,
    /// Set while it is in doubt whether the client is there.
    doubt: Option<Doubt>,
    /// An interim answer can be sent to find out.
    may_be_asked: bool,
    /// When the request began.
    begun: Tick,
    looked: bool,
    is_cut: bool,
    /// The answer has no length, so that only the end of the connection ends it.
    until_close: bool,
    /// The client waits for `100 Continue` with its body.
    holds_body: bool,
}

enum Next {
    Request,
    /// The client went, or was idle for too long.
    End,
    Refused(Reason, Option<&'static str>),
}

/// Serves the requests of one connection.
pub(super) async fn run(stream: Stream, client: Arc<Client>, accepted: Tick) {
    let mut conn = H1::new(stream, client, accepted);
    let mut first = Some(accepted);
    while conn.first_byte(first).await {
        let started = clock::now();
        if let Some(accepted) = first.take()
            && conn.speaks_http2(started).await
        {
            let Wire { stream, input, .. } = conn.wire;
            // Boxed, like all that few connections need: otherwise every idle one would hold room for it.
            return Box::pin(h2::run(stream, input, conn.client, accepted)).await;
        }
        let mut turn = Turn::take();
        match conn.next(&mut turn.request, started).await {
            Next::Request => conn.serve_one(&mut turn, started).await,
            Next::End => return,
            Next::Refused(reason, rule) => {
                unread::remember(&conn.client, reason, rule);
                return Box::pin(closing::last_words(conn.wire.stream, reason)).await;
            }
        }
        if conn.is_cut {
            return;
        }
        if !conn.keep_alive {
            break;
        }
    }
    Box::pin(closing::farewell(conn.wire.stream)).await;
}

impl H1 {
    fn new(stream: Stream, client: Arc<Client>, accepted: Tick) -> Self {
        Self {
            wire: Wire::of_client(stream),
            client,
            wait: Wait::new(),
            http_1_0: false,
            keep_alive: true,
            half: Half::Open,
            doubt: None,
            may_be_asked: false,
            begun: accepted,
            looked: false,
            is_cut: false,
            until_close: false,
            holds_body: false,
        }
    }

    /// Waits for the first byte of a request. False when none comes. `accepted` is set for the first one, which has as
    /// long as its head.
    async fn first_byte(&mut self, accepted: Option<Tick>) -> bool {
        if !self.wire.input.is_empty() {
            return true;
        }
        if let Some(accepted) = accepted {
            self.wait.arm(accepted.after(self.client.listener.conf.header_timeout));
        }
        let mut lingers = false;
        poll_fn(|cx| {
            match self.wire.poll_fill(cx) {
                Poll::Ready(Ok(count)) => return Poll::Ready(count > 0),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {}
            }
            self.client.woken_by(cx);
            if self.client.is_closing() && !std::mem::replace(&mut lingers, true) {
                self.wait.arm(clock::now().after(LINGER));
            }
            self.wait.poll(cx).map(|()| false)
        })
        .await
    }

    /// True when the connection begins as only HTTP/2 does (RFC 9113, 3.4). No request can begin like that, so whoever
    /// began like that is waited for, within the time for a head that `started` then.
    async fn speaks_http2(&mut self, started: Tick) -> bool {
        self.wait.arm(started.after(self.client.listener.conf.header_timeout));
        let (wire, wait) = (&mut self.wire, &mut self.wait);
        let is_allowed = self.client.listener.conf.max_streams.is_some();
        poll_fn(|cx| {
            loop {
                let input = wire.input.data();
                let compared = input.len().min(PREFACE.len());
                if !is_allowed || input[..compared] != PREFACE[..compared] {
                    return Poll::Ready(false);
                }
                if compared == PREFACE.len() {
                    return Poll::Ready(true);
                }
                match wire.poll_fill(cx) {
                    Poll::Ready(Ok(count)) if count > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => return wait.poll(cx).map(|()| false),
                }
            }
        })
        .await
    }

    /// Reads a head whose first byte was there when it `started`.
    async fn next(&mut self, head: &mut RequestHead, started: Tick) -> Next {
        let conf = &self.client.listener.conf;
        let limits = Limits { bytes: conf.max_header_bytes, fields: conf.max_headers };
        let ends = started.after(conf.header_timeout);
        let (wire, wait) = (&mut self.wire, &mut self.wait);
        let (mut is_first, mut seen) = (true, 0);
        poll_fn(|cx| {
            loop {
                let bytes = wire.input.data();
                // A head that comes in drops is not parsed again for each of them.
                if is_first || bytes.len() >= limits.bytes || has_end(bytes, seen) {
                    match head.read(bytes, limits) {
                        Ok(true) => return Poll::Ready(Next::Request),
                        Ok(false) => {}
                        Err(refusal) => {
                            return Poll::Ready(Next::Refused(refusal.reason, Some(refusal.rule)));
                        }
                    }
                }
                seen = bytes.len();
                if std::mem::take(&mut is_first) {
                    wait.limit(None);
                    wait.arm(ends);
                }
                match wire.poll_fill(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => {
                        return wait.poll(cx).map(|()| Next::Refused(Reason::HeaderTimeout, None));
                    }
                }
            }
        })
        .await
    }

    async fn serve_one(&mut self, turn: &mut Turn, started: Tick) {
        let mut exchange = Exchange::begin(Arc::clone(&self.client), started);
        let size = turn.request.size;
        let Turn { request: head, normal, head: out, .. } = turn;
        let request = Request { bytes: &self.wire.input.data()[..size], head, protocol: "1.1" };
        let prepared = prepare(&mut exchange, &request, normal, out);
        self.begin(&turn.request, started);
        turn.upload_mode = Mode::Raw;
        serve(self, turn, &mut exchange, prepared).await;
        let ended = exchange.ended();
        drop(exchange);
        if self.is_cut || !self.keep_alive {
            return;
        }
        if !self.is_body_over() && !self.drain().await {
            self.keep_alive = false;
            return;
        }
        self.wire.input.release();
        self.wait.limit(None);
        self.wait.arm(ended.unwrap_or_else(clock::now).after(self.client.listener.conf.idle_timeout));
    }

    /// The head was read and used; what follows is its body.
    fn begin(&mut self, head: &RequestHead, started: Tick) {
        self.wire.input.consume(head.size);
        self.wire.begin_body(head.framing, true);
        self.http_1_0 = head.http_1_0;
        self.keep_alive = head.keep_alive;
        (self.begun, self.looked) = (started, false);
        self.until_close = false;
        self.may_be_asked = !head.http_1_0;
        self.holds_body = head.expects_continue;
        if self.wire.input.is_empty() {
            self.wire.input.release();
        }
    }

    /// Reads what is left of a body that nobody wanted. False when that is too much, or takes too long.
    async fn drain(&mut self) -> bool {
        let before = self.wire.payload();
        self.wait.limit(None);
        self.wait.arm(clock::now().after(self.client.listener.conf.body_timeout));
        poll_fn(|cx| {
            loop {
                match self.wire.poll_body(cx) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(true),
                    Poll::Ready(Ok(count)) => self.wire.consume_body(count),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return self.wait.poll(cx).map(|()| false),
                }
                if self.wire.payload() - before > DRAINED {
                    return Poll::Ready(false);
                }
            }
        })
        .await
    }
}

/// True when the head may be complete, given that the first `seen` bytes do not hold its end.
fn has_end(bytes: &[u8], seen: usize) -> bool {
    let from = seen.saturating_sub(3);
    let mut ends = memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    ends.any(|at| bytes[..at].ends_with(b"\n") || bytes[..at].ends_with(b"\n\r"))
}

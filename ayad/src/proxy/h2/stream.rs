//! One request that came by HTTP/2, as the steps see it.
//!
//! Back-pressure is the protocol's own in both directions: the client may send more once bytes of its body were passed
//! on, and bytes of an answer are taken when the client's windows have room.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aya_core::reason::Reason;
use aya_core::time::Tick;
use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::Request as Message;

use super::super::between::Request;
use super::super::client::Client;
use super::super::downstream::{Downstream, Reply};
use super::super::exchange::Exchange;
use super::super::hop::Hop;
use super::super::respond::Manner;
use super::super::turn::Turn;
use super::super::wait::Wait;
use super::super::worker::Worker;
use super::super::{Prepared, prepare, serve};
use super::Active;
use crate::h1::{Framing, Known, Limits, Refusal, may_trail};
use crate::http2::{copy, fields, request, response, websocket};
use crate::queue::Queue;
use crate::wire::Mode;

/// Most bytes handed to the codec at once: a frame of the size that every client takes.
const FRAME: usize = 16 * 1024;
/// Most timers kept by one thread.
const KEPT: usize = 256;

thread_local! {
    /// Timers of requests that are over. A timer that is armed for later than it is needed costs nothing to use again,
    /// and making one costs as much as the rest of a small request.
    static TIMERS: RefCell<Vec<Wait>> = const { RefCell::new(Vec::new()) };
}

/// What of the request's body may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Incoming {
    /// More of it comes.
    Open,
    /// Nothing more.
    Over,
    /// Bytes of another protocol, once a backend has agreed to speak it.
    Held,
}

/// The client's side of one request.
struct H2 {
    active: Active,
    wait: Wait,
    recv: RecvStream,
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    incoming: Incoming,
    /// Bytes of the body that were received and not passed on.
    part: Bytes,
    received: u64,
    trailers: Queue,
    /// What the proof of the backend must be made from.
    key: Option<String>,
    /// Bytes of the answer that are still to be sent, when its head says how many.
    left: Option<u64>,
    is_ended: bool,
}

/// Serves one request.
pub(super) async fn serve_one(
    active: Active,
    request: Message<RecvStream>,
    respond: SendResponse<Bytes>,
    started: Tick,
) {
    let client = Arc::clone(&active.0.client);
    let (parts, recv) = request.into_parts();
    let mut exchange = Exchange::begin(client, started);
    let mut stream = H2::new(active, recv, respond, key_for(&parts));
    let mut turn = Turn::take();
    let mut text = Queue::new();
    let written = request::write(&parts, stream.incoming == Incoming::Over, stream.key.as_deref(), &mut text);
    // Only now, and not with the request: a task keeps what it holds while it waits.
    let is_head = parts.method == http::Method::HEAD;
    let is_tunnel = parts.method == http::Method::CONNECT && stream.key.is_none();
    drop(parts);
    let written = written.map_err(|reason| Refusal::new(reason, "a head that cannot be said in HTTP/1.1"));
    let prepared = match written.and_then(|()| stream.read(&mut turn, &text)) {
        _ if is_tunnel => Prepared { manner: Manner::plain(false), way: Err(Reason::NotImplemented.into()) },
        Err(refusal) => {
            Prepared { manner: Manner::plain(is_head), way: Err(exchange.note_unread(refusal).into()) }
        }
        Ok(()) => {
            let Turn { request: head, normal, head: out, .. } = &mut *turn;
            let request = Request { bytes: &text.data()[..head.size], head, protocol: "2" };
            prepare(&mut exchange, &request, normal, out)
        }
    };
    text.clear();
    turn.upload_mode = Mode::Chunks;
    serve(&mut stream, &mut turn, &mut exchange, prepared).await;
}

/// The key for a backend, when the client asks for a WebSocket (RFC 8441, 5).
fn key_for(parts: &http::request::Parts) -> Option<String> {
    let protocol = parts.extensions.get::<h2::ext::Protocol>()?;
    let is_known =
        parts.method == http::Method::CONNECT && protocol.as_str().eq_ignore_ascii_case("websocket");
    is_known.then(|| websocket::key(Worker::with(Worker::random)))
}

impl H2 {
    fn new(active: Active, recv: RecvStream, respond: SendResponse<Bytes>, key: Option<String>) -> Self {
        let incoming = match (key.is_some(), recv.is_end_stream()) {
            (true, _) => Incoming::Held,
            (false, true) => Incoming::Over,
            (false, false) => Incoming::Open,
        };
        Self {
            active,
            wait: TIMERS.with_borrow_mut(Vec::pop).unwrap_or_default(),
            recv,
            respond,
            send: None,
            incoming,
            part: Bytes::new(),
            received: 0,
            trailers: Queue::new(),
            key,
            left: None,
            is_ended: false,
        }
    }

    fn read(&self, turn: &mut Turn, text: &Queue) -> Result<(), Refusal> {
        let conf = &self.client().listener.conf;
        let limits = Limits { bytes: conf.max_header_bytes, fields: conf.max_headers };
        // What was written whole is read whole, or is too long.
        let is_whole = turn.request.read(text.data(), limits)?;
        is_whole.then_some(()).ok_or(Refusal::new(Reason::HeadersTooLarge, "a head over the limit"))
    }

    fn send(&mut self) -> io::Result<&mut SendStream<Bytes>> {
        self.send.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.is_ended, true) {
            return Ok(());
        }
        let send = self.send()?;
        if trailers.is_empty() {
            send.send_data(Bytes::new(), true).map_err(io::Error::other)?;
        } else {
            send.send_trailers(fields::map_of(trailers)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        let mut wait = std::mem::take(&mut self.wait);
        wait.rest();
        // Unless the thread is ending, and its list is gone.
        let kept = TIMERS.try_with(|timers| {
            let mut timers = timers.borrow_mut();
            if timers.len() < KEPT {
                timers.push(wait);
            }
        });
        if kept.is_err() {
            tracing::trace!("a request ended with its thread");
        }
    }
}

impl Downstream for H2 {
    fn client(&self) -> &Arc<Client> {
        &self.active.0.client
    }

    fn wait(&mut self) -> &mut Wait {
        &mut self.wait
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Reason>> {
        loop {
            if !self.part.is_empty() {
                return Poll::Ready(Ok(self.part.len()));
            }
            if self.incoming != Incoming::Open {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(part)) => {
                    self.received += part.len() as u64;
                    self.part = part;
                }
                Some(Err(error)) => return Poll::Ready(Err(body_reason(&error))),
                None => {
                    let trailers =
                        ready!(self.recv.poll_trailers(cx)).map_err(|error| body_reason(&error))?;
                    if let Some(map) = trailers {
                        if map.keys().any(|name| Known::pretends(name.as_str().as_bytes())) {
                            return Poll::Ready(Err(Reason::BadRequest));
                        }
                        fields::trailer_lines(&map, may_trail, &mut self.trailers);
                    }
                    self.incoming = Incoming::Over;
                }
            }
        }
    }

    fn fault(&mut self) -> Option<&'static str> {
        Some("the body or its trailers break the rules of HTTP/2")
    }

    fn body(&self) -> &[u8] {
        &self.part
    }

    fn consume_body(&mut self, count: usize) {
        self.part.advance(count);
        // Only fails for more than was received.
        if let Err(error) = self.recv.flow_control().release_capacity(count) {
            tracing::debug!(%error, "a window stays smaller than it was");
        }
    }

    /// Nothing is framed here.
    fn unframe(&mut self) {}

    fn accepts(&self, reply: Reply<'_>) -> bool {
        let Some(key) = &self.key else { return true };
        match reply.head.status {
            101 => {
                let proof = reply.head.fields.find(reply.bytes, websocket::ACCEPT);
                proof == Some(websocket::proof(key.as_bytes()).as_bytes())
            }
            // To this client it would mean that the WebSocket is open.
            200..300 => false,
            _ => true,
        }
    }

    fn is_body_over(&self) -> bool {
        self.incoming != Incoming::Open && self.part.is_empty()
    }

    fn trailers(&self) -> &[u8] {
        self.trailers.data()
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.send {
            None => self.respond.poll_reset(cx).map(|_| ()),
            Some(send) if !self.is_ended => send.poll_reset(cx).map(|_| ()),
            Some(_) => Poll::Pending,
        }
    }

    fn takes_chunks(&self) -> bool {
        false
    }

    fn interim(&mut self, reply: Reply<'_>) {
        let hop =
            Hop::of(reply.bytes, &reply.head.fields, &[Known::ContentLength, Known::Reason, Known::Fault]);
        let response = response::of_text(reply.head.status, reply.bytes, hop.passing(), b"");
        if let Err(error) = self.respond.send_informational(response) {
            tracing::debug!(%error, "an interim answer was not sent");
        }
    }

    fn answer(&mut self, reply: Reply<'_>) {
        let head = reply.head;
        let status = if reply.switches { 200 } else { head.status };
        let bodiless = reply.switches || head.status < 200 || head.status == 204;
        let length = if bodiless { Known::ContentLength } else { Known::Other };
        let hop = Hop::of(
            reply.bytes,
            &head.fields,
            &[Known::TransferEncoding, Known::Reason, Known::Fault, length],
        );
        let is_proof = |field: &&crate::h1::Field| {
            reply.switches && field.name.of(reply.bytes).eq_ignore_ascii_case(websocket::ACCEPT.as_bytes())
        };
        let passing = hop.passing().filter(|field| !is_proof(field));
        let response = response::of_text(status, reply.bytes, passing, reply.added);
        self.is_ended = !reply.switches && matches!(head.framing, Framing::None | Framing::Length(0));
        self.left = match head.framing {
            Framing::Length(length) if !reply.switches => Some(length),
            _ => None,
        };
        match self.respond.send_response(response, self.is_ended) {
            Ok(send) => self.send = Some(send),
            // The client is gone; whoever sends or waits next finds out.
            Err(error) => tracing::debug!(%error, "an answer was not sent"),
        }
        if reply.switches && self.incoming == Incoming::Held {
            self.incoming = Incoming::Open;
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.left;
        let send = self.send()?;
        // Nothing waits with the codec for a client to open its window: there, nobody would look how long.
        send.reserve_capacity(data.len().min(FRAME));
        while send.capacity() == 0 {
            match ready!(send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let part = &data[..data.len().min(FRAME).min(send.capacity())];
        let left = left.map(|left| left.saturating_sub(part.len() as u64));
        // The last bytes end the answer themselves.
        let ends = left == Some(0);
        send.send_data(copy(part), ends).map_err(io::Error::other)?;
        (self.left, self.is_ended) = (left, ends);
        self.active.0.marks.sent_data();
        Poll::Ready(Ok(part.len()))
    }

    /// The task of the connection writes what was handed to it without being asked.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>> {
        self.end(trailers)?;
        self.active.0.marks.answered();
        Poll::Ready(Ok(()))
    }

    /// Other requests do not mind: what is left of this one's body is refused with its stream.
    fn end_after(&mut self) {}

    fn cut(&mut self) {
        let why = if self.send.is_some() { h2::Reason::INTERNAL_ERROR } else { h2::Reason::CANCEL };
        match &mut self.send {
            Some(send) => send.send_reset(why),
            None => self.respond.send_reset(why),
        }
    }
}

/// What a body that cannot be read on is called.
fn body_reason(error: &h2::Error) -> Reason {
    if error.is_library() && error.reason().is_some() { Reason::BadRequest } else { Reason::ClientGone }
}

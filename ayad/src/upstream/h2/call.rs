//! One request on a shared connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};

use super::{Shared, Tally};
use crate::clock;
use crate::h1::{BadBody, BadResponse, Framing, Limits, ResponseHead, may_trail_answer};
use crate::http2::{copy, fields, request, response};
use crate::queue::Queue;
use crate::upstream::HeadFailure;
use crate::wire::BodyFailure;

/// How large the head of an answer may be once it is text; the codec holds it below that.
const LIMITS: Limits = Limits { bytes: 256 * 1024, fields: 128 };
/// Most bytes handed to the codec at once: a frame of the size that every backend takes.
const FRAME: usize = 16 * 1024;

/// One request, and where it stands. Dropping it before its end cancels it (`RST_STREAM`).
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one request")]
pub struct Call {
    sender: SendRequest<Bytes>,
    place: Place,
    is_secure: bool,
    was_kept: bool,
    stream: u32,
    /// The key of a client that asked for a WebSocket.
    key: Option<Bytes>,
    response: Option<ResponseFuture>,
    send: Option<SendStream<Bytes>>,
    recv: Option<RecvStream>,
    /// What was kept of a body that is sent once more.
    queued: Bytes,
    is_sent: bool,
    /// Why it was not sent.
    unsent: Option<HeadFailure>,
    /// The head of the answer, as text.
    head: Queue,
    /// Bytes of the answer's body that were received and not passed on.
    part: Bytes,
    payload: u64,
    /// The head was one of an answer without a body.
    is_bare: bool,
    is_over: bool,
    trailers: Queue,
}

/// A place on the connection, given back when dropped.
struct Place(Arc<Tally>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle_since.store(clock::now().as_nanos(), Ordering::Relaxed);
        }
    }
}

impl Call {
    pub(super) fn on(shared: &Shared) -> Self {
        let tally = Arc::clone(&shared.tally);
        tally.active.fetch_add(1, Ordering::Relaxed);
        Self {
            sender: shared.sender.clone(),
            is_secure: false,
            was_kept: tally.used.swap(true, Ordering::Relaxed),
            place: Place(tally),
            stream: 0,
            key: None,
            response: None,
            send: None,
            recv: None,
            queued: Bytes::new(),
            is_sent: false,
            unsent: None,
            head: Queue::new(),
            part: Bytes::new(),
            payload: 0,
            is_bare: false,
            is_over: false,
            trailers: Queue::new(),
        }
    }

    /// Says whether the connection is inside TLS.
    #[must_use]
    pub fn over(mut self, is_secure: bool) -> Self {
        self.is_secure = is_secure;
        self
    }

    /// True when the connection carried a request before: the backend may have closed it meanwhile.
    pub fn was_kept(&self) -> bool {
        self.was_kept
    }

    /// True when any part of an answer came.
    pub fn has_answered(&self) -> bool {
        !self.head.is_empty() || self.recv.is_some()
    }

    /// Sends the head of a request, given as HTTP/1.1.
    pub fn begin_request(&mut self, parts: [&[u8]; 3]) {
        let mut text = Queue::new();
        for part in parts {
            text.extend(part);
        }
        if let Err(failure) = self.send_head(text.data()) {
            self.unsent = Some(failure);
        }
    }

    fn send_head(&mut self, text: &[u8]) -> Result<(), HeadFailure> {
        let bad = |why| HeadFailure::Bad(BadResponse(why));
        let outgoing =
            request::read(text, self.is_secure).ok_or_else(|| bad("the request cannot be said in HTTP/2"))?;
        if outgoing.key.is_some() && !self.sender.is_extended_connect_protocol_enabled() {
            return Err(bad("the backend takes no WebSockets over HTTP/2"));
        }
        let sent = self.sender.send_request(outgoing.request, outgoing.ends);
        // Nothing of it left this process.
        let (response, send) = sent.map_err(|_| HeadFailure::Unprocessed)?;
        self.stream = response.stream_id().as_u32();
        // What follows a request for a WebSocket is not its body.
        self.is_sent = outgoing.ends || outgoing.key.is_some();
        self.key = outgoing.key;
        (self.response, self.send) = (Some(response), Some(send));
        Ok(())
    }

    /// Puts bytes before those of the body that is still to come.
    pub fn queue_body(&mut self, data: &[u8]) {
        self.queued = copy(data);
    }

    /// Sends bytes of the body, and says how many were taken.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_queued(cx))?;
        let room = ready!(self.poll_room(cx, data.len()))?;
        let part = copy(&data[..room]);
        self.send_part(part, false)?;
        Poll::Ready(Ok(room))
    }

    /// Ends the request.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>> {
        ready!(self.poll_queued(cx))?;
        if std::mem::replace(&mut self.is_sent, true) {
            return Poll::Ready(Ok(()));
        }
        if trailers.is_empty() {
            self.send_part(Bytes::new(), true)?;
        } else {
            let send = self.send.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            send.send_trailers(fields::map_of(trailers)).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what was kept of the body. The rest is written by the connection's own task.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_queued(cx)
    }

    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queued.is_empty() {
            let room = ready!(self.poll_room(cx, self.queued.len()))?;
            let part = self.queued.split_to(room);
            self.send_part(part, false)?;
        }
        Poll::Ready(Ok(()))
    }

    fn send_part(&mut self, part: Bytes, ends: bool) -> io::Result<()> {
        let send = self.send.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        send.send_data(part, ends).map_err(io::Error::other)?;
        self.place.0.marks.sent_data();
        Ok(())
    }

    /// Waits until the backend takes some of so many bytes.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let send = self.send.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let wanted = wanted.min(FRAME);
        send.reserve_capacity(wanted);
        while send.capacity() == 0 {
            match ready!(send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        Poll::Ready(Ok(wanted.min(send.capacity())))
    }

    /// Waits for the head of an answer, which is then text at [`Self::head_bytes`].
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        to_head: bool,
    ) -> Poll<Result<(), HeadFailure>> {
        if let Some(unsent) = self.unsent.take() {
            return Poll::Ready(Err(unsent));
        }
        let Some(response) = &mut self.response else { return Poll::Ready(Err(HeadFailure::Closed)) };
        if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            response::write(&interim.into_parts().0, false, None, &mut self.head);
            return Poll::Ready(self.read(head, to_head));
        }
        let answer = ready!(Pin::new(response).poll(cx)).map_err(|error| self.failure(error))?;
        let (parts, recv) = answer.into_parts();
        let ends = recv.is_end_stream();
        response::write(&parts, ends && !to_head, self.key.as_deref(), &mut self.head);
        (self.response, self.recv) = (None, Some(recv));
        Poll::Ready(self.read(head, to_head))
    }

    fn read(&self, head: &mut ResponseHead, to_head: bool) -> Result<(), HeadFailure> {
        match head.read(self.head.data(), to_head, LIMITS) {
            Ok(true) => Ok(()),
            Ok(false) => Err(HeadFailure::Bad(BadResponse("the head cannot be said in HTTP/1.1"))),
            Err(bad) => Err(HeadFailure::Bad(bad)),
        }
    }

    fn failure(&self, error: h2::Error) -> HeadFailure {
        let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        if is_refused || self.place.0.marks.gives_up(self.stream) {
            return HeadFailure::Unprocessed;
        }
        if error.is_library() && !error.is_io() {
            return HeadFailure::Bad(BadResponse("the answer breaks the rules of HTTP/2"));
        }
        if error.is_reset() { HeadFailure::Reset } else { HeadFailure::Io(io::Error::other(error)) }
    }

    /// The text of the head.
    pub fn head_bytes(&self, head: &ResponseHead) -> &[u8] {
        &self.head.data()[..head.size]
    }

    /// Goes on behind the head of an interim answer.
    pub fn pass_head(&mut self) {
        self.head.clear();
    }

    /// Goes on behind the head of the answer.
    pub fn begin_answer(&mut self, head: &ResponseHead) {
        self.is_bare = head.framing == Framing::None;
        self.pass_head();
    }

    /// Goes on behind the answer that opened a WebSocket: what is sent from here on are its bytes.
    pub fn begin_tunnel(&mut self) {
        self.pass_head();
        self.is_sent = false;
    }

    /// Makes bytes of the answer's body ready; 0 once there are no more.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        loop {
            if !self.part.is_empty() {
                return Poll::Ready(Ok(self.part.len()));
            }
            let Some(recv) = self.recv.as_mut().filter(|_| !self.is_over) else { return Poll::Ready(Ok(0)) };
            match ready!(recv.poll_data(cx)) {
                // The codec compares bodies with their length, but lets 204, 304 and answers to HEAD have one. In
                // HTTP/1.1 it would be read as the next answer.
                Some(Ok(part)) if self.is_bare && !part.is_empty() => {
                    return Poll::Ready(Err(BodyFailure::Bad(BadBody("an answer that has no body has one"))));
                }
                Some(Ok(part)) => {
                    self.payload += part.len() as u64;
                    self.part = part;
                }
                Some(Err(error)) => return Poll::Ready(Err(body_failure(error))),
                None => {
                    if let Some(map) = ready!(recv.poll_trailers(cx)).map_err(body_failure)? {
                        fields::trailer_lines(&map, may_trail_answer, &mut self.trailers);
                    }
                    self.is_over = true;
                }
            }
        }
    }

    /// The ready bytes.
    pub fn body(&self) -> &[u8] {
        &self.part
    }

    /// Some of them were passed on.
    pub fn consume_body(&mut self, count: usize) {
        self.part.advance(count);
        let released = self.recv.as_mut().map(|recv| recv.flow_control().release_capacity(count));
        // Only fails for more than was received.
        if let Some(Err(error)) = released {
            tracing::debug!(%error, "a window stays smaller than it was");
        }
    }

    /// Bytes of the answer's body so far.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// Lines of trailers behind the body.
    pub fn trailers(&self) -> &[u8] {
        self.trailers.data()
    }
}

fn body_failure(error: h2::Error) -> BodyFailure {
    if error.is_library() && !error.is_io() {
        return BodyFailure::Bad(BadBody("the answer breaks the rules of HTTP/2"));
    }
    BodyFailure::Io(io::Error::other(error))
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("stream", &self.stream).finish_non_exhaustive()
    }
}

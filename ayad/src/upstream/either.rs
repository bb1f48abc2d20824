//! A request on its way to a backend, whichever protocol carries it.
//!
//! HTTP/1.1 is the one that must cost nothing: its branch comes first, and does what it did without this type.

use std::io;
use std::task::{Context, Poll};

use super::{Call, Connection, HeadFailure};
use crate::h1::{BadBody, ResponseHead};
use crate::wire::{BodyFailure, Mode};

/// What carries one request to a backend, and its answer back.
#[derive(Debug)]
pub enum Upstream {
    /// A connection of its own.
    H1(Box<Connection>),
    /// A place on a shared one.
    H2(Box<Call>),
}

/// Calls a method that both have.
macro_rules! on {
    ($self:ident, $h1:ident => $one:expr, $h2:ident => $two:expr) => {
        match $self {
            Self::H1($h1) => $one,
            Self::H2($h2) => $two,
        }
    };
}

impl Upstream {
    /// True when the connection carried a request before the present one: the backend may have closed it meanwhile.
    pub fn was_kept(&self) -> bool {
        on!(self, one => one.was_kept(), two => two.was_kept())
    }

    /// True when any part of an answer came.
    pub fn has_answered(&self) -> bool {
        on!(self, one => one.has_answered(), two => two.has_answered())
    }

    /// A request begins: its head is complete and in HTTP/1.1, and `mode` says how its body goes on there.
    #[inline]
    pub fn begin_request(&mut self, parts: [&[u8]; 3], mode: Mode) {
        on!(self, one => one.begin_request(parts, mode), two => two.begin_request(parts));
    }

    /// Puts bytes of a body behind the head, however much waits there already.
    pub fn queue_body(&mut self, data: &[u8]) {
        on!(self, one => one.wire.queue_body(data), two => two.queue_body(data));
    }

    /// Sends bytes of the body, and says how many were taken.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        on!(self, one => one.wire.poll_send(cx, data), two => two.poll_send(cx, data))
    }

    /// Hands everything that was taken to the system.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, one => one.wire.poll_flush(cx), two => two.poll_flush(cx))
    }

    /// Ends the request.
    #[inline]
    pub fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>> {
        on!(self, one => one.wire.poll_finish(cx, trailers), two => two.poll_finish(cx, trailers))
    }

    /// Waits for the head of an answer.
    #[inline]
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        to_head: bool,
    ) -> Poll<Result<(), HeadFailure>> {
        on!(self, one => one.poll_head(cx, head, to_head), two => two.poll_head(cx, head, to_head))
    }

    /// The bytes of that head, in HTTP/1.1.
    #[inline]
    pub fn head_bytes<'c>(&'c self, head: &ResponseHead) -> &'c [u8] {
        on!(self, one => one.head_bytes(head), two => two.head_bytes(head))
    }

    /// Goes on behind an interim answer.
    pub fn skip_interim(&mut self, head: &ResponseHead) {
        on!(self, one => one.skip_interim(head), two => two.pass_head());
    }

    /// Goes on with the body of the answer; `raw` says that its chunks are passed on as they are.
    #[inline]
    pub fn begin_answer(&mut self, head: &ResponseHead, raw: bool) {
        on!(self, one => one.begin_answer(head, raw), two => two.begin_answer(head));
    }

    /// Goes on behind `101`: from here on the bytes are another protocol's, in both directions.
    pub fn begin_tunnel(&mut self, head: &ResponseHead) {
        on!(self, one => one.begin_tunnel(head), two => two.begin_tunnel());
    }

    /// The other protocol ends before its time. A stream of HTTP/2 is reset when it is dropped.
    pub fn break_tunnel(&self) {
        if let Self::H1(one) = self {
            one.break_tunnel();
        }
    }

    /// Makes bytes of the answer's body ready; 0 once there are no more.
    #[inline]
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        on!(self, one => one.poll_body(cx), two => two.poll_body(cx))
    }

    /// Why the body cannot be read on, once that was said.
    pub fn fault(&mut self) -> Option<BadBody> {
        match self {
            Self::H1(one) => one.wire.fault(),
            Self::H2(_) => Some(BadBody("the body of the answer breaks the rules of HTTP/2")),
        }
    }

    /// The ready bytes.
    #[inline]
    pub fn body(&self) -> &[u8] {
        on!(self, one => one.wire.body(), two => two.body())
    }

    /// Some of them were passed on.
    #[inline]
    pub fn consume_body(&mut self, count: usize) {
        on!(self, one => one.wire.consume_body(count), two => two.consume_body(count));
    }

    /// Lines of trailers behind the body.
    #[inline]
    pub fn trailers(&self) -> &[u8] {
        on!(self, one => one.wire.trailers(), two => two.trailers())
    }

    /// Bytes of the answer's body so far.
    pub fn payload(&self) -> u64 {
        on!(self, one => one.wire.payload(), two => two.payload())
    }

    /// The connection, when the exchange left no trace on it and another one may follow. Shared ones are kept anyway.
    pub fn reusable(self) -> Option<Box<Connection>> {
        match self {
            Self::H1(one) if one.is_reusable() => Some(one),
            Self::H1(_) | Self::H2(_) => None,
        }
    }
}

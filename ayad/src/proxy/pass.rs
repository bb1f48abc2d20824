//! Bodies in both directions at once: taken from one side only when the other side takes them, never held as a whole.
//!
//! Back-pressure needs no code here: bytes are read when those read before are written. Whoever has to move next is
//! noted, because that decides how long it may take and whose fault it is when it takes longer.

use std::task::{Context, Poll, ready};

use aya_core::pace::Pace;
use aya_core::reason::Reason;
use tokio::net::TcpStream;

use super::downstream::Downstream;
use super::hop::honest_trailers;
use crate::relay::{Pipe, poll_splice};
use crate::upstream::Upstream;
use crate::wire::BodyFailure;

/// From this many bytes on, payload goes from socket to socket: below, the calls for that cost more than copying.
const SPLICED: u64 = 128 * 1024;

/// Who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The client has to send more, or to read.
    Client,
    /// The backend has to send more, or to read.
    Backend,
}

/// A request's body on its way to a backend.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one body")]
pub(super) struct Upload {
    /// All of it was handed to the system, or the backend takes no more.
    is_over: bool,
    /// The backend takes no more of it.
    is_broken: bool,
    /// Who has to move.
    pub(super) awaited: Awaited,
    /// Something moved since this was last set to false.
    pub(super) moved: bool,
    /// Most bytes of it.
    most: Option<u64>,
    /// What was sent of it, for sending it once more.
    pub(super) kept: Kept,
    /// The client expects `100 Continue`, and nobody said it yet.
    pub(super) unmet: bool,
    /// How long the client was waited for.
    pub(super) pace: Pace,
    /// Payload goes past this process, to the end of the length or chunk.
    is_spliced: bool,
    /// Lent while bytes are in it: clients may take long to send the next ones.
    pipe: Option<Pipe>,
}

/// The beginning of a request's body, kept in case it must be sent to another backend.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Kept {
    /// Keeps up to `limit` bytes, and those that were read already and are sent first.
    pub(super) fn beginning(bytes: Vec<u8>, limit: usize) -> Self {
        Self { limit: limit.max(bytes.len()), bytes, overflowed: false }
    }

    /// What was sent so far; `None` when that is more than is kept.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        (!self.overflowed).then_some(&self.bytes)
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > self.limit {
            self.overflowed = true;
            self.bytes = Vec::new();
        } else if !self.overflowed {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

impl Upload {
    /// A body of which nothing was sent.
    pub(super) fn new(most: Option<u64>, kept: Kept) -> Self {
        Self {
            is_over: false,
            is_broken: false,
            awaited: Awaited::Backend,
            moved: false,
            most,
            kept,
            unmet: false,
            pace: Pace::default(),
            is_spliced: false,
            pipe: None,
        }
    }

    /// Another backend gets it from the beginning.
    pub(super) fn again(&mut self) {
        (self.is_over, self.is_broken) = (false, false);
    }

    /// The connection carries another protocol from here on, until it ends.
    pub(super) fn endless(&mut self) {
        *self = Self::new(None, Kept::default());
    }

    /// True once nothing more is going to be sent.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// True when all of it was sent.
    pub(super) fn is_whole(&self) -> bool {
        self.is_over && !self.is_broken
    }

    /// The backend takes no more: what it has to say about that may still come.
    fn give_up(&mut self) -> Poll<Result<(), Reason>> {
        (self.is_over, self.is_broken, self.unmet) = (true, true, false);
        self.awaited = Awaited::Backend;
        Poll::Ready(Ok(()))
    }

    /// Passes on what can be passed on now. An error is the client's doing.
    #[inline]
    pub(super) fn poll<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut D,
        up: &mut Upstream,
    ) -> Poll<Result<(), Reason>> {
        while !self.is_over {
            self.awaited = Awaited::Client;
            if self.kept.overflowed
                && let Some(spliced) = self.splice(cx, down, up)
            {
                match ready!(spliced) {
                    Ok(()) => continue,
                    Err(Splice::Sink) => return self.give_up(),
                    Err(Splice::Source) => return Poll::Ready(Err(Reason::ClientGone)),
                }
            }
            match down.poll_body(cx) {
                Poll::Ready(Ok(0)) => {
                    (self.awaited, self.unmet) = (Awaited::Backend, false);
                    let reserved = &down.client().listener.conf.reserved_prefixes;
                    match up.poll_finish(cx, &honest_trailers(down.trailers(), reserved)) {
                        Poll::Ready(Ok(())) => self.is_over = true,
                        Poll::Ready(Err(_)) => return self.give_up(),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Ready(Ok(_)) => {
                    // Whoever sends does not wait.
                    self.unmet = false;
                    if self.most.is_some_and(|most| down.received() > most) {
                        return Poll::Ready(Err(Reason::BodyTooLarge));
                    }
                    self.awaited = Awaited::Backend;
                    match up.poll_send(cx, down.body()) {
                        Poll::Ready(Ok(count)) => {
                            self.kept.take(&down.body()[..count]);
                            down.consume_body(count);
                        }
                        Poll::Ready(Err(_)) => return self.give_up(),
                        Poll::Pending => return Poll::Pending,
                    }
                    self.moved = true;
                }
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {
                    if let Poll::Ready(Err(_)) = up.poll_flush(cx) {
                        return self.give_up();
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves payload past this process while that is worth it, once none of it has to be kept. `None` when it has to go
    /// through a buffer.
    fn splice<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut D,
        up: &mut Upstream,
    ) -> Option<Poll<Result<(), Splice>>> {
        let Upstream::H1(plain) = up else { return None };
        let left = down.unread()?;
        let is_worth_it = left > 0 && (self.is_spliced || left >= SPLICED);
        // What is too long is refused where it is counted.
        if !is_worth_it || self.most.is_some_and(|most| left > most.saturating_sub(down.received())) {
            return None;
        }
        match plain.wire.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Some(Poll::Ready(Err(Splice::Sink))),
            Poll::Pending => {
                self.awaited = Awaited::Backend;
                return Some(Poll::Pending);
            }
        }
        let from = down.source()?;
        let to = plain.wire.writes_payload_as_it_is().then(|| plain.wire.stream.plain_tcp()).flatten()?;
        let moved = splice(&mut self.pipe, from, to, left, cx)?;
        if is_held(self.pipe.as_ref()) {
            self.awaited = Awaited::Backend;
        } else {
            self.pipe = None;
        }
        Some(moved.map_ok(|count| {
            down.took_from_source(count);
            self.is_spliced = count < left;
            (self.moved, self.unmet) = (true, false);
        }))
    }
}

/// An answer's body on its way to a client.
#[derive(Debug)]
pub(super) struct Download {
    /// Who has to move.
    pub(super) awaited: Awaited,
    told: Option<Awaited>,
    moved: bool,
    /// Lent while a large body goes from socket to socket.
    pipe: Option<Pipe>,
}

impl Download {
    /// A body of which nothing was sent.
    pub(super) fn new() -> Self {
        Self { awaited: Awaited::Backend, told: None, moved: false, pipe: None }
    }

    /// True when something moved, or somebody else has to move, since this was last asked.
    pub(super) fn is_news(&mut self) -> bool {
        std::mem::take(&mut self.moved) | (self.told.replace(self.awaited) != Some(self.awaited))
    }

    /// Passes on what can be passed on now; ready once all of it was taken from the backend, or why it never will be.
    /// The client then still has to be told that this was the end.
    #[inline]
    pub(super) fn poll<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut D,
        up: &mut Upstream,
    ) -> Poll<Result<(), Reason>> {
        loop {
            if let Some(spliced) = self.splice(cx, down, up) {
                ready!(spliced)?;
                continue;
            }
            match up.poll_body(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {
                    self.awaited = Awaited::Client;
                    match down.poll_send(cx, up.body()) {
                        Poll::Ready(Ok(count)) => up.consume_body(count),
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(Reason::ClientGone)),
                        Poll::Pending => return Poll::Pending,
                    }
                    self.moved = true;
                }
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(reason_of(&failure))),
                Poll::Pending => {
                    self.awaited = Awaited::Client;
                    match down.poll_flush(cx) {
                        Poll::Ready(Ok(())) => self.awaited = Awaited::Backend,
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(Reason::ClientGone)),
                        Poll::Pending => {}
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Moves payload past this process while that is worth it. `None` when it has to go through a buffer.
    #[inline]
    fn splice<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut D,
        up: &mut Upstream,
    ) -> Option<Poll<Result<(), Reason>>> {
        let Upstream::H1(plain) = up else { return None };
        let left = plain.wire.unread_payload()?;
        if left == 0 || (self.pipe.is_none() && left < SPLICED) {
            return None;
        }
        self.splice_up_to(left, cx, down, up)
    }

    fn splice_up_to<D: Downstream>(
        &mut self,
        left: u64,
        cx: &mut Context<'_>,
        down: &mut D,
        up: &mut Upstream,
    ) -> Option<Poll<Result<(), Reason>>> {
        let Upstream::H1(plain) = up else { return None };
        let from = plain.wire.splice_from()?;
        self.awaited = Awaited::Client;
        match down.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Some(Poll::Ready(Err(Reason::ClientGone))),
            Poll::Pending => return Some(Poll::Pending),
        }
        let to = down.socket()?;
        let moved = splice(&mut self.pipe, from, to, left, cx)?;
        if !is_held(self.pipe.as_ref()) {
            self.awaited = Awaited::Backend;
        }
        Some(match moved {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) => {
                plain.wire.skipped(count);
                self.moved = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(Splice::Source)) => Poll::Ready(Err(Reason::Truncated)),
            Poll::Ready(Err(Splice::Sink)) => Poll::Ready(Err(Reason::ClientGone)),
        })
    }
}

/// Which side of a splice is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splice {
    /// The one that is read: it ended early, or broke.
    Source,
    /// The one that is written.
    Sink,
}

/// Moves at most `left` bytes over a pipe that is lent for it, until the last of them. `None` when there is no pipe.
fn splice(
    lent: &mut Option<Pipe>,
    from: &TcpStream,
    to: &TcpStream,
    left: u64,
    cx: &mut Context<'_>,
) -> Option<Poll<Result<u64, Splice>>> {
    if lent.is_none() {
        *lent = Pipe::take();
    }
    let pipe = lent.as_mut()?;
    let count = match poll_splice(from, to, pipe, left, cx) {
        Poll::Pending => return Some(Poll::Pending),
        Poll::Ready(Ok(count)) if count > 0 => count,
        // Bytes that were read and not written are in the pipe.
        Poll::Ready(_) => {
            return Some(Poll::Ready(Err(if pipe.held() > 0 { Splice::Sink } else { Splice::Source })));
        }
    };
    if count == left {
        *lent = None;
    }
    Some(Poll::Ready(Ok(count)))
}

/// True when bytes are in the pipe, so that the side that is written is waited for.
fn is_held(lent: Option<&Pipe>) -> bool {
    lent.is_some_and(|pipe| pipe.held() > 0)
}

fn reason_of(failure: &BodyFailure) -> Reason {
    match failure {
        BodyFailure::Closed | BodyFailure::Io(_) => Reason::Truncated,
        BodyFailure::Bad(_) => Reason::BadResponse,
    }
}

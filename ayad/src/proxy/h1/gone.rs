//! Whether a client that waits for its answer is still there.
//!
//! The end of what a client sends is all that TCP shows of it: one that says no more and reads on looks like one that
//! has closed. Its system tells the two apart when something is sent to it, because bytes for a socket that nobody
//! holds come back as a reset. So a client in doubt is asked, with `100 Continue`: everybody who speaks HTTP/1.1 reads
//! over it (RFC 9110, 15.2), and it is the one interim answer that the simplest clients know. HTTP/1.0 has none; those
//! clients are only watched. See `ayad/docs/adr/0013-a-half-closed-with-its-request-waits.md`.
//!
//! A client in doubt is looked at once a second and not with each event of its socket: those have all happened.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::{H1, READ_AHEAD, TOGETHER};
use crate::clock;
use crate::stream::{Plain, Stream};

/// How often a client in doubt is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Each question comes this many times later than the one before: few clients read more than some interim answers.
const RARER: u32 = 4;
const QUESTION: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What is known of a client's half of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// It may send more.
    Open,
    /// It sent more than is read ahead: how that ends is not read, but looked for.
    Unread,
    /// It ended together with a request, whose answer is still wanted.
    Closed,
}

/// A look at a client in doubt, now and then while a request waits.
#[derive(Debug)]
pub(super) struct Doubt {
    next: Pin<Box<Sleep>>,
    looks: u32,
    asked_at: u32,
}

impl Doubt {
    fn begin() -> Self {
        let next = Box::pin(tokio::time::sleep_until(clock::instant(clock::now().after(LOOK))));
        Self { next, looks: 0, asked_at: 1 }
    }

    /// Ready when it is time to look.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rang = self.next.as_mut().poll(cx);
        if rang.is_ready() {
            self.looks = self.looks.saturating_add(1);
            self.next.as_mut().reset(clock::instant(clock::now().after(LOOK)));
        }
        rang
    }

    /// True when it is time to ask as well.
    fn asks(&mut self) -> bool {
        let is_due = self.looks >= self.asked_at;
        if is_due {
            self.asked_at = self.looks.saturating_mul(RARER);
        }
        is_due
    }
}

impl H1 {
    /// Ready once the client has gone without waiting for its answer. What it sends meanwhile is read, within a bound.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_first = !std::mem::replace(&mut self.looked, true);
        while self.half != Half::Closed {
            if self.wire.input.len() >= READ_AHEAD {
                self.half = Half::Unread;
                break;
            }
            self.half = Half::Open;
            match self.wire.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if is_first || clock::now().since(self.begun) < TOGETHER => {
                    self.half = Half::Closed;
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
            }
        }
        self.poll_doubt(cx)
    }

    fn poll_doubt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut doubt = self.doubt.take().unwrap_or_else(Doubt::begin);
        while doubt.poll(cx).is_ready() {
            if is_broken(&self.wire.stream) {
                return Poll::Ready(());
            }
            let has_ended = self.half == Half::Closed || has_ended(&self.wire.stream);
            if has_ended && self.may_be_asked && doubt.asks() {
                self.wire.output().extend(QUESTION);
                if let Poll::Ready(Err(_)) = self.wire.poll_flush(cx) {
                    return Poll::Ready(());
                }
            }
        }
        self.doubt = Some(doubt);
        Poll::Pending
    }
}

fn tcp(stream: &Stream) -> Option<&TcpStream> {
    match stream.plain() {
        Some(Plain::Tcp(tcp)) => Some(tcp),
        Some(Plain::Unix(_)) | None => None,
    }
}

/// True when the connection was reset, or its peer answers no more.
fn is_broken(stream: &Stream) -> bool {
    tcp(stream).is_some_and(|tcp| !matches!(tcp.take_error(), Ok(None)))
}

/// True when the end of what the client sends has come, whatever of that is still to be read.
fn has_ended(stream: &Stream) -> bool {
    let Some(tcp) = tcp(stream) else { return false };
    let ready: Poll<io::Result<_>> =
        pin!(tcp.ready(Interest::READABLE)).poll(&mut Context::from_waker(Waker::noop()));
    match ready {
        Poll::Ready(Ok(ready)) => ready.is_read_closed(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}

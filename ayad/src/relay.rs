//! Bytes between a client and a backend once nobody looks at them any more: TCP listeners, upgraded
//! connections, `CONNECT`.
//!
//! A [`Tunnel`] owns both streams and is polled by the one task that carries the connection. Bytes move by
//! splice(2) when both ends are plain TCP and there is much to move, and through a lent buffer otherwise. A
//! direction reads only when what it read before is written, so a slow reader slows its writer and nothing piles
//! up here. A tunnel in which nothing moves holds neither buffer nor pipe: two sockets and some 200 bytes.
//!
//! The end of one direction is passed on as such (a half-close), the other one goes on. An error ends the tunnel. A
//! tunnel that is dropped before its regular end resets both connections: a peer must not take a broken stream for a
//! finished one.
//!
//! Not here: when to give up. Whoever polls compares [`Tunnel::totals`] with what they were.

pub mod pipe;
mod way;

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

pub use self::pipe::{Pipe, poll_splice};
use self::way::{Fault, Way};
use crate::stream::{Plain, Stream};

/// Bytes that went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// From the client to the backend.
    pub up: u64,
    /// From the backend to the client.
    pub down: u64,
}

impl Totals {
    /// Both directions.
    pub fn sum(self) -> u64 {
        self.up.saturating_add(self.down)
    }
}

/// One of the two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected to us.
    Client,
    /// Whom we connected to.
    Backend,
}

/// Why a tunnel ended before both sides were done.
#[derive(Debug)]
pub struct End {
    /// Whose connection broke.
    pub side: Side,
    /// How.
    pub error: io::Error,
}

/// Two streams that are one.
#[derive(Debug)]
pub struct Tunnel {
    client: Stream,
    backend: Stream,
    up: Way,
    down: Way,
    /// A direction that cannot be written any more, while the other one is still brought home.
    broken: Option<End>,
}

impl Tunnel {
    /// Joins two streams. `up` was read from the client and is for the backend, `down` the other way around; they go
    /// first, and may be empty.
    pub fn new(client: Stream, backend: Stream, up: Vec<u8>, down: Vec<u8>) -> Self {
        Self { client, backend, up: Way::new(up), down: Way::new(down), broken: None }
    }

    /// Moves what can be moved now. Ready with the totals once both sides have ended and each was told of the other's
    /// end, or with the first error. Not to be polled after that.
    ///
    /// When one side can no longer be written to, because it closed or reset the connection, what it had sent before
    /// still goes to the other side: the answer of a server that stopped listening early.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Totals, End>> {
        let up = match self.broken {
            Some(End { side: Side::Backend, .. }) => Poll::Ready(Ok(())),
            _ => self.up.poll(&mut self.client, &mut self.backend, cx),
        };
        let up = self.settle(up, Side::Client, Side::Backend)?;
        let down = match self.broken {
            Some(End { side: Side::Client, .. }) => Poll::Ready(Ok(())),
            _ => self.down.poll(&mut self.backend, &mut self.client, cx),
        };
        let down = self.settle(down, Side::Backend, Side::Client)?;
        if !(up && down) {
            return Poll::Pending;
        }
        Poll::Ready(match self.broken.take() {
            Some(end) => Err(end),
            None => Ok(self.totals()),
        })
    }

    /// Bytes so far; read after each poll they tell whether anything moved.
    pub fn totals(&self) -> Totals {
        Totals { up: self.up.moved(), down: self.down.moved() }
    }

    /// Who has to move for the tunnel to go on: the side that does not take what is there for it. `None` when both
    /// are waited for to send.
    pub fn awaited(&self) -> Option<Side> {
        if self.up.is_blocked() {
            Some(Side::Backend)
        } else if self.down.is_blocked() {
            Some(Side::Client)
        } else {
            None
        }
    }

    /// True once one side has ended and the other has not. Nobody reads from the one that has, so it can break
    /// without being noticed: look with [`Tunnel::check`] from time to time.
    pub fn is_half_closed(&self) -> bool {
        self.up.is_closed() != self.down.is_closed()
    }

    /// Asks the system whether a connection has broken in silence: it was reset after its end, or does not answer to
    /// keep-alive probes. Two system calls.
    pub fn check(&self) -> Result<(), End> {
        for (side, stream) in [(Side::Client, &self.client), (Side::Backend, &self.backend)] {
            let asked = match stream.plain() {
                Some(Plain::Tcp(tcp)) => tcp.take_error(),
                Some(Plain::Unix(unix)) => unix.take_error(),
                None => Ok(None),
            };
            if let Some(error) = asked.unwrap_or_else(Some) {
                return Err(End { side, error });
            }
        }
        Ok(())
    }

    /// True when the direction is over. Remembers a sink that went away and lets the other direction finish.
    fn settle(&mut self, polled: Poll<Result<(), Fault>>, source: Side, sink: Side) -> Result<bool, End> {
        match polled {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(Fault::Source(error))) => {
                Err(self.broken.take().unwrap_or(End { side: source, error }))
            }
            Poll::Ready(Err(Fault::Sink(error))) if self.broken.is_none() && is_gone(&error) => {
                // A pipe that broke means that the peer had ended before; a reset means that it had not.
                if error.kind() == io::ErrorKind::ConnectionReset {
                    match sink {
                        Side::Client => self.up.source_was_reset(),
                        Side::Backend => self.down.source_was_reset(),
                    }
                }
                self.broken = Some(End { side: sink, error });
                Ok(true)
            }
            Poll::Ready(Err(Fault::Sink(error))) => {
                Err(self.broken.take().unwrap_or(End { side: sink, error }))
            }
        }
    }
}

impl Drop for Tunnel {
    /// Makes the close a reset, for each side that was not told of a regular end.
    fn drop(&mut self) {
        for (way, stream) in [(&self.up, &self.backend), (&self.down, &self.client)] {
            if !way.is_closed()
                && let Err(error) = reset_on_close(stream)
            {
                tracing::debug!(%error, "a connection ends without a reset");
            }
        }
    }
}

/// Makes closing a TCP stream a reset; what the system has not sent yet is dropped. Other streams have none, and just
/// close.
pub fn reset_on_close(stream: &Stream) -> io::Result<()> {
    match stream.plain() {
        Some(Plain::Tcp(tcp)) => SockRef::from(tcp).set_linger(Some(Duration::ZERO)),
        Some(Plain::Unix(_)) | None => Ok(()),
    }
}

/// True when the peer has no more ears; what it said before may still be in the socket.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

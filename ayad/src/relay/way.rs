//! One direction of a tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::pipe::Pipe;
use crate::buffers::Buffer;
use crate::stream::Stream;

/// Most bytes moved before other tasks of the thread get their turn.
const BUDGET: usize = 512 * 1024;
/// A read of at least this much means there is more where it came from, and a pipe is worth its calls; below it,
/// a buffer needs one call less, because a short read tells the runtime that the socket is empty.
const MUCH: usize = crate::buffers::SMALL;

/// Where an error happened.
#[derive(Debug)]
pub(super) enum Fault {
    /// Reading.
    Source(io::Error),
    /// Writing.
    Sink(io::Error),
}

/// Bytes that were read and are not written yet.
#[derive(Debug)]
enum Held {
    Nothing,
    /// What somebody else read before the tunnel began, from this position on.
    First(Vec<u8>, usize),
    /// In a buffer, between these positions.
    Buffer(Buffer, usize, usize),
    /// In a pipe.
    Pipe(Pipe),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The source may send more.
    Open,
    /// The source has ended, and the sink must be told.
    Ended,
    /// The sink was told.
    Closed,
}

/// One direction: what it holds and how far it is.
#[derive(Debug)]
pub(super) struct Way {
    held: Held,
    stage: Stage,
    moved: u64,
    is_bulk: bool,
    is_unflushed: bool,
    /// The source was reset, which the system has told once and does not tell again: it reads like an end.
    is_broken: bool,
}

impl Way {
    /// A direction that writes `first` before anything else.
    pub(super) fn new(first: Vec<u8>) -> Self {
        let held = if first.is_empty() { Held::Nothing } else { Held::First(first, 0) };
        Self { held, stage: Stage::Open, moved: 0, is_bulk: false, is_unflushed: false, is_broken: false }
    }

    /// Bytes written to the sink.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// True once the source has ended and the sink was told.
    pub(super) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// True while bytes wait for the sink to take them.
    pub(super) fn is_blocked(&self) -> bool {
        !matches!(self.held, Held::Nothing)
    }

    /// What the source had sent before it was reset is still brought home; that it ends then is an error.
    pub(super) fn source_was_reset(&mut self) {
        self.is_broken = true;
    }

    /// Moves what can be moved now. Ready once the source has ended and the sink was told, or with an error.
    pub(super) fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let mut budget = BUDGET;
        loop {
            ready!(self.poll_empty(to, cx)).map_err(Fault::Sink)?;
            match self.stage {
                Stage::Open if budget == 0 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Open => match self.poll_fill(from, to, cx) {
                    Poll::Ready(Ok(0)) if self.is_broken => {
                        return Poll::Ready(Err(Fault::Source(io::ErrorKind::ConnectionReset.into())));
                    }
                    Poll::Ready(Ok(0)) => self.stage = Stage::Ended,
                    Poll::Ready(Ok(read)) => budget = budget.saturating_sub(read),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Source(error))),
                    Poll::Pending => {
                        ready!(self.poll_flush(to, cx)).map_err(Fault::Sink)?;
                        return Poll::Pending;
                    }
                },
                Stage::Ended => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(Fault::Sink)?;
                    self.stage = Stage::Closed;
                }
                Stage::Closed => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once. Afterwards something is held, unless nothing is there or the source has ended.
    fn poll_fill(&mut self, from: &mut Stream, to: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_bulk
            && let (Some(from), Some(_)) = (from.plain_tcp(), to.plain_tcp())
        {
            // Not before there is something to move: an idle tunnel holds no pipe.
            ready!(from.poll_read_ready(cx))?;
            if let Some(mut pipe) = Pipe::take() {
                let read = ready!(pipe.poll_fill(from, u64::MAX, cx))?;
                self.is_bulk = read >= MUCH;
                self.held = if read > 0 { Held::Pipe(pipe) } else { Held::Nothing };
                return Poll::Ready(Ok(read));
            }
        }
        let mut buffer = if self.is_bulk { Buffer::large() } else { Buffer::small() };
        // Without a byte the buffer goes back at once: an idle tunnel holds no buffer.
        let read = ready!(from.poll_read_into(cx, &mut buffer))?;
        self.is_bulk = read >= MUCH;
        if read > 0 {
            self.held = Held::Buffer(buffer, 0, read);
        }
        Poll::Ready(Ok(read))
    }

    /// Writes what is held until nothing is.
    fn poll_empty(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let (wrote, is_empty) = match &mut self.held {
                Held::Nothing => return Poll::Ready(Ok(())),
                Held::First(bytes, at) => write(to, bytes, at, cx),
                Held::Buffer(buffer, at, end) => write(to, &buffer[..*end], at, cx),
                Held::Pipe(pipe) => {
                    let Some(to) = to.plain_tcp() else {
                        return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
                    };
                    let wrote = pipe.poll_drain(to, cx);
                    (wrote, pipe.held() == 0)
                }
            };
            self.moved += ready!(wrote)? as u64;
            self.is_unflushed = true;
            if is_empty {
                self.held = Held::Nothing;
            }
        }
    }

    /// Hands over what a layer of encryption still keeps to itself. Costs nothing without one.
    fn poll_flush(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes `bytes` from `at` on; says how many were taken and whether those were the last.
fn write(
    to: &mut Stream,
    bytes: &[u8],
    at: &mut usize,
    cx: &mut Context<'_>,
) -> (Poll<io::Result<usize>>, bool) {
    let wrote = match Pin::new(to).poll_write(cx, &bytes[*at..]) {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        other => other,
    };
    if let Poll::Ready(Ok(wrote)) = &wrote {
        *at += wrote;
    }
    (wrote, *at == bytes.len())
}

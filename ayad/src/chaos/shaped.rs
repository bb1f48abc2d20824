//! A stream to a backend whose bytes a fault delays, changes or cuts; or one that no backend is behind.
//!
//! It wraps the real stream of one attempt, and nobody uses it after that. When its fault ends it passes on what it held
//! back, and from then on everything as it comes.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aya_core::chaos::bandwidth::Meter;
use aya_core::chaos::corrupt::Corruptor;
use aya_core::chaos::{reset, slice};
use aya_core::rng::Rng;
use aya_core::time::Tick;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::active::Held;
pub use super::spoken::Spoken;
use crate::clock;
use crate::stream::{Plain, Stream};

/// Most bytes read at once.
const PORTION: usize = 16 * 1024;
/// Longest that an end comes later.
const LONGEST: Duration = Duration::from_secs(600);

/// What is done to the bytes.
#[derive(Debug)]
pub(super) enum Shape {
    /// They pass no faster than this.
    Bandwidth { up: Option<Meter>, down: Option<Meter> },
    /// They come in pieces.
    Slice { bytes: u64, spread: u64, pause: Duration, rng: Rng },
    /// They end.
    Truncate { after: u64 },
    /// The connection is reset.
    Reset { after: u64 },
    /// Some are others.
    Corrupt(Corruptor),
    /// The last ones come later.
    SlowClose { delay: Duration },
}

impl Shape {
    pub(super) fn bandwidth(up: Option<u64>, down: Option<u64>, now: Tick) -> Self {
        Self::Bandwidth {
            up: up.map(|rate| Meter::new(rate, now)),
            down: down.map(|rate| Meter::new(rate, now)),
        }
    }

    pub(super) fn slice(bytes: u64, spread: u64, pause: Duration, seed: u64) -> Self {
        Self::Slice { bytes, spread, pause, rng: Rng::seeded(seed) }
    }

    pub(super) fn corrupt(one_in: u64, seed: u64) -> Self {
        Self::Corrupt(Corruptor::new(one_in, seed))
    }

    pub(super) fn slow_close(delay_ms: f64) -> Self {
        let delay =
            Duration::try_from_secs_f64(delay_ms / 1e3).map_or(Duration::ZERO, |delay| delay.min(LONGEST));
        Self::SlowClose { delay }
    }
}

type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stream.
pub struct Shaped {
    /// The real one; absent when no backend is behind it.
    inner: Option<Stream>,
    shape: Option<Shape>,
    spoken: Spoken,
    /// What came and was not passed on.
    stock: Vec<u8>,
    /// How much of that may be passed on.
    free: usize,
    /// As many may be once the pause is over.
    owed: Option<usize>,
    passed: u64,
    is_ended: bool,
    /// The wait before the next bytes was made.
    is_rested: bool,
    pause: Option<Pin<Box<Sleep>>>,
    up_pause: Option<Pin<Box<Sleep>>>,
    over: Option<Over>,
    held: Option<Held>,
}

/// What to do next.
enum Next {
    /// So many bytes more may be passed on.
    Free(usize),
    Pause(Duration),
    More,
    End,
    Reset,
}

impl Shaped {
    /// `inner` as a fault makes it.
    pub(super) fn new(inner: Stream, shape: Shape, held: Held, spoken: Spoken) -> Self {
        let active = Arc::clone(held.by());
        let over: Over = Box::pin(async move { active.over().await });
        Self {
            inner: Some(inner),
            shape: Some(shape),
            spoken,
            over: Some(over),
            held: Some(held),
            ..Self::made(Vec::new())
        }
    }

    /// A stream that takes everything, and says `bytes` and nothing more.
    pub(super) fn made(bytes: Vec<u8>) -> Self {
        Self {
            inner: None,
            shape: None,
            spoken: Spoken::Bytes,
            free: bytes.len(),
            stock: bytes,
            owed: None,
            passed: 0,

            is_ended: false,
            is_rested: false,
            pause: None,
            up_pause: None,
            over: None,
            held: None,
        }
    }

    /// The socket underneath, if there is one.
    pub fn plain(&self) -> Option<&Plain> {
        self.inner.as_ref().and_then(Stream::plain)
    }

    /// The fault has ended: what it held back is free.
    fn let_go(&mut self) {
        self.shape = None;
        (self.over, self.held, self.pause, self.up_pause) = (None, None, None, None);
        self.free = self.stock.len();
        self.owed = None;
    }

    /// Notices the end of the fault, and leaves a waker for it.
    fn look(&mut self, cx: &mut Context<'_>) {
        if let Some(over) = &mut self.over
            && over.as_mut().poll(cx).is_ready()
        {
            self.let_go();
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.free.min(buf.remaining());
        buf.put_slice(&self.stock[..count]);
        self.stock.drain(..count);
        self.free -= count;
        self.passed += count as u64;
    }

    /// Reads more, as much as `room` allows. False at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(Ok(false)) };
        let mut room = vec![0; PORTION];
        let count = ready!(inner.poll_read_into(cx, &mut room))?;
        self.stock.extend_from_slice(&room[..count]);
        Poll::Ready(Ok(count > 0))
    }

    fn next(&mut self) -> Next {
        if let Some(owed) = self.owed.take() {
            return Next::Free(owed);
        }
        let Self { shape: Some(shape), stock, is_rested, is_ended, passed, .. } = self else {
            return if self.is_ended { Next::End } else { Next::More };
        };
        let all = stock.len();
        let until =
            |after: u64| usize::try_from(reset::left(after, *passed)).map_or(all, |left| left.min(all));
        match shape {
            Shape::Truncate { after } if reset::left(*after, *passed) == 0 => Next::End,
            Shape::Reset { after } if reset::left(*after, *passed) == 0 => Next::Reset,
            Shape::SlowClose { delay } if all == 0 && *is_ended && !std::mem::replace(is_rested, true) => {
                Next::Pause(*delay)
            }
            _ if all == 0 => {
                if *is_ended {
                    Next::End
                } else {
                    Next::More
                }
            }
            Shape::Truncate { after } | Shape::Reset { after } => Next::Free(until(*after)),
            Shape::Bandwidth { down: None, .. } => Next::Free(all),
            Shape::Bandwidth { down: Some(meter), .. } => metered(meter, all),
            Shape::Slice { pause, .. } if !std::mem::replace(is_rested, true) => Next::Pause(*pause),
            Shape::Slice { bytes, spread, rng, .. } => {
                *is_rested = false;
                Next::Free(slice::piece(*bytes, *spread, rng).min(all))
            }
            Shape::Corrupt(_) | Shape::SlowClose { .. } => self.next_part(),
        }
    }

    /// What to do with bytes whose meaning matters.
    fn next_part(&mut self) -> Next {
        let Self { shape, stock, spoken, is_ended, is_rested, owed, .. } = self;
        let Some(part) = spoken.next(stock) else {
            return if *is_ended { Next::Free(stock.len()) } else { Next::More };
        };
        match shape {
            Some(Shape::Corrupt(corruptor)) if part.is_body => {
                corruptor.corrupt(&mut stock[..part.len]);
            }
            Some(Shape::SlowClose { delay }) if part.is_last => {
                *is_rested = true;
                *owed = Some(part.len);
                return Next::Pause(*delay);
            }
            _ => {}
        }
        Next::Free(part.len)
    }
}

fn metered(meter: &mut Meter, all: usize) -> Next {
    let now = clock::now();
    let wait = meter.wait(now);
    if !wait.is_zero() {
        return Next::Pause(wait);
    }
    let count = all.min(meter.portion());
    meter.pass(now, count);
    Next::Free(count)
}

impl AsyncRead for Shaped {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look(cx);
        loop {
            if this.free > 0 {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            match this.next() {
                Next::Free(count) => this.free = count,
                Next::Pause(time) => this.pause = Some(Box::pin(tokio::time::sleep(time))),
                Next::More => this.is_ended = !ready!(this.poll_more(cx))?,
                Next::End => return Poll::Ready(Ok(())),
                Next::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

impl AsyncWrite for Shaped {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let is_shaped = this.shape.is_some();
        this.look(cx);
        if is_shaped && this.shape.is_none() {
            // Whoever reads has to notice too.
            cx.waker().wake_by_ref();
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(Ok(data.len())) };
        let Some(Shape::Bandwidth { up: Some(meter), .. }) = &mut this.shape else {
            return inner.poll_send(cx, data);
        };
        loop {
            if let Some(pause) = &mut this.up_pause {
                ready!(pause.as_mut().poll(cx));
                this.up_pause = None;
            }
            let wait = meter.wait(clock::now());
            if wait.is_zero() {
                break;
            }
            this.up_pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
        let count = ready!(inner.poll_send(cx, &data[..data.len().min(meter.portion())]))?;
        meter.pass(clock::now(), count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Some(inner) => Pin::new(inner).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Some(inner) => Pin::new(inner).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Shaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaped")
            .field("inner", &self.inner)
            .field("shape", &self.shape)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}

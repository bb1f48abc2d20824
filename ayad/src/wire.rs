//! One HTTP/1.1 connection, of a client or to a backend: its stream, what was read of it, and what is to be written.
//!
//! Both sides of a proxy read one message and write another at the same time; this is what they have in common.
//! Nothing here knows what a message means: heads are read by [`crate::h1`], and written by whoever edits them. All
//! methods are polled, take what there is and keep no waker but the last.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task::coop::has_budget_remaining;

use crate::buffers::SMALL;
use crate::h1::{BadBody, BodyReader, Fields, Framing, Step, may_trail, may_trail_answer};
use crate::queue::Queue;
use crate::stream::Stream;

/// Up to this many bytes are copied behind what waits to be written, so that both go out with one call. Gathering
/// two buffers costs the kernel more than copying so few.
const COPIED: usize = 4096;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    /// The stream.
    pub stream: Stream,
    /// What was read and not yet used.
    pub input: Queue,
    inflow: Inflow,
    outflow: Outflow,
    /// The task that is woken when there is something to read; 0 for none.
    watcher: usize,
    /// A write was told that the connection is reset. The system tells that once: to a read it looks like an end.
    was_reset: bool,
}

/// The body that is being read.
#[derive(Debug)]
struct Inflow {
    reader: BodyReader,
    /// Bytes at the front of the input that may be passed on.
    ready: usize,
    /// They are passed on with their framing.
    raw: bool,
    payload: u64,
    trailers: Queue,
    /// Trailers with names that some reader takes for framing are no good, as in a head.
    is_of_client: bool,
}

/// The message that is being written.
#[derive(Debug, Default)]
struct Outflow {
    pending: Queue,
    mode: Mode,
    ended: bool,
}

/// How the body that is written is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its bytes are written as they are: the head says how many, or the end of the connection will.
    #[default]
    Plain,
    /// It already comes in chunks, but for the last one and its trailers.
    Raw,
    /// It is put into chunks.
    Chunks,
    /// It is no message any more: its end is the end of what this side says.
    Tunnel,
}

/// Why a body ended early.
#[derive(Debug)]
pub enum BodyFailure {
    /// The other side closed the connection in the middle of it.
    Closed,
    /// The system said no.
    Io(io::Error),
    /// Its framing cannot be read.
    Bad(BadBody),
}

impl Wire {
    /// A connection on which nothing was read yet.
    pub fn new(stream: Stream) -> Self {
        let inflow = Inflow {
            reader: BodyReader::new(Framing::None),
            ready: 0,
            raw: false,
            payload: 0,
            trailers: Queue::new(),
            is_of_client: false,
        };
        Self {
            stream,
            input: Queue::new(),
            inflow,
            outflow: Outflow::default(),
            watcher: 0,
            was_reset: false,
        }
    }

    /// As [`Self::new`], where requests come: what their heads may not say, their trailers may not say either.
    pub fn of_client(stream: Stream) -> Self {
        let mut wire = Self::new(stream);
        wire.inflow.is_of_client = true;
        wire
    }

    /// Reads what there is behind what was read before. 0 is the end of the stream. Holds no memory while it waits
    /// with an empty input.
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let task = cx.waker().data().addr();
        // Registering the same waker once more costs a lock, and a request would do so several times.
        if self.watcher == task && !self.stream.may_be_readable() {
            if self.input.is_empty() {
                self.input.release();
            }
            return Poll::Pending;
        }
        let polled = self.stream.poll_fill(cx, &mut self.input);
        // A task that did much without a pause is put off by the runtime instead, which leaves no waker.
        self.watcher = if polled.is_pending() && has_budget_remaining() { task } else { 0 };
        polled
    }

    /// Another task may read from here on.
    pub fn unwatch(&mut self) {
        self.watcher = 0;
    }

    /// The body that begins is read without its framing: it goes on in another one. To be called before any of it is
    /// looked at.
    pub fn unframe(&mut self) {
        debug_assert!(self.inflow.ready == 0, "nothing of the body was read");
        self.inflow.raw = false;
    }

    /// A message whose head was taken from the input begins; `raw` says that its chunks are passed on as they are.
    pub fn begin_body(&mut self, framing: Framing, raw: bool) {
        self.inflow.reader = BodyReader::new(framing);
        self.inflow.ready = 0;
        self.inflow.raw = raw;
        self.inflow.payload = 0;
        self.inflow.trailers.clear();
    }

    /// Makes bytes of the body ready, and says how many are; 0 once there are no more.
    #[inline]
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        loop {
            if self.inflow.ready > 0 {
                return Poll::Ready(Ok(self.inflow.ready));
            }
            match self.inflow.look(&mut self.input).map_err(BodyFailure::Bad)? {
                Look::Again => continue,
                Look::Done => return Poll::Ready(Ok(0)),
                Look::More => {}
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.inflow.reader.may_close() && !self.was_reset => return Poll::Ready(Ok(0)),
                Ok(0) => return Poll::Ready(Err(BodyFailure::Closed)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(BodyFailure::Io(error))),
            }
        }
    }

    /// Why the body cannot be read on, once that was said.
    pub fn fault(&mut self) -> Option<BadBody> {
        self.inflow.look(&mut self.input).err()
    }

    /// The ready bytes of the body.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.input.data()[..self.inflow.ready]
    }

    /// Some of the ready bytes were passed on.
    #[inline]
    pub fn consume_body(&mut self, count: usize) {
        self.input.consume(count);
        self.inflow.ready -= count;
    }

    /// True once nothing of the body is missing, and all of it was passed on.
    #[inline]
    pub fn is_body_over(&self) -> bool {
        self.inflow.ready == 0 && self.inflow.reader.is_done()
    }

    /// Bytes of payload seen so far, without framing.
    pub fn payload(&self) -> u64 {
        self.inflow.payload
    }

    /// Bytes that are certainly payload and not yet read, when there is nothing else to pass on before them: they
    /// may go from socket to socket.
    pub fn unread_payload(&self) -> Option<u64> {
        if self.input.is_empty() { self.inflow.reader.certain() } else { None }
    }

    /// True when nothing waits to be written and payload needs no more framing than it comes with.
    pub fn writes_payload_as_it_is(&self) -> bool {
        self.outflow.pending.is_empty() && self.outflow.mode != Mode::Chunks
    }

    /// The socket from which payload may be moved past this buffer.
    pub fn splice_from(&mut self) -> Option<&TcpStream> {
        // Whoever reads there uses up what the next look here would wait for.
        self.unwatch();
        self.stream.plain_tcp()
    }

    /// So many bytes of payload went past this buffer.
    pub fn skipped(&mut self, count: u64) {
        self.inflow.reader.skip(count);
        self.inflow.payload += count;
    }

    /// Lines of trailers, as they are passed on.
    pub fn trailers(&self) -> &[u8] {
        self.inflow.trailers.data()
    }

    /// Where a head is written; what is there goes out before any body.
    #[inline]
    pub fn output(&mut self) -> &mut Queue {
        &mut self.outflow.pending
    }

    /// True when all that was to be written is with the system.
    #[inline]
    pub fn is_flushed(&self) -> bool {
        self.outflow.pending.is_empty()
    }

    /// Begins a message whose body is framed so.
    pub fn begin_output(&mut self, mode: Mode) {
        self.outflow.mode = mode;
        self.outflow.ended = false;
    }

    /// Writes bytes of a body, and says how many were taken. What was taken may still be pending.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.send(cx, data);
        self.was_reset |= is_reset(&sent);
        sent
    }

    fn send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, outflow: Outflow { pending, mode, .. }, .. } = self;
        if *mode == Mode::Chunks {
            if pending.len() >= SMALL {
                ready!(poll_write(stream, pending, cx))?;
            }
            let part = &data[..data.len().min(SMALL)];
            append_chunk(pending, part);
            return Poll::Ready(Ok(part.len()));
        }
        if pending.is_empty() {
            return stream.poll_send(cx, data);
        }
        if data.len() <= COPIED && pending.len() <= SMALL - COPIED {
            pending.extend(data);
            return Poll::Ready(Ok(data.len()));
        }
        let both = [IoSlice::new(pending.data()), IoSlice::new(data)];
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, &both))?;
        let of_pending = written.min(pending.len());
        pending.consume(of_pending);
        pending.release();
        if written > of_pending { Poll::Ready(Ok(written - of_pending)) } else { self.send(cx, data) }
    }

    /// Puts bytes of a body behind what is to be written, however much waits there already.
    pub fn queue_body(&mut self, data: &[u8]) {
        let Outflow { pending, mode, .. } = &mut self.outflow;
        match mode {
            Mode::Plain | Mode::Raw | Mode::Tunnel => pending.extend(data),
            Mode::Chunks => append_chunk(pending, data),
        }
    }

    /// Ends the message, and writes what is pending.
    #[inline]
    pub fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>> {
        if self.outflow.mode == Mode::Tunnel {
            ready!(self.poll_flush(cx))?;
            return Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        if !std::mem::replace(&mut self.outflow.ended, true) && self.outflow.mode != Mode::Plain {
            let pending = &mut self.outflow.pending;
            pending.extend(b"0\r\n");
            pending.extend(trailers);
            pending.extend(b"\r\n");
        }
        self.poll_flush(cx)
    }

    /// Writes what is pending.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.flush(cx);
        self.was_reset |= is_reset(&flushed);
        flushed
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outflow.pending.is_empty() {
            ready!(poll_write(&mut self.stream, &mut self.outflow.pending, cx))?;
        }
        match &mut self.stream {
            // What the system took needs no more pushing.
            Stream::Plain(_) => Poll::Ready(Ok(())),
            other @ (Stream::Tls(_) | Stream::Shaped(_)) => Pin::new(other).poll_flush(cx),
        }
    }
}

/// True when a write was told of a reset.
#[inline]
fn is_reset<T>(written: &Poll<io::Result<T>>) -> bool {
    matches!(written, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset)
}

/// Writes some of what is pending.
#[inline]
fn poll_write(stream: &mut Stream, pending: &mut Queue, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let written = ready!(stream.poll_send(cx, pending.data()))?;
    if written == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    pending.consume(written);
    pending.release();
    Poll::Ready(Ok(()))
}

fn append_chunk(pending: &mut Queue, part: &[u8]) {
    use fmt::Write as _;
    if !part.is_empty() {
        write!(pending, "{:x}\r\n", part.len()).expect("memory takes any text");
        pending.extend(part);
        pending.extend(b"\r\n");
    }
}

enum Look {
    /// Something was used or became ready.
    Again,
    More,
    Done,
}

impl Inflow {
    fn look(&mut self, input: &mut Queue) -> Result<Look, BadBody> {
        match self.reader.look(input.data())? {
            Step::Done => Ok(Look::Done),
            Step::Trailers => self.trailers(input),
            Step::More => Ok(Look::More),
            Step::Last(count) => {
                self.reader.take(&input.data()[..count])?;
                input.consume(count);
                Ok(Look::Again)
            }
            _ if self.raw => {
                // Where nothing can be read on it stays where it was, so that the fault is found again.
                let mut reader = self.reader;
                let (taken, payload) = reader.advance(input.data())?;
                self.reader = reader;
                self.ready = taken;
                self.payload += payload as u64;
                Ok(if taken == 0 { Look::More } else { Look::Again })
            }
            Step::Data(count) => {
                self.reader.take(&input.data()[..count])?;
                self.ready = count;
                self.payload += count as u64;
                Ok(Look::Again)
            }
            Step::Framing(count) => {
                self.reader.take(&input.data()[..count])?;
                input.consume(count);
                Ok(Look::Again)
            }
        }
    }

    fn trailers(&mut self, input: &mut Queue) -> Result<Look, BadBody> {
        let mut fields = Fields::default();
        let Some(size) = self.reader.trailers(input.data(), &mut fields)? else { return Ok(Look::More) };
        if self.is_of_client && fields.has_disguised() {
            return Err(BadBody(
                "a trailer looks like a field that frames the request or says where it is from",
            ));
        }
        let may = if self.is_of_client { may_trail } else { may_trail_answer };
        for field in fields.iter().filter(|field| may(field.name.of(input.data()))) {
            self.trailers.extend(field.line().of(input.data()));
        }
        input.consume(size);
        Ok(Look::Again)
    }
}

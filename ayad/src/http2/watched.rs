//! A stream that notes which frames come by.
//!
//! The codec bounds what one frame or one stream may cost, but not how many frames that cost nothing else may come; and
//! it does not tell which streams a `GOAWAY` gives up. Both are in the nine bytes before each frame, so they are read
//! here on their way to the codec. The purse that they are paid from is [`aya_core::flood`].
//!
//! Cost: a few comparisons for each frame; nothing is copied.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use aya_core::flood::{self, Purse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PREFACE;
use super::blocks::Blocks;
use crate::buffers::Buffer;
use crate::clock;
use crate::queue::Queue;
use crate::stream::Stream;

/// Bytes before each frame.
const HEAD: usize = 9;
/// Most bytes thrown away after the last word, so that it is not overtaken by a reset.
const FAREWELL: usize = 64 * 1024;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// What is known of a connection, shared by its task and those of its streams. All on one thread; atomic because tasks
/// may be sent.
#[derive(Debug)]
pub struct Marks {
    verdict: AtomicU32,
    earned: AtomicU32,
    moved: AtomicU64,
    read: AtomicU64,
    goaway: AtomicU32,
    greeted: AtomicBool,
    closing: AtomicBool,
    unfinished: AtomicU64,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            verdict: AtomicU32::new(0),
            earned: AtomicU32::new(0),
            moved: AtomicU64::new(0),
            read: AtomicU64::new(0),
            goaway: AtomicU32::new(u32::MAX),
            greeted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            unfinished: AtomicU64::new(0),
        }
    }
}

impl Marks {
    /// Why the connection has to end, once it has to.
    pub fn verdict(&self) -> Option<h2::Reason> {
        match self.verdict.load(Ordering::Relaxed) {
            0 => None,
            code => Some(h2::Reason::from(code)),
        }
    }

    /// An answer was sent whole.
    pub fn answered(&self) {
        self.earned.fetch_add(flood::ANSWER, Ordering::Relaxed);
    }

    /// A piece of a body was sent.
    pub fn sent_data(&self) {
        self.earned.fetch_add(flood::DATA, Ordering::Relaxed);
    }

    /// Bytes read and written so far.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// True once the other side's settings are known.
    pub fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }

    /// True once the other side takes no new streams.
    pub fn is_leaving(&self) -> bool {
        self.goaway.load(Ordering::Relaxed) != u32::MAX
    }

    /// True when the other side said that it did not and will not look at this stream.
    pub fn gives_up(&self, stream: u32) -> bool {
        stream > self.goaway.load(Ordering::Relaxed)
    }

    /// True once this side said its last word.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The number of the frame or header block that the other side has begun and not finished; 0 when there is none.
    pub fn unfinished(&self) -> u64 {
        self.unfinished.load(Ordering::Relaxed)
    }

    fn moved_by(&self, count: usize) {
        self.moved.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// The stream.
pub struct Watched {
    stream: Stream,
    early: Queue,
    frames: Frames,
    marks: Arc<Marks>,
    /// Bytes of a client that may still be thrown away.
    farewell: usize,
    is_shut: bool,
}

/// Where the bytes read so far stand among frames.
#[derive(Debug)]
struct Frames {
    /// Bytes of the present frame, or of the preface, that are still to come.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    is_first: bool,
    /// Bytes of a `GOAWAY` that are still to be kept, and those that were.
    last_stream: Option<(u8, u32)>,
    purse: Purse,
    sent: u32,
    blocks: Blocks,
}

impl Watched {
    /// The stream of a client, of which `early` was read already.
    pub fn of_client(stream: Stream, early: Queue, marks: Arc<Marks>) -> Self {
        let mut frames = Frames::new(PREFACE.len());
        if let Some(verdict) = frames.feed(early.data(), &marks) {
            marks.verdict.store(verdict.into(), Ordering::Relaxed);
        }
        Self { stream, early, frames, marks, farewell: FAREWELL, is_shut: false }
    }

    /// The stream to a backend.
    pub fn of_backend(stream: Stream, marks: Arc<Marks>) -> Self {
        let (early, frames) = (Queue::new(), Frames::new(0));
        Self { stream, early, frames, marks, farewell: 0, is_shut: false }
    }
}

impl Frames {
    fn new(skip: usize) -> Self {
        let (purse, blocks) = (Purse::full(clock::now()), Blocks::default());
        Self { skip, head: [0; HEAD], have: 0, is_first: true, last_stream: None, purse, sent: 0, blocks }
    }

    /// Takes note of bytes that were read.
    fn feed(&mut self, mut bytes: &[u8], marks: &Marks) -> Option<h2::Reason> {
        loop {
            if self.skip > 0 {
                let taken = self.skip.min(bytes.len());
                self.keep(&bytes[..taken], marks);
                self.skip -= taken;
                bytes = &bytes[taken..];
            }
            if self.skip == 0 && !self.is_first {
                marks.greeted.store(true, Ordering::Relaxed);
            }
            if bytes.is_empty() {
                break;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have < HEAD {
                break;
            }
            self.have = 0;
            if let Some(verdict) = self.frame(marks) {
                return Some(verdict);
            }
        }
        marks.unfinished.store(self.blocks.unfinished(&self.head, self.have, self.skip), Ordering::Relaxed);
        None
    }

    /// A frame begins.
    fn frame(&mut self, marks: &Marks) -> Option<h2::Reason> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.blocks.frame(kind, flags);
        if std::mem::take(&mut self.is_first) && kind != SETTINGS {
            return Some(h2::Reason::PROTOCOL_ERROR);
        }
        let cost = match kind {
            HEADERS => 0,
            DATA if self.skip > 0 || flags & 1 != 0 => 0,
            RESET => flood::RESET,
            GOAWAY => {
                self.last_stream = Some((4, 0));
                flood::FRAME
            }
            _ => flood::FRAME,
        };
        if cost == 0 || self.purse.pay(cost, clock::now) {
            return None;
        }
        self.purse.earn(marks.earned.swap(0, Ordering::Relaxed));
        (!self.purse.pay(cost, clock::now)).then_some(h2::Reason::ENHANCE_YOUR_CALM)
    }

    /// Keeps the number at the beginning of a `GOAWAY`.
    fn keep(&mut self, bytes: &[u8], marks: &Marks) {
        let Some((missing, number)) = &mut self.last_stream else { return };
        for byte in bytes.iter().take(usize::from(*missing)) {
            *number = *number << 8 | u32::from(*byte);
            *missing -= 1;
        }
        if *missing == 0 {
            marks.goaway.fetch_min(*number & 0x7fff_ffff, Ordering::Relaxed);
            self.last_stream = None;
        }
    }

    fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count as u32);
        self.purse.earn(self.sent / flood::BYTES);
        self.sent %= flood::BYTES;
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.early.is_empty() {
            let count = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early.data()[..count]);
            this.early.consume(count);
            this.early.release();
            return Poll::Ready(Ok(()));
        }
        if this.marks.verdict().is_some() {
            // The task of the connection sees the verdict when it is polled again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        this.marks.moved_by(read.len());
        this.marks.read.fetch_add(read.len() as u64, Ordering::Relaxed);
        if let Some(verdict) = this.frames.feed(read, &this.marks) {
            this.marks.verdict.store(verdict.into(), Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl Watched {
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.marks.moved_by(*count);
            self.frames.sent(*count);
        }
        written
    }

    /// Reads what still comes, so that the last word is not lost in a reset; whoever closes bounds the time.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = Buffer::small();
        while self.farewell > 0 {
            match ready!(self.stream.poll_read_into(cx, &mut buffer)) {
                Ok(count) if count > 0 => self.farewell = self.farewell.saturating_sub(count),
                _ => self.farewell = 0,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.is_shut = true;
            this.marks.closing.store(true, Ordering::Relaxed);
        }
        this.poll_farewell(cx)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("stream", &self.stream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn verdict(frames: &[Vec<u8>], piece: usize) -> Option<h2::Reason> {
        let marks = Marks::default();
        let mut watched = Frames::new(PREFACE.len());
        let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat();
        bytes.chunks(piece).find_map(|piece| watched.feed(piece, &marks))
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let flood: Vec<_> = (0..3000).map(|_| frame(6, 0, 0, &[0; 8])).collect();
        let work: Vec<_> = (0..3000).map(|_| frame(DATA, 0, 1, b"x")).collect();
        for piece in [1, 7, 9, 10, 4096] {
            assert_eq!(verdict(&flood, piece), Some(h2::Reason::ENHANCE_YOUR_CALM));
            assert_eq!(verdict(&work, piece), None);
        }
    }

    #[test]
    fn the_first_frame_is_settings() {
        let marks = Marks::default();
        let mut watched = Frames::new(0);
        assert_eq!(watched.feed(&frame(6, 0, 0, &[0; 8]), &marks), Some(h2::Reason::PROTOCOL_ERROR));
    }

    #[test]
    fn answers_pay_for_resets() {
        let marks = Marks::default();
        let mut watched = Frames::new(0);
        assert_eq!(watched.feed(&frame(SETTINGS, 0, 0, &[]), &marks), None);
        for _ in 0..1000 {
            marks.answered();
            marks.answered();
            assert_eq!(watched.feed(&frame(RESET, 0, 1, &[0; 4]), &marks), None);
        }
    }

    #[test]
    fn a_conversation_in_small_messages_is_no_flood() {
        let marks = Marks::default();
        let mut watched = Frames::new(0);
        assert_eq!(watched.feed(&frame(SETTINGS, 0, 0, &[]), &marks), None);
        for _ in 0..10_000 {
            marks.sent_data();
            let for_it = [
                frame(8, 0, 1, &[0; 4]),
                frame(8, 0, 0, &[0; 4]),
                frame(6, 0, 0, &[0; 8]),
                frame(DATA, 0, 1, b"x"),
            ];
            assert_eq!(watched.feed(&for_it.concat(), &marks), None);
        }
    }

    #[test]
    fn goaway_says_which_streams_are_given_up() {
        for piece in [1, 3, 13, 100] {
            let marks = Marks::default();
            let mut watched = Frames::new(0);
            assert!(!marks.gives_up(9));
            let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 0, b'h', b'i']);
            for piece in [frame(SETTINGS, 0, 0, &[]), goaway].concat().chunks(piece) {
                assert_eq!(watched.feed(piece, &marks), None);
            }
            assert!(marks.gives_up(9) && !marks.gives_up(7));
        }
    }
}

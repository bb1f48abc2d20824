//! The socket of a client, as hyper sees it.
//!
//! It notices when a request begins, and it gives a reason and a readable body to the answers that hyper
//! sends by itself when it cannot read a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aya_core::reason::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::{Client, Phase};
use super::{unread, words};
use crate::clock;
use crate::socket::Socket;
use crate::stream::Stream;

/// Longest answer hyper makes by itself, in bytes; a longer write is something else.
const LONGEST_OWN_ANSWER: usize = 256;

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientIo {
    socket: Socket,
    client: Arc<Client>,
    leftover: Vec<u8>,
}

impl ClientIo {
    /// Wraps an accepted socket.
    pub(super) fn new(socket: Stream, client: Arc<Client>) -> Self {
        Self { socket: Socket(socket), client, leftover: Vec::new() }
    }

    /// The socket.
    pub(super) fn into_inner(self) -> Stream {
        self.socket.0
    }

    /// Recognises an answer that hyper made without asking anyone: nothing is being served, nothing served
    /// waits to be written, and it says 4xx.
    fn own_answer(&self, head: &[u8], length: usize) -> Option<Reason> {
        if self.client.phase() == Phase::Serving || self.client.is_unflushed() || length > LONGEST_OWN_ANSWER
        {
            return None;
        }
        let status = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
        match status {
            b"414" => Some(Reason::UriTooLong),
            b"431" if !self.client.has_line() => Some(Reason::UriTooLong),
            b"431" => Some(Reason::HeadersTooLarge),
            [b'4', ..] => Some(Reason::BadRequest),
            _ => None,
        }
    }

    fn poll_leftover(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.leftover.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.leftover))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.leftover.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn replace(
        &mut self,
        reason: Reason,
        instead_of: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.leftover = words::raw(reason);
        unread::remember(&self.client, reason);
        // What the system does not take now goes out with the flush that follows.
        match self.poll_leftover(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(instead_of)),
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() && self.client.phase() != Phase::Serving {
            let first = self.client.phase() == Phase::Idle;
            if first {
                self.client.begin_header(clock::now());
            }
            self.client.head_bytes(read, first);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(reason) = self.own_answer(buf, buf.len()) {
            return self.replace(reason, buf.len(), cx);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, buf))?;
        self.client.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if let Some(head) = bufs.iter().find(|buf| !buf.is_empty())
            && let Some(reason) = self.own_answer(head, length)
        {
            return self.replace(reason, length, cx);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs))?;
        self.client.wrote();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leftover(cx))?;
        self.client.flushed();
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leftover(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

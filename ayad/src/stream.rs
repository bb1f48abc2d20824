//! One connected byte stream, whatever carries it: TCP or a Unix socket, plain or inside TLS.
//!
//! The data plane polls these methods itself, with buffers of its own; the traits of the runtime are implemented
//! beside them for libraries that read and write by themselves.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::chaos::Shaped;
use crate::queue::Queue;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// At an address.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Connects. Cancel-safe: dropping the future closes the socket.
    pub async fn connect(&self) -> io::Result<Plain> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                // Without it small messages wait for the acknowledgement of the one before.
                stream.set_nodelay(true)?;
                Ok(Plain::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Plain::Unix),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A stream of the system.
#[derive(Debug)]
pub enum Plain {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// A stream as the data plane uses it.
#[derive(Debug)]
pub enum Stream {
    /// As the system gives it.
    Plain(Plain),
    /// Inside TLS, on either side of it.
    Tls(Box<TlsStream<Plain>>),
    /// As a fault makes it.
    Shaped(Box<Shaped>),
}

impl Stream {
    /// Reads into `buffer`, which must not be empty. 0 is the end.
    #[inline]
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Reads what there is behind what the queue holds. 0 is the end. While there is nothing, the queue takes no
    /// memory for it.
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, queue: &mut Queue) -> Poll<io::Result<usize>> {
        if let Self::Plain(Plain::Tcp(tcp)) = self {
            return receive(tcp, cx, queue);
        }
        let polled = self.poll_read_into(cx, queue.space());
        match polled {
            Poll::Ready(Ok(count)) => queue.filled(count),
            Poll::Ready(Err(_)) | Poll::Pending => queue.release(),
        }
        polled
    }

    /// True unless it is certain that a read would find nothing. Asks nobody, and leaves no waker.
    #[inline]
    pub fn may_be_readable(&self) -> bool {
        self.plain_tcp().is_none_or(|tcp| tcp.try_io(Interest::READABLE, || Ok(())).is_ok())
    }

    /// Writes some of `data`, and says how much the system took.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(Plain::Tcp(tcp)) => send(tcp, cx, data),
            other => Pin::new(other).poll_write(cx, data),
        }
    }

    /// True when a fault stands between it and the bytes, or did: nobody uses it again.
    pub fn is_shaped(&self) -> bool {
        matches!(self, Self::Shaped(_))
    }

    /// The TCP socket, when nothing stands between it and the bytes.
    pub fn plain_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(Plain::Tcp(stream)) => Some(stream),
            Self::Plain(Plain::Unix(_)) | Self::Tls(_) | Self::Shaped(_) => None,
        }
    }

    /// The socket of the system underneath; none where a fault answers in place of a backend.
    pub fn plain(&self) -> Option<&Plain> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Tls(tls) => Some(tls.get_ref().0),
            Self::Shaped(shaped) => shaped.plain(),
        }
    }
}

/// Receives with a bare system call: the C library's is a cancellation point, which costs as much again as the rest of
/// what happens in this process.
#[inline]
fn receive(tcp: &TcpStream, cx: &mut Context<'_>, queue: &mut Queue) -> Poll<io::Result<usize>> {
    loop {
        let Poll::Ready(ready) = tcp.poll_read_ready(cx) else {
            // It may be the last for hours.
            queue.release();
            return Poll::Pending;
        };
        ready?;
        let space = queue.space();
        let room = space.len();
        let received = tcp.try_io(Interest::READABLE, || Ok(recv(tcp, space, RecvFlags::empty())?.1));
        match received {
            Ok(count) => {
                queue.filled(count);
                // The system had no more, and says so when it has again: asking would be a call for nothing.
                if count > 0 && count < room {
                    note_drained(tcp, Interest::READABLE);
                }
                return Poll::Ready(Ok(count));
            }
            Err(error) if is_passing(&error) => queue.release(),
            Err(error) => {
                queue.release();
                return Poll::Ready(Err(error));
            }
        }
    }
}

/// Sends, as [`receive`] receives.
#[inline]
fn send(tcp: &TcpStream, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        // A socket mostly takes what it gets: only one that does not is asked when it will.
        let sent = tcp.try_io(Interest::WRITABLE, || Ok(rustix::net::send(tcp, data, SendFlags::NOSIGNAL)?));
        match sent {
            Ok(count) => {
                if count > 0 && count < data.len() {
                    note_drained(tcp, Interest::WRITABLE);
                }
                return Poll::Ready(Ok(count));
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        ready!(tcp.poll_write_ready(cx))?;
    }
}

/// Takes note that a socket is not ready any more, as edges require.
fn note_drained(tcp: &TcpStream, interest: Interest) {
    let blocked = tcp.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    debug_assert!(blocked.is_err());
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(Plain::Tcp(stream))
    }
}

/// Calls a method of whatever is inside.
macro_rules! inside {
    ($self:ident, $kind:ident { $($variant:ident),+ }, $inner:ident => $call:expr) => {
        match $self.get_mut() {
            $($kind::$variant(inner) => { let $inner = Pin::new(inner); $call })+
        }
    };
}

macro_rules! carries_bytes {
    ($kind:ident { $($variant:ident),+ }) => {
        impl AsyncRead for $kind {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                inside!(self, $kind { $($variant),+ }, inner => inner.poll_read(cx, buf))
            }
        }

        impl AsyncWrite for $kind {
            #[inline]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                inside!(self, $kind { $($variant),+ }, inner => inner.poll_write(cx, buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                inside!(self, $kind { $($variant),+ }, inner => inner.poll_write_vectored(cx, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                inside!(self, $kind { $($variant),+ }, inner => inner.poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                inside!(self, $kind { $($variant),+ }, inner => inner.poll_shutdown(cx))
            }
        }
    };
}

carries_bytes!(Plain { Tcp, Unix });
carries_bytes!(Stream { Plain, Tls, Shaped });

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

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

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
}

impl Stream {
    /// Reads into `buffer`, which must not be empty. 0 is the end.
    #[inline]
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// The TCP socket, when nothing stands between it and the bytes.
    pub fn plain_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(Plain::Tcp(stream)) => Some(stream),
            Self::Plain(Plain::Unix(_)) | Self::Tls(_) => None,
        }
    }

    /// The socket of the system underneath.
    pub fn plain(&self) -> &Plain {
        match self {
            Self::Plain(plain) => plain,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
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
carries_bytes!(Stream { Plain, Tls });

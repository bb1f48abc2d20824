//! One HTTP/1.1 connection to a backend.

use std::fmt;
use std::io;
use std::task::{Context, Poll, Waker, ready};

use aya_core::time::Tick;
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;

use crate::clock;
use crate::h1::{BadResponse, Framing, Limits, ResponseHead};
use crate::relay::reset_on_close;
use crate::stream::{Endpoint, Stream};
use crate::tls::{ClientTls, Offer};
use crate::wire::{BodyFailure, Mode, Wire};

/// How large the head of an answer may be.
const LIMITS: Limits = Limits { bytes: 64 * 1024, fields: 128 };

/// A connection, and where its present exchange stands.
pub struct Connection {
    /// Streams and buffers.
    pub wire: Wire,
    opened: Tick,
    uses: u32,
    stays: bool,
}

/// Why there is no head of an answer.
#[derive(Debug)]
pub enum HeadFailure {
    /// The backend closed the connection instead.
    Closed,
    /// The system said no.
    Io(io::Error),
    /// The backend did not look at the request, and will not.
    Unprocessed,
    /// The backend gave the request up.
    Reset,
    /// What came cannot be passed on.
    Bad(BadResponse),
}

/// Why a connection could not be made.
#[derive(Debug)]
pub enum ConnectError {
    /// The system said no; the kind tells refusal from the rest.
    Io(io::Error),
    /// The backend does not speak TLS, or is not who it should be.
    Tls(io::Error),
}

/// Opens a stream to a backend. `tls` has the name by which its certificate is checked when the pool leaves that
/// open, and `offer` what is spoken inside; `first` goes out before anything else. Cancel-safe: dropping the future
/// closes the socket.
pub async fn open(
    endpoint: &Endpoint,
    tls: Option<(&ClientTls, &str)>,
    offer: Offer,
    first: &[u8],
) -> Result<Stream, ConnectError> {
    let mut plain = endpoint.connect().await.map_err(ConnectError::Io)?;
    if !first.is_empty() {
        plain.write_all(first).await.map_err(ConnectError::Io)?;
    }
    match tls {
        None => Ok(Stream::Plain(plain)),
        Some((tls, name)) => {
            tls.connect(plain, name, offer).await.map(|(stream, _)| stream).map_err(ConnectError::Tls)
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// True when a connection failed because this process, not the other side, lacks something: descriptors,
/// memory, local ports. That says nothing about a backend.
pub fn is_our_own_want(error: &io::Error) -> bool {
    let want = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::ADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| want.iter().any(|errno| errno.raw_os_error() == code))
}

impl Connection {
    /// A connection that was just made.
    pub fn new(stream: Stream) -> Self {
        Self { wire: Wire::new(stream), opened: clock::now(), uses: 0, stays: false }
    }

    /// When it was made.
    pub fn opened(&self) -> Tick {
        self.opened
    }

    /// True when it carried a request before the present one: the backend may have closed it meanwhile.
    pub fn was_kept(&self) -> bool {
        self.uses > 1
    }

    /// A request begins: `head` is complete, and `mode` says how its body goes on.
    pub fn begin_request(&mut self, parts: [&[u8]; 3], mode: Mode) {
        self.uses = self.uses.saturating_add(1);
        self.stays = false;
        let output = self.wire.output();
        for part in parts {
            output.extend(part);
        }
        self.wire.begin_output(mode);
    }

    /// Waits for the head of an answer; its bytes stay at the front of the input until [`Self::begin_answer`] or
    /// [`Self::skip_interim`].
    #[inline]
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        to_head: bool,
    ) -> Poll<Result<(), HeadFailure>> {
        loop {
            let bytes = self.wire.input.data();
            if !bytes.is_empty() && head.read(bytes, to_head, LIMITS).map_err(HeadFailure::Bad)? {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.wire.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(HeadFailure::Closed)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(HeadFailure::Io(error))),
            }
        }
    }

    /// True when the backend sent any byte of an answer.
    pub fn has_answered(&self) -> bool {
        !self.wire.input.is_empty()
    }

    /// The bytes of the head.
    pub fn head_bytes<'c>(&'c self, head: &ResponseHead) -> &'c [u8] {
        &self.wire.input.data()[..head.size]
    }

    /// Goes on behind an interim answer.
    pub fn skip_interim(&mut self, head: &ResponseHead) {
        self.wire.input.consume(head.size);
    }

    /// Goes on with the body of the answer; `raw` says that its chunks are passed on as they are.
    #[inline]
    pub fn begin_answer(&mut self, head: &ResponseHead, raw: bool) {
        self.wire.input.consume(head.size);
        self.wire.begin_body(head.framing, raw && head.framing == Framing::Chunked);
        self.stays = head.keep_alive;
    }

    /// Goes on behind `101`: from here on the bytes are another protocol's, in both directions.
    pub fn begin_tunnel(&mut self, head: &ResponseHead) {
        self.wire.input.consume(head.size);
        self.wire.begin_body(Framing::UntilClose, false);
        self.wire.begin_output(Mode::Tunnel);
    }

    /// The other protocol ends before its time: the backend must not take that for a regular end.
    pub fn break_tunnel(&self) {
        if let Err(error) = reset_on_close(&self.wire.stream) {
            tracing::debug!(%error, "a tunnel ends without a reset");
        }
    }

    /// Makes bytes of the answer's body ready; 0 once there are no more.
    #[inline]
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        self.wire.poll_body(cx)
    }

    /// True when the exchange is over without a trace, so that another one may follow. Bytes that nobody asked for
    /// would be taken for the next answer.
    pub fn is_reusable(&self) -> bool {
        self.stays
            && !self.wire.stream.is_shaped()
            && self.wire.is_body_over()
            && self.wire.is_flushed()
            && self.wire.input.is_empty()
    }

    /// Gives its memory back until the next exchange.
    pub fn rest(&mut self) {
        self.wire.input.release();
        self.wire.output().release();
        self.wire.unwatch();
    }

    /// True while an idle connection can be used: the backend neither closed it nor sent anything. Costs no system
    /// call while nothing came.
    pub fn is_alive(&mut self) -> bool {
        if !self.wire.stream.may_be_readable() {
            return true;
        }
        let mut byte = [0];
        self.wire.stream.poll_read_into(&mut Context::from_waker(Waker::noop()), &mut byte).is_pending()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("opened", &self.opened)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

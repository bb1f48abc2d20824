//! Bodies in both directions: passed on frame by frame, never held as a whole.
//!
//! Back-pressure needs no code here: a frame is only taken from one side when the other side asks for it.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use aya_core::reason::Reason;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client::Client;
use super::exchange::Exchange;
use crate::clock;
use crate::upstream::{BodyError, Connection, RequestBody};

/// The body of a request on its way to a backend.
#[derive(Debug)]
struct Upload {
    incoming: Incoming,
    client: Arc<Client>,
    backend_has: Duration,
}

/// The body of a client's request. After each part of it the backend may take `backend_has` to go on.
pub(super) fn upload(incoming: Incoming, client: &Arc<Client>, backend_has: Duration) -> RequestBody {
    if incoming.is_end_stream() {
        return RequestBody::default();
    }
    RequestBody::stream(Upload { incoming, client: Arc::clone(client), backend_has })
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { incoming, client, backend_has } = &mut *self;
        let Poll::Ready(next) = Pin::new(incoming).poll_frame(cx) else {
            client.await_body();
            return Poll::Pending;
        };
        client.body_moved(*backend_has);
        let failure = match next {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                let received = client.received.fetch_add(size, Ordering::Relaxed) + size;
                if client.listener.conf.max_body_bytes.is_none_or(|max| received <= max) {
                    return Poll::Ready(Some(Ok(frame)));
                }
                Reason::BodyTooLarge
            }
            Some(Err(error)) => unreadable(&error),
        };
        client.body_failed(failure);
        Poll::Ready(Some(Err(BodyError(failure))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Chunks that cannot be read are the client's mistake; anything else is its end.
fn unreadable(error: &hyper::Error) -> Reason {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Reason::BadRequest,
        Some(_) | None => Reason::ClientGone,
    }
}

/// The body of an answer on its way to a client.
#[derive(Debug)]
pub enum ResponseBody {
    /// An answer of the proxy itself.
    Own(Option<Bytes>),
    /// An answer of a backend.
    Backend(Box<Streaming>),
}

/// An answer of a backend while it is passed on. Dropping it early closes the connection to the backend.
#[derive(Debug)]
pub struct Streaming {
    incoming: Incoming,
    connection: Option<Connection>,
    exchange: Exchange,
}

impl ResponseBody {
    /// The body of a backend's answer. One without a body is over at once.
    pub fn backend(incoming: Incoming, connection: Connection, exchange: Exchange) -> Self {
        let mut streaming = Streaming { incoming, connection: Some(connection), exchange };
        if streaming.incoming.is_end_stream() {
            streaming.complete();
            return Self::Own(None);
        }
        Self::Backend(Box::new(streaming))
    }
}

impl Streaming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_pending() {
            self.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match polled {
            Poll::Pending if self.exchange.timed_out() => {
                Poll::Ready(Some(Err(self.fail(self.exchange.idle_reason()))))
            }
            Poll::Pending => {
                self.exchange.await_answer();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.exchange.sent(size);
                if self.incoming.is_end_stream() {
                    self.settle(cx);
                    self.complete();
                } else {
                    self.exchange.client.answer_moved();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.fail(Reason::Truncated)))),
            Poll::Ready(None) => {
                self.settle(cx);
                self.complete();
                Poll::Ready(None)
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection {
            connection.drive(cx);
        }
    }

    /// Lets the connection notice that its answer is over, so that it can be used again.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if self.connection.as_ref().is_some_and(|c| !c.is_ready()) {
            self.drive(cx);
        }
    }

    fn complete(&mut self) {
        let now = clock::now();
        if let Some(connection) = self.connection.take()
            && connection.is_ready()
        {
            self.exchange.keep(connection, now);
        }
        self.exchange.complete(now);
    }

    fn fail(&mut self, reason: Reason) -> BodyError {
        self.connection = None;
        self.exchange.failed(reason, clock::now());
        BodyError(reason)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Backend(streaming) => streaming.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            // Trailers may follow the last bytes of data, so only hyper's own account is believed.
            Self::Backend(streaming) => streaming.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Backend(streaming) => streaming.incoming.size_hint(),
        }
    }
}

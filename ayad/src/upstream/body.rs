//! The body of a request, as a connection to a backend sees it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use aya_core::reason::Reason;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Why a body ends early.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{}", .0.as_str())]
pub struct BodyError(pub Reason);

/// A body of whatever makes it. Only requests that have one cost an allocation.
#[derive(Default)]
pub struct RequestBody(Option<Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>>);

impl RequestBody {
    /// A body that is made while it is sent.
    pub fn stream(body: impl Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Some(Box::pin(body)))
    }

    /// True when there is nothing to send: such a request can be sent again.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("empty", &self.is_empty()).finish()
    }
}

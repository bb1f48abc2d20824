//! One request and its answer on one connection, without a task or a channel of its own: whoever sends it also drives the
//! connection.

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::HeaderMap;
use hyper::body::{Body, Incoming};

use super::Outgoing;
use super::lane::Slot;
use super::part::Outcome;
use super::wire::kind_of;
use crate::record::ErrorKind;

/// What the proxy tells of a request's parts, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) name: String,
    pub(super) queue_us: u64,
    pub(super) retries_us: u64,
    pub(super) backend_us: u64,
}

impl Timing {
    /// Reads `queue;dur=0.1, retries;dur=0, backend;dur=2.5;desc="shop/web-1"`. `None` for timings of anybody else.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut timing = Self { name: String::new(), queue_us: 0, retries_us: 0, backend_us: 0 };
        for metric in value.split(", ") {
            let mut parts = metric.split(';');
            let to = match parts.next()? {
                "queue" => &mut timing.queue_us,
                "retries" => &mut timing.retries_us,
                "backend" => &mut timing.backend_us,
                _ => continue,
            };
            for part in parts {
                match part.split_once('=') {
                    Some(("dur", ms)) => *to = (ms.parse::<f64>().ok()?.clamp(0.0, 1e9) * 1e3).round() as u64,
                    Some(("desc", name)) => name.trim_matches('"').clone_into(&mut timing.name),
                    _ => {}
                }
            }
        }
        (!timing.name.is_empty()).then_some(timing)
    }
}

/// What came of sending a request.
pub(super) enum Came {
    /// It ended.
    Ended(Outcome),
    /// The connection was over before anything of it was sent: another one may have it.
    Unsent(Box<Outgoing>),
}

/// The connection beside a request, where nobody else drives it.
pub(super) type Driven<'c, C> = Option<Pin<&'c mut C>>;

/// Sends a request and reads its answer to the end.
///
/// Leaves the emptied header of the answer in `room`. `sending` is the future of its head; `connection` is polled along with it. Ends early when the slot's request is late.
pub(super) async fn exchange<F, C, E>(
    slot: &Slot,
    room: &Cell<HeaderMap>,
    sending: F,
    mut connection: Driven<'_, C>,
    wants_timing: bool,
) -> Came
where
    F: Future<Output = Result<http::Response<Incoming>, E>>,
    C: Future<Output = hyper::Result<()>>,
    E: Into<Broken>,
{
    let mut sending = pin!(sending);
    let mut is_over = false;
    let answer = poll_fn(|cx| {
        slot.wakes(cx.waker());
        // What the connection reads now, its request may see now.
        drive(&mut connection, &mut is_over, cx);
        if let Poll::Ready(answer) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        if slot.is_late.get() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    let answer = match answer {
        None => return Came::Ended(Outcome::Failed(ErrorKind::Timeout)),
        Some(Err(error)) => {
            let Broken { error, unsent } = error.into();
            return match unsent {
                Some(request) => Came::Unsent(request),
                None => Came::Ended(Outcome::Failed(kind(&error))),
            };
        }
        Some(Ok(answer)) => answer,
    };
    let status = answer.status().as_u16();
    let timing = if wants_timing { timing(&answer) } else { None };
    let (mut head, body) = answer.into_parts();
    head.headers.clear();
    room.set(head.headers);
    let ended = read(slot, body, connection, is_over).await;
    Came::Ended(match ended {
        Ok(bytes) => Outcome::Answer { status, bytes, timing },
        Err(kind) => Outcome::Failed(kind),
    })
}

fn timing(answer: &http::Response<Incoming>) -> Option<Timing> {
    Timing::parse(answer.headers().get("server-timing")?.to_str().ok()?)
}

/// Reads a body to its end and says how many bytes it had.
async fn read<C: Future<Output = hyper::Result<()>>>(
    slot: &Slot,
    mut body: Incoming,
    mut connection: Driven<'_, C>,
    mut is_over: bool,
) -> Result<u64, ErrorKind> {
    let mut bytes = 0;
    if body.is_end_stream() {
        return Ok(bytes);
    }
    poll_fn(|cx| {
        slot.wakes(cx.waker());
        let mut has_driven = false;
        loop {
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(bytes)),
                Poll::Ready(Some(Ok(frame))) => {
                    bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if body.is_end_stream() {
                        return Poll::Ready(Ok(bytes));
                    }
                    has_driven = false;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(kind(&error))),
                // The codec reads a body when somebody wants it: it is told so by the poll above.
                Poll::Pending if !has_driven && !is_over && connection.is_some() => {
                    drive(&mut connection, &mut is_over, cx);
                    has_driven = true;
                }
                Poll::Pending if slot.is_late.get() => return Poll::Ready(Err(ErrorKind::Timeout)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Lets the connection do what it can. Its own error is told by the request.
fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: &mut Driven<'_, C>,
    is_over: &mut bool,
    cx: &mut Context<'_>,
) {
    if let Some(connection) = connection
        && !*is_over
    {
        *is_over = connection.as_mut().poll(cx).is_ready();
    }
}

/// Why a request was not answered, and the request when nothing of it was sent.
pub(super) struct Broken {
    error: hyper::Error,
    unsent: Option<Box<Outgoing>>,
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        Self { error, unsent: None }
    }
}

impl From<hyper::client::conn::TrySendError<Outgoing>> for Broken {
    fn from(mut broken: hyper::client::conn::TrySendError<Outgoing>) -> Self {
        let unsent = broken.take_message().map(Box::new);
        Self { error: broken.into_error(), unsent }
    }
}

/// What an error of the codec means to a load test.
fn kind(error: &hyper::Error) -> ErrorKind {
    if error.is_parse() {
        return ErrorKind::Garbage;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return match kind_of(error) {
                // Nobody connects any more: whatever else happened, the connection did not last.
                ErrorKind::Connect | ErrorKind::Tls => ErrorKind::ClosedEarly,
                kind => kind,
            };
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        ErrorKind::ClosedEarly
    } else {
        ErrorKind::Reset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_of_the_proxy_are_read_and_those_of_others_are_not() {
        let value = "queue;dur=0.125, retries;dur=10.000, backend;dur=2.500;desc=\"shop/web-1\"";
        let timing = Timing::parse(value).expect(value);
        assert_eq!(timing.name, "shop/web-1");
        assert_eq!((timing.queue_us, timing.retries_us, timing.backend_us), (125, 10_000, 2_500));
        assert_eq!(Timing::parse("cache;desc=\"hit\", db;dur=53"), None);
        assert_eq!(Timing::parse("queue;dur=x, backend;desc=\"a\""), None);
    }
}

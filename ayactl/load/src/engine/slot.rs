//! The task of one slot: takes requests, makes connections when it needs them, sends one request after the other.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Outgoing;
use super::exchange::{Came, exchange};
use super::lane::{Slot, Work};
use super::part::Outcome;
use super::thread::Worker;
use super::wire::{Opened, Stream};
use crate::plan::Protocol;
use crate::record::ErrorKind;

/// Wait after a connection could not be made, doubled each time: a target that refuses must not keep a core busy.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A request that was taken, and itself when it was made already.
struct Taken {
    work: Work,
    request: Option<Box<Outgoing>>,
}

/// What drives nothing, for connections that drive themselves.
type Nothing = std::future::Ready<hyper::Result<()>>;

/// Sends requests of lane `lane` until there are none.
pub(super) async fn run(worker: Rc<Worker>, lane: usize, index: usize, slot: Rc<Slot>) {
    let own = Own {
        worker,
        lane,
        index,
        slot,
        ended_at: Cell::default(),
        is_gone: Cell::default(),
        room: Cell::default(),
    };
    match own.worker.wire.protocol {
        Protocol::Http1 => own.one_by_one().await,
        Protocol::Http2 => {
            own.worker.settled(lane);
            own.among_others().await;
        }
    }
}

/// A slot with its surroundings.
struct Own {
    worker: Rc<Worker>,
    lane: usize,
    index: usize,
    slot: Rc<Slot>,
    /// When its last request ended, if that was just now: each look at the clock costs.
    ended_at: Cell<Option<Duration>>,
    /// The connection ended while it waited for its next request.
    is_gone: Cell<bool>,
    /// Where the header of the next request goes: that of the last answer, emptied.
    room: Cell<HeaderMap>,
}

impl Own {
    /// Connections of HTTP/1.1, one after the other.
    async fn one_by_one(&self) {
        let mut wait = FIRST_WAIT;
        let mut is_new = true;
        let mut next = self.next(None::<Pin<&mut Nothing>>).await;
        while let Some(taken) = next {
            let opened = self.within(self.worker.wire.open(self.lane)).await;
            if std::mem::take(&mut is_new) {
                self.worker.settled(self.lane);
            }
            next = match opened.unwrap_or(Err(ErrorKind::Timeout)) {
                Err(kind) => self.cannot_connect(&taken.work, kind, &mut wait).await,
                Ok(opened) => {
                    wait = FIRST_WAIT;
                    self.worker.opened();
                    let left = match opened {
                        Opened::Plain(stream) => self.carry(stream, taken).await,
                        Opened::Tls(stream) => self.carry(*stream, taken).await,
                    };
                    self.worker.closed();
                    match left {
                        Left::Take(taken) => Some(taken),
                        Left::Next => self.next(None::<Pin<&mut Nothing>>).await,
                        Left::Over => None,
                    }
                }
            };
        }
    }

    /// Sends requests over one connection until it ends.
    async fn carry(&self, stream: impl Stream, first: Taken) -> Left {
        let Ok((mut sender, connection)) =
            http1::Builder::new().writev(false).handshake(TokioIo::new(stream)).await
        else {
            self.ended(&first.work, &Outcome::Failed(ErrorKind::Garbage));
            return Left::Next;
        };
        let mut connection = pin!(connection);
        let mut taken = first;
        loop {
            let ready = self.ready(&mut sender, connection.as_mut()).await;
            if !ready {
                return Left::Take(taken);
            }
            let request = self.request(&mut taken);
            let sending = sender.try_send_request(request);
            let came = exchange(
                &self.slot,
                &self.room,
                sending,
                Some(connection.as_mut()),
                self.worker.wants_timing,
            )
            .await;
            match came {
                Came::Unsent(request) => {
                    taken.request = Some(request);
                    return Left::Take(taken);
                }
                Came::Ended(outcome) => {
                    let is_broken = matches!(outcome, Outcome::Failed(_));
                    self.ended(&taken.work, &outcome);
                    if is_broken {
                        return Left::Next;
                    }
                }
            }
            if sender.is_closed() {
                return Left::Next;
            }
            match self.next(Some(connection.as_mut())).await {
                // What is over takes requests all the same, and nobody would send them.
                Some(next) if self.is_gone.get() => return Left::Take(next),
                Some(next) => taken = next,
                None => return Left::Over,
            }
        }
    }

    /// Waits until the connection takes a request; false when it is over.
    async fn ready<C: Future<Output = hyper::Result<()>>>(
        &self,
        sender: &mut http1::SendRequest<http_body_util::Full<bytes::Bytes>>,
        mut connection: Pin<&mut C>,
    ) -> bool {
        poll_fn(|cx| {
            self.slot.wakes(cx.waker());
            if let Poll::Ready(ready) = sender.poll_ready(cx) {
                return Poll::Ready(ready.is_ok());
            }
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            match sender.poll_ready(cx) {
                Poll::Ready(ready) => Poll::Ready(ready.is_ok()),
                Poll::Pending if self.slot.is_late.get() => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Requests over a connection of HTTP/2 that others use as well.
    async fn among_others(&self) {
        let mut wait = FIRST_WAIT;
        let mut next = self.next(None::<Pin<&mut Nothing>>).await;
        let lane = &self.worker.lanes[self.lane];
        let shared = &lane.shared[self.index % lane.shared.len()];
        while let Some(mut taken) = next {
            let sender = self.within(shared.sender(&self.worker.wire, self.lane)).await;
            let (mut sender, is_new) = match sender.unwrap_or(Err(ErrorKind::Timeout)) {
                Ok(sender) => sender,
                Err(kind) => {
                    next = self.cannot_connect(&taken.work, kind, &mut wait).await;
                    continue;
                }
            };
            wait = FIRST_WAIT;
            if is_new {
                self.worker.opened();
            }
            let request = self.request(&mut taken);
            let sending = sender.try_send_request(request);
            let nothing = None::<Pin<&mut Nothing>>;
            match exchange(&self.slot, &self.room, sending, nothing, self.worker.wants_timing).await {
                Came::Unsent(request) => {
                    taken.request = Some(request);
                    next = Some(taken);
                }
                Came::Ended(outcome) => {
                    self.ended(&taken.work, &outcome);
                    next = self.next(None::<Pin<&mut Nothing>>).await;
                }
            }
        }
    }

    /// A request could not be sent for want of a connection. The next one waits a little.
    async fn cannot_connect(&self, work: &Work, kind: ErrorKind, wait: &mut Duration) -> Option<Taken> {
        self.ended(work, &Outcome::Failed(kind));
        tokio::time::sleep(*wait).await;
        *wait = (*wait * 2).min(LONGEST_WAIT);
        self.ended_at.set(None);
        self.next(None::<Pin<&mut Nothing>>).await
    }

    /// The request itself, made now unless it is there.
    fn request(&self, taken: &mut Taken) -> Outgoing {
        if let Some(request) = taken.request.take() {
            return *request;
        }
        self.worker.request(taken.work.number, &self.worker.lanes[self.lane], self.room.take())
    }

    /// Waits for the next request while the connection, if there is one, sees whether it still stands. `None` at the end.
    async fn next<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Option<Pin<&mut C>>,
    ) -> Option<Taken> {
        let mut is_asked = self.slot.work.get().is_some();
        let mut is_over = false;
        let mut ended_at = self.ended_at.take();
        let (work, now) = poll_fn(|cx| {
            self.slot.wakes(cx.waker());
            let now = ended_at.take();
            let now = || now.unwrap_or_else(|| self.worker.now());
            if let Some(work) = self.slot.work.take() {
                return Poll::Ready(Some((work, now())));
            }
            if !std::mem::replace(&mut is_asked, true)
                && let now = now()
                && let Some(work) = self.worker.take(self.lane, self.index, now)
            {
                return Poll::Ready(Some((work, now)));
            }
            if self.worker.is_over() {
                return Poll::Ready(None);
            }
            if let Some(connection) = &mut connection
                && !is_over
            {
                is_over = connection.as_mut().poll(cx).is_ready();
            }
            Poll::Pending
        })
        .await?;
        self.is_gone.set(is_over);
        Some(Taken { work: self.worker.begin(work, &self.slot, now), request: None })
    }

    /// Waits for something, but not after the request has become late.
    async fn within<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.slot.wakes(cx.waker());
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending if self.slot.is_late.get() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn ended(&self, work: &Work, outcome: &Outcome) {
        self.slot.deadline.set(None);
        self.slot.is_late.set(false);
        let now = self.worker.now();
        self.ended_at.set(Some(now));
        self.worker.ended(work, outcome, now);
    }
}

/// What follows after a connection.
enum Left {
    /// This request, over another one.
    Take(Taken),
    /// Whatever comes next.
    Next,
    /// Nothing.
    Over,
}

//! Tasks that serve one request after the other, of whichever connection.
//!
//! A task holds room for everything a request may wait for, some kilobytes, which would be made, moved into place and
//! freed again for each request. So a task that is done waits a while in a list of its worker for the next one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aya_core::time::Tick;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;

use super::{Active, stream};

/// Most tasks of one worker that wait: about 2 MiB of them.
const KEPT: usize = 256;

thread_local! {
    static WAITING: RefCell<Vec<Arc<Slot>>> = const { RefCell::new(Vec::new()) };
}

/// One request, as the codec hands it out.
pub(super) struct Job {
    pub(super) active: Active,
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) started: Tick,
}

/// Where a waiting task finds its next request. Only one thread ever looks, so the lock is always free.
#[derive(Default)]
struct Slot(Mutex<Next>);

#[derive(Default)]
struct Next {
    job: Option<Job>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Next> {
        // Every holder leaves whole values behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, job: Job) {
        let mut next = self.lock();
        next.job = Some(job);
        if let Some(waker) = next.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Job> {
        let mut next = self.lock();
        if let Some(job) = next.job.take() {
            return Poll::Ready(job);
        }
        if next.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            next.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Has a request served on this worker, beside everything else.
pub(super) fn serve(job: Job) {
    match WAITING.with_borrow_mut(Vec::pop) {
        Some(slot) => slot.give(job),
        None => drop(tokio::spawn(work(job))),
    }
}

async fn work(first: Job) {
    let slot = Arc::new(Slot::default());
    let mut next = Some(first);
    while let Some(Job { active, request, respond, started }) = next.take() {
        stream::serve_one(active, request, respond, started).await;
        let waits = WAITING.with_borrow_mut(|waiting| {
            let has_room = waiting.len() < KEPT;
            if has_room {
                waiting.push(Arc::clone(&slot));
            }
            has_room
        });
        if waits {
            next = Some(poll_fn(|cx| slot.poll(cx)).await);
        }
    }
}

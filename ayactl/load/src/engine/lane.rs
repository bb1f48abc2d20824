//! The connections to one target: which are free, which requests wait for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::wire::Shared;

/// Connections that a thread opens at once. A target that stood still for a moment is not answered with a thousand of them:
/// opening one costs more than ten requests, and most would be needed no more when they are there.
const MOST_OPENING: u32 = 8;
/// How long requests that this generator gave out late wait for a connection that is in use, before new ones are opened for
/// them: after a standstill all connections seem to be in use, because nobody looked at their answers. It is short beside
/// what connections cost that are opened when time is short already.
const PATIENCE: Duration = Duration::from_millis(1);

/// A request on its way through the generator. Times are since the beginning of the test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) number: u64,
    pub(super) lane: usize,
    pub(super) planned: Duration,
    /// When a connection took it; the planned moment before that.
    pub(super) sent: Duration,
}

impl Work {
    /// From the planned moment to the send, in microseconds.
    pub(super) fn lag_us(&self) -> u64 {
        self.sent.saturating_sub(self.planned).as_micros() as u64
    }
}

/// One connection, or one stream of a connection that many share.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// What it is to send next.
    pub(super) work: Cell<Option<Work>>,
    /// Wakes its task.
    pub(super) waker: RefCell<Option<Waker>>,
    /// When the request it sends has taken too long, since the beginning of the test.
    pub(super) deadline: Cell<Option<Duration>>,
    /// It has.
    pub(super) is_late: Cell<bool>,
}

impl Slot {
    /// Wakes the task of this slot.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Remembers whom to wake.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if own.as_ref().is_none_or(|own| !own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }
}

/// The connections to one target.
#[derive(Debug)]
pub(super) struct Lane {
    /// Its position.
    pub(super) index: usize,
    /// Value of `Host`.
    pub(super) host: http::HeaderValue,
    /// Most slots.
    pub(super) cap: usize,
    /// All slots that were ever needed; they are there until the end.
    pub(super) slots: RefCell<Vec<Rc<Slot>>>,
    /// Free ones, the one that was used last at the end: it goes first, as in pools of connections, so that those that were
    /// needed for a moment only do not take part in everything from then on.
    idle: RefCell<Vec<usize>>,
    /// Slots that never had a connection yet.
    opening: Cell<u32>,
    /// Requests that wait for one.
    backlog: RefCell<VecDeque<Work>>,
    /// Since when there are some.
    waiting_since: Cell<Duration>,
    /// Connections of HTTP/2.
    pub(super) shared: Vec<Shared>,
}

/// Where a request went.
pub(super) enum Given {
    /// To a slot that was free.
    Taken,
    /// A new slot is to be begun for it.
    New(usize, Rc<Slot>),
    /// To whoever is free first; connections are being opened.
    Soon,
    /// Nowhere: all connections that are allowed are in use.
    Waits,
}

impl Lane {
    pub(super) fn new(index: usize, host: http::HeaderValue, cap: usize, shared: Vec<Shared>) -> Self {
        Self {
            index,
            host,
            cap,
            slots: RefCell::default(),
            idle: RefCell::default(),
            opening: Cell::default(),
            backlog: RefCell::default(),
            waiting_since: Cell::default(),
            shared,
        }
    }

    /// Gives a request to whoever is free, at `now`. One that is given out late by this generator's own fault, or while others
    /// wait, waits for those that are in use before a connection is opened for it: see [`Lane::relieve`].
    pub(super) fn give(&self, work: Work, is_late: bool, now: Duration) -> Given {
        let free = self.idle.borrow_mut().pop();
        if let Some(index) = free {
            let slots = self.slots.borrow();
            slots[index].work.set(Some(work));
            slots[index].wake();
            return Given::Taken;
        }
        let mut slots = self.slots.borrow_mut();
        let mut backlog = self.backlog.borrow_mut();
        let in_line = (is_late || !backlog.is_empty()) && !slots.is_empty();
        if !in_line && slots.len() < self.cap && self.opening.get() < MOST_OPENING {
            let (index, slot) = self.begun(&mut slots, work);
            return Given::New(index, slot);
        }
        if backlog.is_empty() {
            self.waiting_since.set(now);
        }
        backlog.push_back(work);
        if slots.len() < self.cap { Given::Soon } else { Given::Waits }
    }

    fn begun(&self, slots: &mut Vec<Rc<Slot>>, work: Work) -> (usize, Rc<Slot>) {
        let slot = Rc::new(Slot { work: Cell::new(Some(work)), ..Slot::default() });
        slots.push(Rc::clone(&slot));
        self.opening.set(self.opening.get() + 1);
        (slots.len() - 1, slot)
    }

    /// When requests that wait will have waited too long for connections that are in use; `None` when nobody waits, or no
    /// more connections are allowed.
    pub(super) fn relief(&self) -> Option<Duration> {
        let may_open = self.opening.get() < MOST_OPENING && self.slots.borrow().len() < self.cap;
        (may_open && !self.backlog.borrow().is_empty()).then(|| self.waiting_since.get() + PATIENCE)
    }

    /// A slot that is to be begun because requests have waited too long at `now`. To be called until there is none.
    pub(super) fn relieve(&self, now: Duration) -> Option<(usize, Rc<Slot>)> {
        if self.relief()? > now {
            return None;
        }
        let work = self.backlog.borrow_mut().pop_front()?;
        Some(self.begun(&mut self.slots.borrow_mut(), work))
    }

    /// A new slot has its connection, or cannot have one. The next slot that is to be begun, where requests wait for one.
    pub(super) fn settled(&self) -> Option<(usize, Rc<Slot>)> {
        self.opening.set(self.opening.get() - 1);
        let mut slots = self.slots.borrow_mut();
        if slots.len() >= self.cap {
            return None;
        }
        let work = self.backlog.borrow_mut().pop_front()?;
        Some(self.begun(&mut slots, work))
    }

    /// The next request for a slot that is done; `None` when it is free from now on.
    pub(super) fn take(&self, index: usize) -> Option<Work> {
        let waiting = self.backlog.borrow_mut().pop_front();
        if waiting.is_none() {
            self.idle.borrow_mut().push(index);
        }
        waiting
    }

    /// Requests that wait are not sent any more; how many these were.
    pub(super) fn give_up(&self) -> Vec<Work> {
        std::mem::take(&mut *self.backlog.borrow_mut()).into()
    }

    /// Marks what takes too long at `now`, and wakes everybody when it is the end.
    pub(super) fn sweep(&self, now: Duration, is_end: bool) {
        for slot in self.slots.borrow().iter() {
            let is_late = slot.deadline.get().is_some_and(|deadline| deadline <= now);
            if is_late {
                slot.is_late.set(true);
            }
            if is_late || is_end {
                slot.wake();
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_micros(300);

    fn lane(cap: usize) -> Lane {
        Lane::new(0, http::HeaderValue::from_static("localhost"), cap, Vec::new())
    }

    fn work(number: u64) -> Work {
        Work { number, lane: 0, planned: Duration::ZERO, sent: Duration::ZERO }
    }

    fn is_new(given: &Given) -> bool {
        matches!(given, Given::New(..))
    }

    #[test]
    fn what_is_late_by_the_generators_fault_waits_for_connections_in_use_but_not_for_long() {
        let lane = lane(10);
        assert!(is_new(&lane.give(work(0), true, SOON)), "there is none in use");
        assert!(is_new(&lane.give(work(1), false, SOON)), "it is on time");
        assert!(matches!(lane.give(work(2), true, SOON), Given::Soon));
        assert!(matches!(lane.give(work(3), false, SOON), Given::Soon), "others wait already");
        assert_eq!(lane.take(0).map(|work| work.number), Some(2), "one that is done takes it");
        assert_eq!(lane.relief(), Some(SOON + PATIENCE));
        assert!(lane.relieve(SOON + PATIENCE / 2).is_none());
        let (index, slot) = lane.relieve(SOON + PATIENCE).expect("it has waited for long enough");
        assert_eq!((index, slot.work.get().map(|work| work.number)), (2, Some(3)));
        assert!(lane.relief().is_none() && lane.relieve(SOON * 100).is_none(), "nobody waits");
    }

    #[test]
    fn no_more_connections_are_opened_than_are_allowed() {
        let lane = lane(2);
        assert!(is_new(&lane.give(work(0), false, SOON)) && is_new(&lane.give(work(1), false, SOON)));
        assert!(matches!(lane.give(work(2), true, SOON), Given::Waits));
        assert!(lane.relief().is_none() && lane.relieve(SOON * 100).is_none());
        assert!(lane.settled().is_none());
        assert_eq!(lane.take(1).map(|work| work.number), Some(2));
        assert!(lane.take(1).is_none());
        assert!(matches!(lane.give(work(3), true, SOON), Given::Taken), "one is free");
    }

    #[test]
    fn few_are_opened_at_once() {
        let lane = lane(100);
        let opened = (0..100).filter(|number| is_new(&lane.give(work(*number), false, SOON))).count();
        assert_eq!(opened, MOST_OPENING as usize);
        assert!(lane.relief().is_none(), "enough are being opened");
        assert!(lane.settled().is_some(), "the next one begins when one is there");
    }
}

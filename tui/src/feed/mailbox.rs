//! Where the feed leaves what it heard. Bounded: of pictures only the newest waits, of events as many as the
//! screen keeps, and events that had to be dropped are counted as a gap.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::message::Message;
use crate::model::MAX_EVENTS;

/// Most answers to changes that wait.
const MAX_ANSWERS: usize = 64;

/// Messages on their way to the screen.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Slots {
    status: Option<Message>,
    lost: Option<Message>,
    detail: Option<Message>,
    why: Option<Message>,
    pick: Option<Message>,
    requests: Option<Message>,
    algorithms: Option<Message>,
    missed: u64,
    events: VecDeque<Message>,
    answers: VecDeque<Message>,
}

impl Mailbox {
    /// Leaves a message; wakes whoever waits. Never blocks for longer than a drain takes.
    pub(super) fn push(&self, message: Message) {
        self.lock().put(message);
        self.filled.notify_one();
    }

    /// Takes everything.
    pub(super) fn drain(&self) -> Vec<Message> {
        self.lock().take()
    }

    /// Takes everything, after waiting up to `limit` for something.
    pub(super) fn wait(&self, limit: Duration) -> Vec<Message> {
        let empty = |slots: &mut Slots| slots.is_empty();
        let waited = self.filled.wait_timeout_while(self.lock(), limit, empty);
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// The lock is held for moves of pointers only; a panic in between leaves the slots whole.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn put(&mut self, message: Message) {
        match message {
            Message::Status(_) => {
                self.status = Some(message);
                self.lost = None;
            }
            Message::Lost { .. } => self.lost = Some(message),
            Message::Detail(_) | Message::DetailLost { .. } => self.detail = Some(message),
            Message::Why { .. } => self.why = Some(message),
            Message::Pick { .. } => self.pick = Some(message),
            Message::Requests { .. } => self.requests = Some(message),
            Message::Algorithms(_) => self.algorithms = Some(message),
            Message::Gap { missed } => self.missed = self.missed.saturating_add(missed),
            Message::Event(_) => {
                if self.events.len() == MAX_EVENTS {
                    self.events.pop_front();
                    self.missed = self.missed.saturating_add(1);
                }
                self.events.push_back(message);
            }
            Message::Done(_)
            | Message::Told { .. }
            | Message::Refused { .. }
            | Message::Tick { .. }
            | Message::Key(_)
            | Message::Mouse(_)
            | Message::Resize { .. } => {
                if self.answers.len() == MAX_ANSWERS {
                    self.answers.pop_front();
                }
                self.answers.push_back(message);
            }
        }
    }

    fn is_empty(&self) -> bool {
        let Self { status, lost, detail, why, pick, requests, algorithms, .. } = self;
        let single = [status, lost, detail, why, pick, requests, algorithms];
        single.into_iter().all(Option::is_none)
            && self.missed == 0
            && self.events.is_empty()
            && self.answers.is_empty()
    }

    /// A loss comes after the picture before it; a detail needs the picture it belongs to.
    fn take(&mut self) -> Vec<Message> {
        let slots = std::mem::take(self);
        let gap = (slots.missed > 0).then_some(Message::Gap { missed: slots.missed });
        let mut messages: Vec<Message> = slots.status.into_iter().chain(slots.lost).collect();
        let explained = slots.why.into_iter().chain(slots.pick).chain(slots.requests);
        messages.extend(slots.detail.into_iter().chain(explained).chain(slots.algorithms).chain(gap));
        messages.extend(slots.events);
        messages.extend(slots.answers);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(cause: &str) -> Message {
        Message::Lost { cause: cause.into(), hint: String::new(), retry_in_ms: 0 }
    }

    #[test]
    fn only_the_newest_of_a_kind_waits() {
        let mailbox = Mailbox::default();
        mailbox.push(lost("first"));
        mailbox.push(lost("second"));

        let heard = mailbox.drain();

        assert!(matches!(heard.as_slice(), [Message::Lost { cause, .. }] if cause == "second"));
        assert!(mailbox.drain().is_empty());
    }

    #[test]
    fn gaps_add_up() {
        let mailbox = Mailbox::default();
        mailbox.push(Message::Gap { missed: 2 });
        mailbox.push(Message::Gap { missed: 3 });
        assert!(matches!(mailbox.wait(Duration::ZERO).as_slice(), [Message::Gap { missed: 5 }]));
    }
}

//! What one request needs while it is served: parts of heads, and the head that is sent on. Lent by the worker, so that
//! idle connections hold none of it and busy ones do not allocate.

use std::cell::RefCell;

use crate::h1::{RequestHead, ResponseHead};
use crate::queue::Queue;
use crate::wire::Mode;

/// Most kept by one thread.
const KEPT: usize = 256;

thread_local! {
    static FREE: RefCell<Vec<Lendable>> = const { RefCell::new(Vec::new()) };
}

/// Boxed, because it moves between its list and its request each time.
type Lendable = Box<Turn>;

/// The working memory of one request.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Parts of the request.
    pub request: RequestHead,
    /// Parts of the answer.
    pub response: ResponseHead,
    /// The path, when it had to be rewritten.
    pub normal: Vec<u8>,
    /// The head for a backend, without the empty line at its end.
    pub head: Queue,
    /// How a chunked body goes on to a backend.
    pub upload_mode: Mode,
}

impl Turn {
    /// Takes one from this thread's list.
    pub(super) fn take() -> Lent {
        Lent(Some(FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default()))
    }
}

/// A turn that goes back to its list when dropped.
#[derive(Debug)]
pub(super) struct Lent(Option<Lendable>);

impl std::ops::Deref for Lent {
    type Target = Turn;

    fn deref(&self) -> &Turn {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl std::ops::DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Turn {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut turn) = self.0.take() else { return };
        turn.head.clear();
        // Unless the thread is ending, and its list is gone.
        if let Ok(mut free) = FREE.try_with(RefCell::take) {
            if free.len() < KEPT {
                free.push(turn);
            }
            FREE.with(|list| list.replace(free));
        }
    }
}

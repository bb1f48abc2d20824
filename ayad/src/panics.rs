//! Panics: each one is a defect, so each one is counted and told, whatever thread or task it ended.
//!
//! A hook sees every panic of the process, where a guard sees only the task that holds it: a connection, a request, a
//! check, a call of the control API, the driver of a connection to a backend, a thread by itself. What a panic ends is
//! not decided here: the runtimes catch it at the edge of its task, and everything that task held is given back as it
//! unwinds.
//!
//! The hook takes the place of the standard library's, which writes to standard error and waits for whoever reads it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::thread;

use crate::state::State;

/// Longest message that is told, in characters. A message may hold what a client sent.
const LONGEST_MESSAGE: usize = 300;

/// Has `state` count and tell every panic of this process from now on.
pub fn tell(state: Arc<State>) {
    panic::set_hook(Box::new(move |info| {
        // Nothing on this way panics, which would end the process, or waits for what the panicking thread may hold: no
        // code that can panic runs with the ring of events locked.
        state.panicked(&Panic::of(info));
        // Captured only where RUST_BACKTRACE asks for it.
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!("{backtrace}");
        }
    }));
}

/// One panic, in words: where, and what it said. Without control characters, and of bounded length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    thread: String,
    place: String,
    message: String,
}

impl Panic {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let payload = info.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref().map(String::as_str)).unwrap_or_default();
        Self {
            thread: thread::current().name().unwrap_or("without a name").to_owned(),
            place: info.location().map(ToString::to_string).unwrap_or_default(),
            message: message.chars().take(LONGEST_MESSAGE).flat_map(char::escape_debug).collect(),
        }
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, place, message } = self;
        write!(f, "a defect of ayad: thread {thread} panicked at {place}: {message}")
    }
}

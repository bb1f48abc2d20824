//! Signals that end a program: caught for its whole length, so that nothing is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Failure;

/// Catches the signals that end a program, while it lives.
pub(crate) struct Signals {
    last: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl Signals {
    /// Begins to catch.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let last = Arc::new(AtomicUsize::new(0));
        let mut caught = Self { last, ids: Vec::new() };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            caught.ids.push(signal_hook::flag::register_usize(signal, Arc::clone(&caught.last), number)?);
        }
        Ok(caught)
    }

    /// The last signal that came, once.
    pub(crate) fn take(&self) -> Option<i32> {
        let caught = self.caught();
        self.last.store(0, Ordering::Relaxed);
        caught
    }

    /// The last signal that came, if any did.
    pub(crate) fn caught(&self) -> Option<i32> {
        // Only a number: nothing else is published with it.
        i32::try_from(self.last.load(Ordering::Relaxed)).ok().filter(|signal| *signal != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

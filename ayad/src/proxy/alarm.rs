//! One timer for a client connection, whatever it waits for.
//!
//! Arming stores a number; the runtime's timer is only touched when it would ring too late, so that a request
//! that finishes in time costs no timer operation at all. The task that owns the connection polls [`Timer`];
//! whoever waits asks [`Alarm::rang`].

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use aya_core::time::Tick;
use tokio::time::Sleep;

use crate::clock;

const NEVER: u64 = u64::MAX;

/// When somebody will have waited too long. Only the connection's own task uses it; the atomics are there
/// because tasks must be `Send`, and cost plain loads and stores.
#[derive(Debug)]
pub struct Alarm {
    at: AtomicU64,
    rang: AtomicBool,
}

impl Alarm {
    /// An alarm that never rings.
    pub fn new() -> Self {
        Self { at: AtomicU64::new(NEVER), rang: AtomicBool::new(false) }
    }

    /// Rings at `at`; replaces what was armed before.
    pub fn arm(&self, at: Tick) {
        self.at.store(at.as_nanos(), Ordering::Relaxed);
        self.rang.store(false, Ordering::Relaxed);
    }

    /// Does not ring.
    pub fn disarm(&self) {
        self.at.store(NEVER, Ordering::Relaxed);
        self.rang.store(false, Ordering::Relaxed);
    }

    /// True once it has rung, until it is armed or disarmed again.
    pub fn rang(&self) -> bool {
        self.rang.load(Ordering::Relaxed)
    }

    fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    fn ring(&self) {
        self.at.store(NEVER, Ordering::Relaxed);
        self.rang.store(true, Ordering::Relaxed);
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

/// The runtime's timer behind an [`Alarm`].
#[derive(Debug)]
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    armed: u64,
}

impl Timer {
    /// A timer that is not armed.
    pub fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(clock::instant(clock::now()))), armed: NEVER }
    }

    /// To be called after everything else of the task was polled. Ready when the alarm has rung: then poll
    /// the rest again. Costs two loads while the runtime's timer rings early enough.
    pub fn poll(&mut self, alarm: &Alarm, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let at = alarm.at();
            if at < self.armed {
                self.armed = at;
                self.sleep.as_mut().reset(clock::instant(Tick::from_nanos(at)));
            } else if self.armed == NEVER || !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = NEVER;
            if clock::now().as_nanos() >= alarm.at() {
                alarm.ring();
                return Poll::Ready(());
            }
        }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

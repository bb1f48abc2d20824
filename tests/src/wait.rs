//! Waiting for conditions, never for a time. The one file of the kit that reads the clock and sleeps.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Longest wait for a condition. Generous, because it only passes when something is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Time between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// Looks until there is something, and returns it. Panics after [`DEADLINE`], naming what was waited for.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns waiting")]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "waited {DEADLINE:?} in vain until {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `holds`. Panics after [`DEADLINE`], naming what was waited for.
pub fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}

/// Calls `act` again and again until it says that it is over; for what bounds itself.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns waiting")]
pub fn repeat_until(mut act: impl FnMut() -> bool) {
    while !act() {
        thread::sleep(LOOK_EVERY);
    }
}

/// Runs `action` and says how long it took, for bounds that the product promises.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns waiting")]
pub fn measured<T>(action: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = action();
    (result, start.elapsed())
}

/// The wall clock, for what is dated.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns waiting")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// A door that scripts wait at until a test opens it.
#[derive(Debug, Default)]
pub struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// Lets everybody through, from now on.
    pub fn open(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until it is open, at most [`DEADLINE`].
    pub fn pass(&self) {
        self.linger(DEADLINE);
    }

    /// Waits until it is open, at most `limit`; for backends whose slowness is the point.
    pub fn linger(&self, limit: Duration) {
        let closed = |open: &mut bool| !*open;
        drop(
            self.changed
                .wait_timeout_while(self.lock(), limit, closed)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

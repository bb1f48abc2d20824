//! What keeps traffic from backends that do badly, through the real daemon: breakers, orders about them, outliers.

mod breaker;
mod outlier;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aya_tests::backend::Backend;

/// A backend that answers with its name and a status that the test sets.
struct Moody {
    backend: Backend,
    status: Arc<AtomicU16>,
}

impl Moody {
    fn named(name: &str) -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let (current, name) = (Arc::clone(&status), name.to_owned());
        let backend = Backend::with(move |visit| visit.answer(current.load(Ordering::SeqCst), &name));
        Self { backend, status }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

/// A lease that outlasts a test.
const LONG: Duration = Duration::from_secs(600);

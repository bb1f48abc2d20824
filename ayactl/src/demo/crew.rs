//! A thread with a runtime of its own that runs one task until it is told to stop.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::watch;

/// Told to stop and waited for when dropped.
pub(crate) struct Crew {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Tells a task that it should stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the task should stop. Cancel-safe.
    pub(crate) async fn told(&mut self) {
        // An error means that the crew is gone, which is a stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Crew {
    /// Starts a thread that runs the task which `begin` makes.
    pub(crate) fn start<F: Future<Output = ()>>(
        name: &str,
        begin: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(begin(Stop(stopped)));
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has printed why; there is nothing left of it to stop.
            let _ = thread.join();
        }
    }
}

//! Slots: how many programs may run at once in the whole daemon.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// All slots. How many there are may change while some are taken.
#[derive(Clone, Debug, Default)]
pub struct Slots(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    most: AtomicUsize,
    taken: AtomicUsize,
    /// For those that wait for a slot.
    left: Notify,
    /// For those that wait until no slot is taken.
    idle: Notify,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Shared>);

impl Slots {
    /// So many.
    pub fn of(most: usize) -> Self {
        let slots = Self::default();
        slots.set_most(most);
        slots
    }

    /// Sets how many there are. Those that are taken stay so.
    pub fn set_most(&self, most: usize) {
        self.0.most.store(most, Ordering::Relaxed);
        self.0.left.notify_waiters();
    }

    /// Takes a slot, or fails when none gets free within `wait`. Cancel-safe.
    pub async fn take(&self, wait: Duration) -> io::Result<Slot> {
        let taken = tokio::time::timeout(wait, self.take_any()).await;
        taken.map_err(|_| {
            let most = self.0.most.load(Ordering::Relaxed);
            let what =
                format!("daemon.max_commands is {most}, and so many programs were running all the time");
            io::Error::new(io::ErrorKind::WouldBlock, what)
        })
    }

    /// Ends tasks that run programs, and waits until what they had started is gone.
    pub async fn end(&self, tasks: Vec<JoinHandle<()>>) {
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::debug!("a task ended in a panic, which was told when it happened");
            }
        }
        self.all_back().await;
    }

    /// Waits until none is taken. Cancel-safe.
    pub async fn all_back(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.0.taken.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    async fn take_any(&self) -> Slot {
        loop {
            let left = self.0.left.notified();
            let most = self.0.most.load(Ordering::Relaxed);
            let one_more = |taken| (taken < most).then_some(taken + 1);
            if self.0.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more).is_ok() {
                return Slot(Arc::clone(&self.0));
            }
            left.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(20);

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn no_more_are_taken_than_there_are() {
        run(async {
            let slots = Slots::of(2);
            let (first, second) = (slots.take(LONG).await.unwrap(), slots.take(LONG).await.unwrap());
            assert!(slots.take(SOON).await.unwrap_err().to_string().contains("max_commands is 2"));

            drop(first);
            let third = slots.take(LONG).await.unwrap();
            slots.set_most(1);
            drop(second);
            assert!(slots.take(SOON).await.is_err());
            drop(third);
            slots.take(LONG).await.unwrap();
        });
    }

    #[test]
    fn all_are_back_when_the_last_one_is() {
        run(async {
            let slots = Slots::of(2);
            slots.all_back().await;
            let (first, second) = (slots.take(LONG).await.unwrap(), slots.take(LONG).await.unwrap());
            drop(first);
            assert!(tokio::time::timeout(SOON, slots.all_back()).await.is_err());
            tokio::join!(slots.all_back(), async { drop(second) });
        });
    }

    #[test]
    fn whoever_waits_gets_the_next_one() {
        run(async {
            let slots = Slots::default();
            let waiting = slots.clone();
            let next = async { waiting.take(LONG).await.unwrap() };
            let grow = async { slots.set_most(1) };
            let (first, ()) = tokio::join!(next, grow);
            let (second, ()) = tokio::join!(async { waiting.take(LONG).await }, async { drop(first) });
            assert!(second.is_ok());
        });
    }
}

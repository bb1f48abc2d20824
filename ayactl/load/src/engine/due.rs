//! When the next request of a thread is due: by a profile, or as it was in a log.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::arrivals::Schedule;

/// What tells a pacer its moments.
pub(super) enum Due<'p> {
    Planned(Schedule<'p>),
    Replayed(Moments),
}

impl Due<'_> {
    /// The next request of this thread: its number and when it is due, in seconds after the beginning. `None` after the
    /// last. Only a log that is read too slowly is waited for.
    pub(super) async fn next(&mut self) -> Option<(u64, f64)> {
        match self {
            Self::Planned(schedule) => schedule.next_due(),
            Self::Replayed(moments) => moments.next().await,
        }
    }

    /// From now on the rate is that of the profile or the log times `factor`.
    pub(super) fn rescale(&mut self, factor: f64) {
        match self {
            Self::Planned(schedule) => schedule.rescale(factor),
            Self::Replayed(moments) => moments.rescale(factor),
        }
    }
}

/// The moments of a log that are a thread's.
#[derive(Debug)]
pub struct Moments {
    of: Receiver<(u64, Duration)>,
    /// Nothing is due from here on, in seconds.
    ends: f64,
    /// The last moment: in the log, and as it was given.
    last: (f64, f64),
    factor: f64,
}

impl Moments {
    pub(super) fn new(of: Receiver<(u64, Duration)>, ends: Duration) -> Self {
        Self { of, ends: ends.as_secs_f64(), last: (0.0, 0.0), factor: 1.0 }
    }

    pub(super) async fn next(&mut self) -> Option<(u64, f64)> {
        let (number, in_log) = self.of.recv().await?;
        let (in_log, (log, given)) = (in_log.as_secs_f64(), self.last);
        let at = given + (in_log - log) / self.factor;
        self.last = (in_log, at);
        (at < self.ends).then_some((number, at))
    }

    fn rescale(&mut self, factor: f64) {
        self.factor = factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_the_rate_and_end_in_time() {
        let (to, of) = tokio::sync::mpsc::channel(8);
        for at in [0, 1, 2, 3, 9] {
            to.try_send((at, Duration::from_secs(at))).expect("there is room");
        }
        let mut moments = Moments::new(of, Duration::from_secs(4));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            assert_eq!(moments.next().await, Some((0, 0.0)));
            assert_eq!(moments.next().await, Some((1, 1.0)));
            moments.rescale(2.0);
            assert_eq!(moments.next().await, Some((2, 1.5)));
            assert_eq!(moments.next().await, Some((3, 2.0)));
            assert_eq!(moments.next().await, None);
        });
    }
}

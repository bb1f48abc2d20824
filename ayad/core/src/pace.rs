//! The least pace of a sender: who sends a body a byte at a time must not hold a connection for as long as it likes.
//!
//! The rule is that of Apache's `RequestReadTimeout body=GRACE,MinRate=RATE`: a sender has a grace period, and what it
//! sent buys it more time at the least rate. So short bodies and slow starts are never at fault, and a large body is
//! judged by its average. Unlike there, only time in which the sender was waited for counts: a receiver that does not
//! read holds the sender up, and that is not its doing.
//!
//! Deliberately absent: a rate of the last few seconds. It would need memory, and silence has a limit of its own.

use std::time::Duration;

use crate::time::Tick;

/// Nanoseconds of a second.
const NANOS: u128 = 1_000_000_000;

/// What is asked of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// Time that needs no bytes.
    pub grace: Duration,
    /// Bytes that buy one more second; 0 asks for nothing.
    pub per_second: u64,
}

/// How long one sender was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    waited: Duration,
    since: Option<Tick>,
}

impl Pace {
    /// From `now` on, or still, the sender is waited for.
    pub fn wait(&mut self, now: Tick) {
        self.rest(now);
        self.since = Some(now);
    }

    /// From `now` on somebody else is waited for.
    pub fn rest(&mut self, now: Tick) {
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(now.since(since));
        }
    }

    /// How much longer, from the last [`Self::wait`] on, a sender of `bytes` so far may be waited for. `None` when
    /// nothing is asked of it. Costs two divisions.
    pub fn left(&self, least: Least, bytes: u64) -> Option<Duration> {
        let whole = bytes.checked_div(least.per_second)?;
        let part = u128::from(bytes % least.per_second) * NANOS / u128::from(least.per_second);
        // Less than a second.
        let part = Duration::from_nanos(u64::try_from(part).unwrap_or_default());
        let bought = Duration::from_secs(whole).saturating_add(part);
        Some(least.grace.saturating_add(bought).saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Least = Least { grace: Duration::from_secs(10), per_second: 500 };

    fn at(millis: u64) -> Tick {
        Tick::ZERO.after(Duration::from_millis(millis))
    }

    fn left(pace: &Pace, bytes: u64) -> u128 {
        pace.left(LEAST, bytes).unwrap().as_millis()
    }

    #[test]
    fn bytes_buy_time_at_the_least_rate() {
        let mut pace = Pace::default();
        pace.wait(at(0));
        assert_eq!(left(&pace, 0), 10_000);
        assert_eq!(left(&pace, 250), 10_500);
        pace.wait(at(9_000));
        assert_eq!(left(&pace, 250), 1_500);
        pace.wait(at(12_000));
        assert_eq!(left(&pace, 250), 0);
        assert_eq!(left(&pace, 5_000), 8_000);
    }

    #[test]
    fn a_sender_faster_than_the_rate_has_time_for_ever() {
        let mut pace = Pace::default();
        for second in 0..100_000 {
            pace.wait(at(second * 1000));
            assert!(left(&pace, second * 501) >= 10_000);
        }
    }

    #[test]
    fn a_sender_slower_than_the_rate_runs_out_of_time_however_steady_it_is() {
        let mut pace = Pace::default();
        let fails = (0..1000).find(|second| {
            pace.wait(at(second * 1000));
            left(&pace, second * 100) == 0
        });
        // It gains 0.2 s each second: the grace lasts 12.5 s.
        assert_eq!(fails, Some(13));
    }

    #[test]
    fn time_in_which_somebody_else_was_waited_for_does_not_count() {
        let mut pace = Pace::default();
        pace.wait(at(0));
        pace.rest(at(4_000));
        pace.rest(at(60_000));
        pace.wait(at(900_000));
        assert_eq!(left(&pace, 0), 6_000);
    }

    #[test]
    fn nothing_is_asked_at_rate_0_and_nothing_overflows() {
        let mut pace = Pace::default();
        pace.wait(at(0));
        pace.wait(Tick::from_nanos(u64::MAX));
        assert_eq!(pace.left(Least { per_second: 0, ..LEAST }, 7), None);
        assert_eq!(
            pace.left(Least { grace: Duration::MAX, per_second: 1 }, u64::MAX).map(|d| d.is_zero()),
            Some(false)
        );
        assert!(pace.left(Least { per_second: u64::MAX, ..LEAST }, u64::MAX - 1).is_some());
    }
}

//! Points in time, as the only kind of time that decisions know.
//!
//! A [`Tick`] comes from the daemon's one clock or from the simulator's virtual one; nothing here can read a
//! clock. Arithmetic saturates, because two workers may hand over ticks that are slightly out of order and
//! "no time has passed" is the right reading of that.

use std::time::Duration;

/// A point in time: nanoseconds since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The moment the daemon started.
    pub const ZERO: Self = Self(0);

    /// Makes a tick from nanoseconds since the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time that has passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The tick `wait` after this one, at most the last one there is.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(nanos(wait)))
    }
}

/// Nanoseconds of a duration, at most what 64 bits hold (584 years).
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards_or_over() {
        let early = Tick::from_nanos(5);
        let late = early.after(Duration::from_nanos(7));

        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX), Tick::from_nanos(u64::MAX));
    }
}

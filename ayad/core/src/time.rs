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

/// Year, month and day in UTC of a day counted from 1970-01-01, in the proleptic Gregorian calendar: `civil_from_days`
/// of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
pub fn civil_date(days: i64) -> (i64, u32, u32) {
    // Years begin in March, so that the day that leap years add is the last one; eras have 400 of them.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
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

    #[test]
    fn days_are_dates_across_leap_years() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (-1, (1969, 12, 31)),
        ] {
            assert_eq!(civil_date(days), date, "day {days}");
        }
        // No certificate can make it overflow.
        civil_date(i64::MAX);
        civil_date(i64::MIN);
    }
}

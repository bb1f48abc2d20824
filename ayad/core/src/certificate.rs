//! Certificates: which one answers for a name, when one counts as expiring, when it is renewed.
//!
//! Times are seconds since 1970 by the wall clock, because that is what certificates are written in. Nothing
//! here reads a certificate: names and times are given.

use std::collections::HashMap;
use std::time::Duration;

/// From this long before the end of a certificate on, operators are told. Long enough for a person to act,
/// and past the point at which anything that renews by itself should have done so.
pub const NOTICE: Duration = Duration::from_secs(14 * DAY);

const DAY: u64 = 24 * 60 * 60;
/// Wait after the first failed renewal; doubled after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// Longest wait between two renewals that fail: a few tries each day, as directories ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(6 * 60 * 60);
/// Failures after which nobody's hurry has an order made again at once.
const AT_ONCE: u32 = 3;
/// After more failures, the least time between two orders when somebody is in a hurry. Directories count failed orders:
/// that of Let's Encrypt allows five for each name, and gives one back every twelve minutes.
const NOT_SOONER: Duration = Duration::from_secs(15 * 60);
/// Share of the lead by which a renewal is brought forward at random, so that a fleet does not come at once.
const JITTER: f64 = 0.1;

/// Where a certificate stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing to do.
    Good,
    /// It ends within [`NOTICE`].
    Expiring,
    /// Its life has not begun, so clients refuse it.
    NotYet,
    /// Its life is over, so clients refuse it.
    Expired,
}

impl Standing {
    /// The word used everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expiring => "expiring",
            Self::NotYet => "not-yet",
            Self::Expired => "expired",
        }
    }
}

/// The life of a certificate, in seconds since 1970; both ends are part of it (RFC 5280, 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Life {
    /// Where it stands at `now`.
    pub fn standing(self, now: i64) -> Standing {
        if now > self.not_after {
            Standing::Expired
        } else if now < self.not_before {
            Standing::NotYet
        } else if self.not_after.saturating_sub(now) <= NOTICE.as_secs().cast_signed() {
            Standing::Expiring
        } else {
            Standing::Good
        }
    }

    /// Whole days left at `now`; below zero once it is over.
    pub fn days_left(self, now: i64) -> i64 {
        self.not_after.saturating_sub(now).div_euclid(DAY.cast_signed())
    }

    /// When to renew it: `lead` before its end, by default when two thirds of its life are over (the usual
    /// advice of ACME directories). A lead is at most half of the life, so that a short certificate is not
    /// renewed again as soon as it is there. `unit`, from 0 to 1, brings it forward by up to a tenth of the lead.
    pub fn renew_at(self, lead: Option<Duration>, unit: f64) -> i64 {
        let life = Duration::from_secs(self.not_after.saturating_sub(self.not_before).max(0).cast_unsigned());
        let lead = lead.unwrap_or(life / 3).min(life / 2).mul_f64(1.0 + JITTER * unit.clamp(0.0, 1.0));
        self.not_after.saturating_sub_unsigned(lead.as_secs())
    }

    /// The earliest time to renew a certificate that was just got: half of what is left of it, and at least a minute.
    /// So a directory that gives only old certificates is not asked without end.
    pub fn earliest_renewal(self, got: i64) -> i64 {
        let left = self.not_after.saturating_sub(got).max(0);
        got.saturating_add((left / 2).max(FIRST_RETRY.as_secs().cast_signed()))
    }
}

/// How long to wait after this many failures in a row (at least 1): doubling from a minute to six hours, varied
/// by a quarter in both directions by `unit`, from 0 to 1.
pub fn retry_after(failures: u32, unit: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY);
    wait.mul_f64(0.75 + 0.5 * unit.clamp(0.0, 1.0))
}

/// Whether an order that failed this many times in a row, the last time so long ago, may be made again before its
/// time because somebody asks for it: by a reload, an upgrade or a start, of which there may be one every minute.
pub fn may_hurry(failures: u32, since_last: Duration) -> bool {
    failures <= AT_ONCE || since_last >= NOT_SOONER
}

/// What answers for a name: an exact name before a wildcard; of two that are the same, the one that came first.
///
/// A wildcard stands for exactly one label (RFC 6125, 6.4.3): `*.example.com` covers `a.example.com`, but neither
/// `example.com` nor `a.b.example.com`. Names are compared without regard to case.
#[derive(Clone, Debug)]
pub struct Names<T> {
    exact: HashMap<Box<str>, T>,
    wildcard: HashMap<Box<str>, T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new() }
    }
}

impl<T> Names<T> {
    /// Adds a name, `example.com` or `*.example.com`, unless it is there already.
    pub fn insert(&mut self, name: &str, value: T) {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.entry(parent.into()).or_insert(value),
            None => self.exact.entry(name.into()).or_insert(value),
        };
    }

    /// Finds what answers for a name. Two look-ups; allocates only for names that are not in lower case.
    pub fn find(&self, name: &str) -> Option<&T> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find(&name.to_ascii_lowercase());
        }
        let by_wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(by_wildcard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn life(days: i64) -> Life {
        Life { not_before: 0, not_after: days * DAY }
    }

    #[test]
    fn an_exact_name_beats_a_wildcard_and_a_wildcard_is_one_label() {
        let mut names = Names::default();
        for (name, value) in [("*.Example.com", 1), ("a.example.com", 2), ("a.example.com", 3)] {
            names.insert(name, value);
        }

        assert_eq!(names.find("a.example.com"), Some(&2));
        assert_eq!(names.find("B.example.COM"), Some(&1));
        for name in ["example.com", "a.b.example.com", "", ".", "com"] {
            assert_eq!(names.find(name), None, "{name}");
        }
    }

    #[test]
    fn the_last_fourteen_days_are_told() {
        assert_eq!(life(90).standing(75 * DAY), Standing::Good);
        assert_eq!(life(90).standing(76 * DAY), Standing::Expiring);
        assert_eq!(life(90).standing(90 * DAY), Standing::Expiring);
        assert_eq!(life(90).standing(90 * DAY + 1), Standing::Expired);
        assert_eq!(life(90).standing(-1), Standing::NotYet);
        assert_eq!((life(90).days_left(0), life(90).days_left(90 * DAY + 1)), (90, -1));
    }

    #[test]
    fn renewal_is_at_two_thirds_of_the_life_and_never_before_half_of_it() {
        assert_eq!(life(90).renew_at(None, 0.0), 60 * DAY);
        assert_eq!(life(90).renew_at(None, 1.0), 57 * DAY);
        assert_eq!(life(90).renew_at(Some(Duration::from_secs(10 * 86_400)), 0.0), 80 * DAY);
        assert_eq!(life(6).renew_at(Some(Duration::from_secs(30 * 86_400)), 0.0), 3 * DAY);
        assert_eq!(Life { not_before: 9, not_after: 3 }.renew_at(None, 0.5), 3);
        assert!(Life { not_before: i64::MIN, not_after: i64::MAX }.renew_at(None, 1.0) < i64::MAX);
    }

    #[test]
    fn a_certificate_that_was_just_got_is_kept_for_a_while() {
        assert_eq!(life(90).earliest_renewal(70 * DAY), 80 * DAY);
        assert_eq!(life(90).earliest_renewal(90 * DAY - 4), 90 * DAY + 56);
        assert_eq!(life(90).earliest_renewal(100 * DAY), 100 * DAY + 60);
    }

    #[test]
    fn hurry_cannot_use_up_what_a_directory_allows() {
        // Somebody reloads every minute for a day, and every order fails.
        let (mut failures, mut last, mut due) = (0, 0, 0);
        let (mut allowed, mut refilled) = (5.0_f64, 0);
        for minute in 0..24 * 60 {
            let since = Duration::from_secs(60 * (minute - last));
            if failures > 0 && minute < due && !may_hurry(failures, since) {
                continue;
            }
            allowed = (allowed + (minute - refilled) as f64 / 12.0).min(5.0) - 1.0;
            refilled = minute;
            assert!(allowed >= 0.0, "order {} at minute {minute} is one too many", failures + 1);
            failures += 1;
            last = minute;
            due = minute + retry_after(failures, 0.0).as_secs() / 60;
        }
        assert!(failures > 20, "{failures} orders in a day are too few for whoever waits");
    }

    #[test]
    fn waits_double_up_to_six_hours() {
        let minutes = |failures| retry_after(failures, 0.5).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 20, u32::MAX].map(minutes), [1, 2, 4, 8, 360, 360]);
        assert!(retry_after(1, 0.0) < retry_after(1, 1.0));
    }
}

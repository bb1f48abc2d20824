//! Signals: what a backend says about itself, or what a monitor says about it, each with its age.
//!
//! A value comes from a response header, an agent, a page of metrics or a query; here it is judged (no number
//! is believed that cannot be one), stamped and kept in one word, so that a reader on another thread never
//! sees a value with another one's time. Every reading says how old it is, and who reads decides from which
//! age on it means nothing: there is no default, because a queue length is stale after a second and a
//! temperature is not.
//!
//! What it deliberately does not do: parse formats, poll anything, or believe a client; only the daemon's
//! readers of backends write here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Tick;

/// The largest value any signal can have; what is larger is a mistake of the one who said it.
const LARGEST: f64 = 1e12;
/// The largest value of a share: backends with several cores or overcommitted memory go beyond 1.
const LARGEST_SHARE: f64 = 1_000.0;

macro_rules! signals {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $largest:expr;)+) => {
        /// A kind of number about a backend.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Signal { $($(#[$doc])* $variant),+ }

        impl Signal {
            /// Every kind, in order of their places.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling of this kind.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The largest value that is believed.
            const fn largest(self) -> f64 {
                match self { $(Self::$variant => $largest),+ }
            }
        }
    };
}

signals! {
    /// Share of its processors in use; 1 is all of what it was given.
    Cpu = "cpu", LARGEST_SHARE;
    /// Share of its memory in use.
    Memory = "memory", LARGEST_SHARE;
    /// Share of its capacity in use, as the application itself reckons.
    Utilization = "utilization", LARGEST_SHARE;
    /// Requests it has now, from everybody.
    InFlight = "in-flight", LARGEST;
    /// Requests that wait in it.
    Queue = "queue", LARGEST;
    /// Share of its accelerators in use.
    Gpu = "gpu", LARGEST_SHARE;
    /// Requests it serves a second.
    Rate = "rate", LARGEST;
    /// Errors it counts a second.
    Errors = "errors", LARGEST;
    /// A number that only this pool gives a meaning.
    Custom = "custom", LARGEST;
}

impl Signal {
    /// The kind with this spelling.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|signal| signal.as_str() == word)
    }
}

/// Why a value was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbelievable {
    /// It is no number.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It is larger than anything of its kind.
    TooLarge,
}

impl Unbelievable {
    /// In words, as they follow "the value".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "is no number",
            Self::Negative => "is negative",
            Self::TooLarge => "is too large to be true",
        }
    }
}

/// A value with its age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The value, in the unit of its kind.
    pub value: f64,
    /// Since when it is known.
    pub age: Duration,
}

/// A value and when it was learned, in one word: the bits of an `f32`, and milliseconds of the clock, which may wrap
/// around. Zero means that there is none.
#[derive(Debug, Default)]
pub(crate) struct Stamped(AtomicU64);

impl Stamped {
    pub(crate) fn set(&self, now: Tick, value: f64) {
        let word = u64::from((value as f32).to_bits()) << 32 | u64::from(millis(now).max(1));
        self.0.store(word, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, now: Tick) -> Option<(f32, Duration)> {
        let word = self.0.load(Ordering::Relaxed);
        if word == 0 {
            return None;
        }
        let age = millis(now).wrapping_sub(word as u32);
        // A worker's clock may be read a little before the one that stamped it.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        Some((f32::from_bits((word >> 32) as u32), Duration::from_millis(u64::from(age))))
    }
}

fn millis(now: Tick) -> u32 {
    (now.as_nanos() / 1_000_000) as u32
}

/// The latest value of every kind for one backend. Reads and writes are single relaxed operations.
#[derive(Debug, Default)]
pub struct Signals([Stamped; Signal::ALL.len()]);

impl Signals {
    /// Takes a value in, unless it cannot be true.
    pub fn set(&self, signal: Signal, now: Tick, value: f64) -> Result<(), Unbelievable> {
        believe(signal, value)?;
        self.0[signal as usize].set(now, value);
        Ok(())
    }

    /// Forgets what was known of a kind.
    pub fn forget(&self, signal: Signal) {
        self.0[signal as usize].clear();
    }

    /// The latest value with its age, however old.
    pub fn latest(&self, signal: Signal, now: Tick) -> Option<Reading> {
        let (value, age) = self.0[signal as usize].get(now)?;
        Some(Reading { value: f64::from(value), age })
    }

    /// The latest value, unless it is older than `expiry`.
    pub fn fresh(&self, signal: Signal, now: Tick, expiry: Duration) -> Option<f64> {
        self.latest(signal, now).filter(|reading| reading.age <= expiry).map(|reading| reading.value)
    }
}

/// Whether a value can be true for its kind.
pub fn believe(signal: Signal, value: f64) -> Result<(), Unbelievable> {
    if value.is_nan() {
        Err(Unbelievable::NotANumber)
    } else if value < 0.0 {
        Err(Unbelievable::Negative)
    } else if value > signal.largest() {
        Err(Unbelievable::TooLarge)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn what_cannot_be_true_changes_nothing() {
        let signals = Signals::default();
        signals.set(Signal::Cpu, at(5), 0.5).unwrap();

        for (value, why) in [
            (f64::NAN, Unbelievable::NotANumber),
            (-0.1, Unbelievable::Negative),
            (f64::INFINITY, Unbelievable::TooLarge),
            (1e9, Unbelievable::TooLarge),
        ] {
            assert_eq!(signals.set(Signal::Cpu, at(9), value), Err(why));
        }
        assert_eq!(signals.latest(Signal::Cpu, at(6)), Some(Reading { value: 0.5, age: ms(1) }));
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn values_age_expire_and_are_forgotten() {
        let signals = Signals::default();
        assert_eq!(signals.latest(Signal::Queue, at(1)), None);
        signals.set(Signal::Queue, at(0), 3.0).unwrap();

        assert_eq!(signals.fresh(Signal::Queue, at(1000), ms(1000)), Some(3.0));
        assert_eq!(signals.fresh(Signal::Queue, at(1002), ms(1000)), None);
        assert_eq!(signals.latest(Signal::InFlight, at(0)), None, "kinds are kept apart");
        signals.forget(Signal::Queue);
        assert_eq!(signals.latest(Signal::Queue, at(1)), None);
    }

    #[test]
    fn a_clock_that_was_read_earlier_makes_nothing_old() {
        let signals = Signals::default();
        signals.set(Signal::Rate, at(100), 7.0).unwrap();

        assert_eq!(signals.latest(Signal::Rate, at(99)), Some(Reading { value: 7.0, age: ms(0) }));
    }

    #[test]
    fn every_word_is_found() {
        for (place, &signal) in Signal::ALL.iter().enumerate() {
            assert_eq!((signal as usize, Signal::find(signal.as_str())), (place, Some(signal)));
        }
        assert_eq!(Signal::find("colour"), None);
    }
}

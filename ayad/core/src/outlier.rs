//! Which backends of a pool are worse than the others, found in traffic alone: they fail more often, or answer more
//! slowly. What is odd first gets less, then nothing, then one trial at a time, then more again.
//!
//! ```text
//!        odd            more evidence      more evidence, or failures in a row
//!   in ──────▶ suspected ──────▶ doubted ──────▶ ejected ◀─────────────┐
//!   ▲  ◀────────── like the others ──┘              │ time is up       │ a trial failed
//!   └────────── trials succeeded, then a ramp ─── trying ──────────────┘
//! ```
//!
//! Everything is measured against the median of the pool, with the spread of the others (the median absolute deviation)
//! as the yardstick. So it works from three backends on and with up to half of them bad, and a pool that is bad as a
//! whole loses nobody. A share of failures must also be more than chance explains: by Chernoff's bound, `calls` results
//! with a share `x` of failures come from a backend that fails with probability `p` at most once in `e^evidence`, where
//! `evidence = calls · (x·ln(x/p) + (1−x)·ln((1−x)/(1−p)))`. A run of failures is the case `x = 1`. The same number of
//! evidence thus holds for a pool with ten requests a second and for one with ten thousand.
//!
//! All state is in the [`Load`] cells, so it goes on through reloads; [`Guard`] only has room to compute. Results come in
//! on the workers ([`Load::watch`]), which eject at once after failures in a row as far as the [`Quota`] allows;
//! everything else is decided in [`Guard::tend`], ten times a second.
//!
//! What it deliberately does not do: look at one backend alone (that is [`crate::breaker`]), or at checks
//! ([`crate::health`]). Ejection is a fact of its own beside the three axes, never one of their values.

mod guard;
mod looks;
mod norm;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub use guard::{Guard, Settings};
pub use watch::{LearnedWatch, Watch};

use crate::load::Load;
use crate::time::{Tick, nanos};

/// Fewest backends in service that can be compared.
pub const FEWEST: usize = 3;

/// What counts as odd, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierRules {
    /// True to act; false to tell only what would be done.
    pub enforce: bool,
    /// Failures in a row that eject at once; more where the others fail too; 0 for never.
    pub failures: u32,
    /// Fewest results in 1.5 s or in 10 s that a backend is judged by; 0 counts as 1.
    pub min_calls: u32,
    /// How far from the median, in robust standard deviations, is odd.
    pub deviations: f64,
    /// A share of failures is odd only from this much above the median.
    pub excess: f64,
    /// A backend this many times slower than the median is odd; 0 for never.
    pub slower: f64,
    /// A backend this many times slower than the median is ejected, not only eased; 0 for never.
    pub slower_ejects: f64,
    /// Less than this share of the backends in service is ejected at a time, 0 to 1.
    pub max_ejected: f64,
    /// Time of the first ejection.
    pub eject_for: Duration,
    /// Each further ejection lasts twice as long, up to this.
    pub eject_max: Duration,
}

impl Default for OutlierRules {
    /// Thresholds that clean traffic does not reach in hours. Ejections are short, because trials are cheap: one request,
    /// and mostly one that may be repeated elsewhere.
    fn default() -> Self {
        Self {
            enforce: true,
            failures: 5,
            min_calls: 20,
            deviations: 3.5,
            excess: 0.05,
            slower: 2.0,
            slower_ejects: 10.0,
            max_ejected: 0.5,
            eject_for: Duration::from_secs(1),
            eject_max: Duration::from_secs(4),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling of this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// How a backend stands among the others.
    Standing {
        /// Like the others.
        In = "in";
        /// Odd; gets half of its weight.
        Suspected = "suspected";
        /// Odd beyond doubt; gets a tenth of its weight.
        Doubted = "doubted";
        /// Gets nothing for a while.
        Ejected = "ejected";
        /// Gets one request at a time.
        Trying = "trying";
    }
}

words! {
    /// In what a backend is odd.
    Oddity {
        /// It fails more often than the others.
        FailureShare = "failure-share";
        /// It failed several times in a row.
        FailuresInRow = "failures-in-row";
        /// It answers more slowly than the others.
        Slow = "slower-than-others";
    }
}

words! {
    /// Why a backend is taken for one like the others again.
    Return {
        /// It was like the others for long enough.
        Recovered = "recovered";
        /// Its trials succeeded.
        TrialsPassed = "trials-passed";
        /// The others are no better.
        OthersNoBetter = "others-no-better";
        /// Nobody looks for outliers any more.
        SwitchedOff = "switched-off";
        /// Somebody ordered it.
        Ordered = "ordered";
        /// A fault had hit it, and has ended.
        FaultOver = "fault-over";
    }
}

impl Standing {
    /// What it leaves of a weight, 0 to 1. Trials are limited by themselves.
    pub const fn factor(self) -> f64 {
        match self {
            Self::In | Self::Trying => 1.0,
            Self::Suspected => 0.5,
            Self::Doubted => 0.1,
            Self::Ejected => 0.0,
        }
    }
}

/// What was found odd, with its figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// In what.
    pub oddity: Oddity,
    /// The figure of this backend: a share of failures 0 to 1, failures in a row, or nanoseconds.
    pub value: f32,
    /// The median of the pool, in the same unit; of failures in a row, the share of failures.
    pub median: f32,
    /// How far apart they are, in robust standard deviations; 0 for failures in a row.
    pub z: f32,
    /// Results this is about.
    pub calls: u32,
}

/// A change, for events and logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierChange {
    /// Position of the backend in its pool.
    pub index: usize,
    /// How it stood.
    pub from: Standing,
    /// How it stands.
    pub to: Standing,
    /// What was found, as far as it is about that.
    pub finding: Option<Finding>,
    /// Why it is back, when it is.
    pub back: Option<Return>,
}

/// What the workers of a pool may do between two looks at the whole: how many more backends may be ejected at once, and
/// for how long; and what is saved up for looks on purpose. One for each pool.
#[derive(Debug, Default)]
pub struct Quota {
    left: AtomicU32,
    enforce: AtomicBool,
    eject_ns: AtomicU64,
    eject_max_ns: AtomicU64,
    purse: looks::Purse,
}

impl Quota {
    fn set(&self, left: u32, rules: &OutlierRules) {
        self.enforce.store(rules.enforce, Ordering::Relaxed);
        self.eject_ns.store(nanos(rules.eject_for), Ordering::Relaxed);
        self.eject_max_ns.store(nanos(rules.eject_max.max(rules.eject_for)), Ordering::Relaxed);
        self.left.store(left, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// How long the `times`th ejection lasts, in nanoseconds.
    fn eject_ns(&self, times: u32) -> u64 {
        let doubled =
            self.eject_ns.load(Ordering::Relaxed).saturating_mul(1 << times.saturating_sub(1).min(32));
        doubled.min(self.eject_max_ns.load(Ordering::Relaxed))
    }

    fn enforces(&self) -> bool {
        self.enforce.load(Ordering::Relaxed)
    }
}

impl Load {
    /// Counts one result in what outliers are found by. After too many failures in a row the backend is ejected at once,
    /// if the pool can spare it. Costs some 15 ns.
    pub fn watch(&self, now: Tick, answer: crate::breaker::Answer, quota: &Quota) -> Option<OutlierChange> {
        let failures = self.watched().count(now, answer)?;
        if !quota.take() {
            return None;
        }
        let finding = Finding {
            oddity: Oddity::FailuresInRow,
            value: failures as f32,
            median: self.watched().usual_share(),
            z: 0.0,
            calls: failures,
        };
        self.eject(now, &finding, quota)
    }
}

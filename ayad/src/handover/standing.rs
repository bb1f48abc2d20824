//! How a backend stands among the others, and how its weight follows a signal, as that travels to the next process.

use std::time::Duration;

use aya_core::outlier::{Finding, LearnedWatch, Oddity, Standing};
use aya_core::signal::Signal;
use aya_core::time::Tick;
use serde::{Deserialize, Serialize};

use crate::config::signals::Source;
use crate::state::Backend;

/// How a backend stands among the others of its pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Among {
    standing: String,
    age_ns: u64,
    /// Since it was last like the others, when it is not; a version before this one does not say.
    odd_ns: Option<u64>,
    seen_ns: u64,
    /// Until its ejection ends, when it is ejected.
    left_ns: Option<u64>,
    times: u32,
    finding: Option<Found>,
    trials: (u32, u32),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found {
    oddity: String,
    value: f32,
    median: f32,
    z: f32,
    calls: u32,
}

impl Among {
    /// `None` of one that is like the others, with nothing held against it.
    pub(super) fn of(backend: &Backend, now: Tick) -> Option<Self> {
        let LearnedWatch { standing, age, odd, seen, left, times, finding, trials } =
            backend.load.learned_standing(now)?;
        Some(Self {
            standing: standing.as_str().to_owned(),
            age_ns: age.as_nanos() as u64,
            odd_ns: odd.map(|odd| odd.as_nanos() as u64),
            seen_ns: seen.as_nanos() as u64,
            left_ns: left.map(|left| left.as_nanos() as u64),
            times,
            finding: finding.map(|Finding { oddity, value, median, z, calls }| Found {
                oddity: oddity.as_str().to_owned(),
                value,
                median,
                z,
                calls,
            }),
            trials,
        })
    }

    pub(super) fn give_to(&self, backend: &Backend, now: Tick) {
        let Some(standing) = Standing::ALL.iter().copied().find(|known| known.as_str() == self.standing)
        else {
            return;
        };
        let finding = self.finding.as_ref().and_then(|found| {
            let oddity = Oddity::ALL.iter().copied().find(|known| known.as_str() == found.oddity)?;
            let Found { oddity: _, value, median, z, calls } = *found;
            Some(Finding { oddity, value, median, z, calls })
        });
        let was = LearnedWatch {
            standing,
            age: Duration::from_nanos(self.age_ns),
            odd: self.odd_ns.map(Duration::from_nanos),
            seen: Duration::from_nanos(self.seen_ns),
            left: self.left_ns.map(Duration::from_nanos),
            times: self.times,
            finding,
            trials: self.trials,
        };
        backend.load.resume_standing(now, &was);
    }
}

/// How the weight of a backend follows a signal, and what that was last: without a value the weight would drift back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Followed {
    signal: String,
    factor: f64,
    /// Time since the factor last moved.
    moved_ns: u64,
    reading: Option<Read>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Read {
    value: f64,
    age_ns: u64,
    source: String,
}

impl Followed {
    pub(super) fn of(backend: &Backend, signal: Signal, now: Tick) -> Self {
        let (factor, moved) = backend.reported.follow();
        let reading = backend.load.signals().latest(signal, now).zip(backend.reported.source(signal));
        Self {
            signal: signal.as_str().to_owned(),
            factor,
            moved_ns: now.since(moved).as_nanos() as u64,
            reading: reading.map(|(reading, source)| Read {
                value: reading.value,
                age_ns: reading.age.as_nanos() as u64,
                source: source.as_str().to_owned(),
            }),
        }
    }

    /// Goes on where the weight still follows that signal.
    pub(super) fn give_to(&self, backend: &Backend, follows: Option<Signal>, now: Tick) {
        let Some(signal) = follows.filter(|signal| signal.as_str() == self.signal) else { return };
        let ago = |ns: u64| Tick::from_nanos(now.as_nanos().saturating_sub(ns));
        if self.factor > 0.0 && self.factor <= 1.0 {
            backend.reported.set_follow(self.factor, Some(ago(self.moved_ns)));
            backend.load.set_signal_factor(self.factor);
        }
        let Some(read) = &self.reading else { return };
        let Some(source) = Source::ALL.into_iter().find(|source| source.as_str() == read.source) else {
            return;
        };
        if let Err(error) = backend.reported.take(&backend.load, source, signal, read.value, ago(read.age_ns))
        {
            tracing::debug!(backend = %backend.id, ?error, "a value of the process before is left out");
        }
    }
}

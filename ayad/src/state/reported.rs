//! What is said about one backend from outside its traffic: by whom, and how well that goes.
//!
//! The values are in [`Load::signals`]; here is who said each last, what was not believed, and what the agent wants. A
//! worker that reads an ordinary answer touches nothing here; one that reads a report stores a few words.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aya_core::agent::{Agent, Hold};
use aya_core::load::Load;
use aya_core::signal::{Signal, Unbelievable};
use aya_core::time::Tick;

use crate::clock;
use crate::config::signals::Source;

/// How long reports of a backend must be well before that is told: one that is wrong every second time is told once.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// What is said about one backend.
#[derive(Debug, Default)]
pub struct Reported {
    /// Who said each signal last, as the number of the source plus one.
    by: [AtomicU8; Signal::ALL.len()],
    /// Values taken in.
    taken: AtomicU64,
    /// Values that were not believed.
    unbelieved: AtomicU64,
    /// Answers of sources that could not be used.
    failed: AtomicU64,
    /// One bit for each source that fails now.
    failing: AtomicU8,
    /// The factor by which its weight follows, as the bits of an `f32`; zero bits for one.
    follow: AtomicU32,
    followed_at: AtomicU64,
    past: Mutex<Past>,
}

/// The part behind the lock, which only sources that are polled or fail take.
#[derive(Debug, Default)]
struct Past {
    standings: [Standing; Source::ALL.len()],
    agent: AgentFact,
}

/// How well one source does.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Since when it is as it is, wall clock; 0 before its first answer.
    pub since_ms: u64,
    /// Why it fails, while it does.
    pub cause: Option<String>,
    at: Tick,
}

/// What the agent wants.
#[derive(Clone, Debug, Default)]
pub struct AgentFact {
    /// What holds after all it said.
    pub agent: Agent,
    /// Its description.
    pub reason: String,
    /// Since when it wants that, wall clock; 0 before its first answer.
    pub since_ms: u64,
    /// When it answered last.
    pub heard: Tick,
}

/// A change of how well a source does.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It fails from now on.
    Failed,
    /// It is well again, after it failed.
    Recovered,
}

impl Reported {
    /// Takes a value in, unless it cannot be true.
    pub fn take(
        &self,
        load: &Load,
        source: Source,
        signal: Signal,
        value: f64,
        now: Tick,
    ) -> Result<(), Unbelievable> {
        let taken = load.signals().set(signal, now, value);
        let count = if taken.is_ok() { &self.taken } else { &self.unbelieved };
        count.fetch_add(1, Ordering::Relaxed);
        taken.map(|()| self.by[signal as usize].store(source as u8 + 1, Ordering::Relaxed))
    }

    /// Counts a value that was not believed.
    pub fn not_believed(&self) {
        self.unbelieved.fetch_add(1, Ordering::Relaxed);
    }

    /// Who said a signal last.
    pub fn source(&self, signal: Signal) -> Option<Source> {
        let number = self.by[signal as usize].load(Ordering::Relaxed).checked_sub(1)?;
        Source::ALL.get(usize::from(number)).copied()
    }

    /// Values taken in, values not believed, and answers that could not be used, since the start.
    pub fn counts(&self) -> (u64, u64, u64) {
        let [taken, unbelieved, failed] =
            [&self.taken, &self.unbelieved, &self.failed].map(|count| count.load(Ordering::Relaxed));
        (taken, unbelieved, failed)
    }

    /// A source could not be used, or said what cannot be true. Tells when that is news.
    pub fn fails(&self, source: Source, cause: String, now: Tick) -> Option<Turn> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut past = self.lock();
        let standing = &mut past.standings[source as usize];
        standing.at = now;
        let is_news = standing.cause.is_none();
        standing.cause = Some(cause);
        if is_news {
            standing.since_ms = clock::wall_ms();
            self.failing.fetch_or(1 << source as u8, Ordering::Relaxed);
        }
        is_news.then_some(Turn::Failed)
    }

    /// A source was well. Tells when that is news; of fields of answers only once they were well for a while. Costs one
    /// load for a source of which it is none.
    pub fn is_well(&self, source: Source, now: Tick) -> Option<Turn> {
        if source == Source::Headers && self.failing.load(Ordering::Relaxed) & 1 << source as u8 == 0 {
            return None;
        }
        let mut past = self.lock();
        let standing = &mut past.standings[source as usize];
        if standing.cause.is_none() {
            if standing.since_ms == 0 {
                standing.since_ms = clock::wall_ms();
            }
            return None;
        }
        if source == Source::Headers && now.since(standing.at) < WELL_AFTER {
            return None;
        }
        *standing = Standing { since_ms: clock::wall_ms(), cause: None, at: now };
        self.failing.fetch_and(!(1 << source as u8), Ordering::Relaxed);
        Some(Turn::Recovered)
    }

    /// How well a source does.
    pub fn standing(&self, source: Source) -> Standing {
        self.lock().standings[source as usize].clone()
    }

    /// Forgets a source that is no longer asked.
    pub fn forget(&self, source: Source) {
        self.lock().standings[source as usize] = Standing::default();
        self.failing.fetch_and(!(1 << source as u8), Ordering::Relaxed);
    }

    /// What the agent wants.
    pub fn agent(&self) -> AgentFact {
        self.lock().agent.clone()
    }

    /// What keeps traffic away by the agent's word.
    pub fn hold(&self) -> Option<Hold> {
        self.lock().agent.agent.hold()
    }

    /// Sets what the agent wants; says what held before when that is another.
    pub fn set_agent(&self, agent: Agent, reason: &str, heard: Tick) -> Option<Agent> {
        let mut past = self.lock();
        let fact = &mut past.agent;
        fact.heard = heard;
        if fact.since_ms != 0 && fact.agent == agent && fact.reason == reason {
            return None;
        }
        fact.since_ms = clock::wall_ms();
        reason.clone_into(&mut fact.reason);
        let before = std::mem::replace(&mut fact.agent, agent);
        (before != agent).then_some(before)
    }

    /// The factor by which its weight follows a signal, and when that was last looked at.
    pub fn follow(&self) -> (f64, Tick) {
        let bits = self.follow.load(Ordering::Relaxed);
        let factor = if bits == 0 { 1.0 } else { f64::from(f32::from_bits(bits)) };
        (factor, Tick::from_nanos(self.followed_at.load(Ordering::Relaxed)))
    }

    /// Sets that factor.
    pub fn set_follow(&self, factor: f64, now: Option<Tick>) {
        self.follow.store((factor as f32).to_bits(), Ordering::Relaxed);
        if let Some(now) = now {
            self.followed_at.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Past> {
        // Every holder leaves whole values behind, also when it panics.
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_failure_is_news_once_and_so_is_its_end() {
        let reported = Reported::default();
        assert_eq!(reported.is_well(Source::Scrape, at(0)), None);
        assert_eq!(reported.fails(Source::Scrape, "refused".into(), at(1)), Some(Turn::Failed));
        assert_eq!(reported.fails(Source::Scrape, "timed out".into(), at(2)), None);
        assert_eq!(reported.standing(Source::Scrape).cause.as_deref(), Some("timed out"));
        assert_eq!(reported.is_well(Source::Scrape, at(3)), Some(Turn::Recovered));
        assert_eq!(reported.is_well(Source::Scrape, at(4)), None);
        assert_eq!(reported.counts(), (0, 0, 2));
    }

    #[test]
    fn answers_that_are_wrong_every_second_time_are_told_once() {
        let reported = Reported::default();
        assert_eq!(reported.fails(Source::Headers, "negative".into(), at(0)), Some(Turn::Failed));
        assert_eq!(reported.is_well(Source::Headers, at(1)), None);
        assert_eq!(reported.fails(Source::Headers, "negative".into(), at(2)), None);
        assert_eq!(reported.is_well(Source::Headers, at(9_000)), None);
        assert_eq!(reported.is_well(Source::Headers, at(10_003)), Some(Turn::Recovered));
    }
}

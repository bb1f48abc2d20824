//! How fast a backend has been: an estimate of its service time that follows changes and forgets.
//!
//! An exponentially weighted average over time, not over samples: a backend with few requests must not keep an old
//! estimate for longer than one with many. What fails counts as slow. What it deliberately does not do: keep
//! percentiles (see [`crate::histogram`]), or decide who gets a request (see [`crate::pick`]).

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Load;
use crate::time::{Tick, nanos};

/// Time over which the latency estimate forgets, in nanoseconds.
const LATENCY_TAU: f64 = 10e9;
/// Silence after which an estimate begins to be replaced rather than averaged, in nanoseconds.
const SILENCE: f64 = 500e6;
/// The first samples count as a plain mean, so that one cold start does not stay for [`LATENCY_TAU`].
const PLAIN_MEAN_SAMPLES: u32 = 32;
/// A failure counts as at least this slow, in nanoseconds.
const FAILURE_FLOOR: f64 = 50e6;
/// Fast failures alone raise the estimate no further than this, in nanoseconds.
const FAILURE_CAP: f64 = 5e9;

/// What one answer counts for in the estimate of the service time.
const SERVICE_SHARE: f32 = 0.2;
/// Over what time a peak is forgotten, unless the algorithm says otherwise, in milliseconds.
pub(super) const DECAY_MS: u32 = 10_000;

/// What a cell has learned from traffic, for the process that goes on in place of this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedLoad {
    /// Estimated service time in nanoseconds.
    pub latency_ns: f64,
    /// Results behind it, as far as they matter.
    pub samples: u32,
    /// Time since the last of them.
    pub age: Duration,
}

impl Load {
    /// Takes one result into the latency estimate. A failure counts as slow, never as fast: as the longest of
    /// its own time, the estimate, four times the estimate (up to 5 s) and 50 ms; else a backend that fails
    /// at once would look like the best one. Costs one exponential.
    ///
    /// Plain loads and stores: when two workers finish at the same instant one of the two samples may be
    /// lost, which an average does not notice.
    pub fn record(&self, now: Tick, latency: Duration, ok: bool) {
        self.record_among(now, latency, ok, 1.0);
    }

    /// As [`Load::record`], of a request that came to `among` requests in the backend, itself included.
    pub fn record_among(&self, now: Tick, latency: Duration, ok: bool, among: f32) {
        let known = self.latency_ns();
        let own = (nanos(latency) as f64).max(1.0);
        let sample = if ok { own } else { own.max(slow_for(known.unwrap_or(0.0))) };
        self.record_peak(now, sample as f32);
        self.record_service(now, sample as f32, among);
        let samples = self.samples.load(Ordering::Relaxed);
        let estimate = known.map_or(sample, |known| {
            let share = self.share_of_new(now, LATENCY_TAU).max(plain_mean_share(samples));
            known + share * (sample - known)
        });
        self.latency.store(estimate.to_bits(), Ordering::Relaxed);
        self.latency_at.store(now.as_nanos(), Ordering::Relaxed);
        if samples < PLAIN_MEAN_SAMPLES {
            self.samples.store(samples + 1, Ordering::Relaxed);
        }
    }

    /// The peak: a slower answer replaces it, a faster one moves it by what time has passed (Finagle's `PeakEwma`).
    fn record_peak(&self, now: Tick, sample: f32) {
        let peak = self.peak_ns().unwrap_or(0.0);
        let next = if sample >= peak {
            sample
        } else {
            peak + self.share_of_new(now, self.decay_ns()) as f32 * (sample - peak)
        };
        self.peak.store(next.to_bits(), Ordering::Relaxed);
    }

    /// What the work itself takes: of a backend with known slots, the part of its answer that it did not wait for
    /// others (the service-time model of prequal-rs). Unlike a mean of latencies it does not change because the
    /// backend got busy.
    fn record_service(&self, now: Tick, sample: f32, among: f32) {
        let crowd = match self.slots() {
            0 => 1.0,
            slots => (among / slots as f32).max(1.0),
        };
        let sample = sample / crowd;
        let next = match self.service_ns() {
            None => sample,
            Some(known) => {
                let share = SERVICE_SHARE.max(self.share_of_new(now, LATENCY_TAU) as f32);
                known + share * (sample - known)
            }
        };
        self.service.store(next.to_bits(), Ordering::Relaxed);
    }

    /// Its decayed peak latency when the last result came in, in nanoseconds; `None` before the first result.
    pub fn peak_ns(&self) -> Option<f32> {
        known(self.peak.load(Ordering::Relaxed))
    }

    /// Its estimated service time in nanoseconds, over the last few answers; `None` before the first result.
    pub fn service_ns(&self) -> Option<f32> {
        known(self.service.load(Ordering::Relaxed))
    }

    /// Requests it serves at the same time, as it says or people do; 0 when nobody does.
    pub fn slots(&self) -> u32 {
        self.slots.load(Ordering::Relaxed)
    }

    /// Sets how many requests it serves at the same time; 0 for unknown.
    pub fn set_slots(&self, slots: u32) {
        self.slots.store(slots, Ordering::Relaxed);
    }

    /// Over what time its peak is forgotten, in nanoseconds.
    pub fn decay_ns(&self) -> f64 {
        f64::from(self.decay_ms.load(Ordering::Relaxed)) * 1e6
    }

    /// Sets over what time its peak is forgotten.
    pub fn set_decay(&self, decay: Duration) {
        let ms = decay.as_millis().clamp(1, u128::from(u32::MAX)) as u32;
        self.decay_ms.store(ms, Ordering::Relaxed);
    }

    /// Takes in that an answer did not come within `waited` and is not waited for any more. That says something only
    /// beyond the estimate, or where there is none; without it, a backend that is slow each time would look as it did
    /// before, because a hedge was faster each time.
    pub fn record_at_least(&self, now: Tick, waited: Duration) {
        if self.latency_ns().is_none_or(|known| nanos(waited) as f64 > known) {
            self.record(now, waited, true);
        }
    }

    /// Estimated service time in nanoseconds, weighted towards the last 10 s; `None` before the first result.
    pub fn latency_ns(&self) -> Option<f64> {
        let bits = self.latency.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }

    /// When the last result came in; the start of the daemon before the first.
    pub fn latency_at(&self) -> Tick {
        Tick::from_nanos(self.latency_at.load(Ordering::Relaxed))
    }

    /// Forgets how fast it was, as if no result had come in yet.
    pub(crate) fn forget_latency(&self) {
        self.latency.store(0, Ordering::Relaxed);
        self.peak.store(0, Ordering::Relaxed);
        self.service.store(0, Ordering::Relaxed);
        self.samples.store(0, Ordering::Relaxed);
    }

    /// What was learned so far; `None` before the first result.
    pub fn learned(&self, now: Tick) -> Option<LearnedLoad> {
        let latency_ns = self.latency_ns()?;
        let samples = self.samples.load(Ordering::Relaxed);
        Some(LearnedLoad { latency_ns, samples, age: now.since(self.latency_at()) })
    }

    /// Goes on with what another cell learned about the same backend. What is older than this process counts as
    /// if it had been learned at its start. An estimate that is no time is left out.
    pub fn learn_from(&self, now: Tick, learned: &LearnedLoad) {
        if !learned.latency_ns.is_finite() || learned.latency_ns < 1.0 {
            return;
        }
        let at = now.as_nanos().saturating_sub(nanos(learned.age));
        self.latency.store(learned.latency_ns.to_bits(), Ordering::Relaxed);
        self.latency_at.store(at, Ordering::Relaxed);
        self.peak.store((learned.latency_ns as f32).to_bits(), Ordering::Relaxed);
        self.service.store((learned.latency_ns as f32).to_bits(), Ordering::Relaxed);
        self.samples.store(learned.samples.min(PLAIN_MEAN_SAMPLES), Ordering::Relaxed);
    }

    /// What a sample after a silence counts for. Beyond half a second it grows quickly towards everything:
    /// pickers believe a silent estimate less and less, so the answer to their trial must be able to replace
    /// it.
    fn share_of_new(&self, now: Tick, tau: f64) -> f64 {
        let quiet = nanos(now.since(self.latency_at())) as f64;
        let replaced = 1.0 - (SILENCE / quiet.max(SILENCE)).powi(2);
        replaced.max(-(-quiet / tau).exp_m1())
    }
}

/// An estimate kept as the bits of an `f32`; zero bits mean that there is none.
fn known(bits: u32) -> Option<f32> {
    (bits != 0).then(|| f32::from_bits(bits))
}

/// What a failure counts as, given the estimate so far.
fn slow_for(known: f64) -> f64 {
    known.max((4.0 * known).clamp(FAILURE_FLOOR, FAILURE_CAP))
}

fn plain_mean_share(samples: u32) -> f64 {
    if samples < PLAIN_MEAN_SAMPLES { 1.0 / f64::from(samples + 1) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn up() -> Load {
        Load::new(1, 1, Health::Up)
    }

    #[test]
    fn a_wait_that_was_given_up_counts_only_beyond_the_estimate() {
        let load = up();
        load.record(at(0), Duration::from_millis(100), true);

        load.record_at_least(at(1), Duration::from_millis(99));
        assert_eq!(load.latency_ns(), Some(100e6));

        load.record_at_least(at(2), Duration::from_millis(300));
        assert!(load.latency_ns().is_some_and(|estimate| estimate > 100e6));

        let new = up();
        new.record_at_least(at(0), Duration::from_millis(5));
        assert_eq!(new.latency_ns(), Some(5e6));
    }

    #[test]
    fn what_one_cell_learned_another_goes_on_with() {
        let (old, new) = (up(), up());
        assert_eq!(old.learned(at(0)), None);
        (0..40).for_each(|ms| old.record(at(ms), Duration::from_millis(10), true));

        new.learn_from(at(100), &old.learned(at(89)).unwrap());

        assert_eq!(new.latency_ns(), old.latency_ns());
        assert_eq!(new.latency_at(), at(50));
        let nonsense = LearnedLoad { latency_ns: f64::NAN, samples: 1, age: Duration::MAX };
        new.learn_from(at(100), &nonsense);
        assert_eq!(new.latency_ns(), old.latency_ns());
    }

    #[test]
    fn the_estimate_follows_a_change_within_its_time() {
        let load = up();
        for ms in 0..20_000 {
            load.record(at(ms), Duration::from_millis(10), true);
        }
        for ms in 20_000..30_000 {
            load.record(at(ms), Duration::from_millis(100), true);
        }

        let ms = load.latency_ns().unwrap() / 1e6;
        assert!((60.0..75.0).contains(&ms), "one tau moves it by 63 %, got {ms} ms");
    }

    #[test]
    fn a_cold_first_answer_is_soon_outweighed() {
        let load = up();
        load.record(at(0), Duration::from_secs(1), true);
        for ms in 1..20 {
            load.record(at(ms), Duration::from_millis(10), true);
        }

        assert!(load.latency_ns().unwrap() < 70e6);
    }

    #[test]
    fn an_answer_after_a_long_silence_replaces_the_estimate() {
        let load = up();
        (0..40).for_each(|_| load.record(at(0), Duration::from_secs(1), true));
        load.record(at(10_000), Duration::from_millis(10), true);

        assert!(load.latency_ns().unwrap() < 21e6);
    }

    #[test]
    fn failing_fast_never_looks_fast() {
        let load = up();
        load.record(at(0), Duration::from_millis(20), true);
        for ms in 1..100 {
            load.record(at(ms), Duration::from_micros(50), false);
        }

        assert!(load.latency_ns().unwrap() > 20e6);
        assert!(load.latency_ns().unwrap() <= FAILURE_CAP);
    }
}

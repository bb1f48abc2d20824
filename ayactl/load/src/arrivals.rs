//! When each request is due: a pure function of profile, arrivals and seed.

use std::str::FromStr;

use crate::input::Rng;
use crate::plan::Arrivals;
use crate::profile::{Moments, Profile};

/// Keeps draws for arrivals apart from others of the same seed.
const STREAM: u64 = 0xA7;

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "const" | "constant" => return Ok(Self::Constant),
            "poisson" => return Ok(Self::Poisson),
            _ => {}
        }
        let burst = word.strip_prefix("burst:").and_then(|count| count.parse().ok());
        match burst {
            Some(count) if (1..=1_000_000).contains(&count) => Ok(Self::Burst(count)),
            _ => Err(format!("\"{word}\" is no kind of arrivals; there are const, poisson and burst:N")),
        }
    }
}

/// The requests of one of several threads, in the order in which they are due. All threads together have each request once,
/// whatever their number.
#[derive(Debug)]
pub struct Schedule<'p> {
    moments: Moments<'p>,
    arrivals: Arrivals,
    rng: Rng,
    /// Number of the next request.
    next: u64,
    /// Requests due until it, for arrivals that are drawn.
    drawn: f64,
    lot: (u64, u64),
    /// The count at which the rate was changed, in counts of the profile and in those asked for.
    from: (f64, f64),
    factor: f64,
}

impl<'p> Schedule<'p> {
    /// The requests whose number has the first of `lot` as its rest by the second.
    pub fn new(profile: &'p Profile, arrivals: Arrivals, seed: u64, lot: (u64, u64)) -> Self {
        Self {
            moments: profile.moments(),
            arrivals,
            rng: Rng::new(seed, STREAM),
            next: 0,
            drawn: 0.0,
            lot: (lot.0, lot.1.max(1)),
            from: (0.0, 0.0),
            factor: 1.0,
        }
    }

    /// From now on the rate is that of the profile times `factor`, which must be more than nothing.
    pub fn rescale(&mut self, factor: f64) {
        let asked = self.count(self.next);
        self.from = (self.of_profile(asked), asked);
        self.factor = factor;
    }

    /// The next request of this thread: its number and when it is due, in seconds after the beginning. `None` after the
    /// last.
    pub fn next_due(&mut self) -> Option<(u64, f64)> {
        loop {
            let number = self.next;
            if self.arrivals == Arrivals::Poisson {
                self.drawn -= (1.0 - self.rng.unit()).ln();
            }
            self.next += 1;
            if number % self.lot.1 == self.lot.0 {
                let asked = self.count(number);
                return self.moments.when(self.of_profile(asked)).map(|at| (number, at));
            }
        }
    }

    /// Requests due when number `number` is.
    fn count(&self, number: u64) -> f64 {
        match self.arrivals {
            Arrivals::Constant => number as f64,
            Arrivals::Poisson => self.drawn,
            Arrivals::Burst(size) => (number / u64::from(size) * u64::from(size)) as f64,
        }
    }

    fn of_profile(&self, asked: f64) -> f64 {
        let (of_profile, from) = self.from;
        of_profile + (asked - from) / self.factor
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn all(profile: &Profile, arrivals: Arrivals, seed: u64, threads: u64) -> Vec<(u64, f64)> {
        let mut all = Vec::new();
        for thread in 0..threads {
            let mut schedule = Schedule::new(profile, arrivals, seed, (thread, threads));
            all.extend(std::iter::from_fn(|| schedule.next_due()));
        }
        all.sort_by_key(|(number, _)| *number);
        all
    }

    #[test]
    fn threads_share_the_same_requests_whatever_their_number() {
        let profile = Profile::parse("100..900/5s,spike 2k/1s,sine 500+-400/2s/4s", None).expect("it is one");
        for arrivals in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Burst(7)] {
            let one = all(&profile, arrivals, 7, 1);
            assert_eq!(one, all(&profile, arrivals, 7, 3), "{arrivals:?}");
            let total = profile.total();
            let off = (one.len() as f64 - total).abs();
            assert!(off <= 5.0 * total.sqrt(), "{arrivals:?}: {} of {total}", one.len());
            assert!(one.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{arrivals:?} goes back in time");
        }
        assert_ne!(all(&profile, Arrivals::Poisson, 7, 1), all(&profile, Arrivals::Poisson, 8, 1));
    }

    #[test]
    fn poisson_gaps_are_as_uneven_as_they_should_be() {
        let profile = Profile::constant(1_000.0, Duration::from_secs(20));
        let due = all(&profile, Arrivals::Poisson, 1, 2);
        let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "deviation {} of mean {mean}", variance.sqrt());
    }

    #[test]
    fn bursts_come_at_once() {
        let profile = Profile::constant(100.0, Duration::from_secs(1));
        let due = all(&profile, Arrivals::Burst(10), 1, 1);
        assert_eq!(due.iter().filter(|(_, at)| (at - due[10].1).abs() < 1e-9).count(), 10);
    }

    #[test]
    fn a_changed_rate_holds_from_then_on() {
        let profile = Profile::constant(100.0, Duration::from_secs(10));
        let mut schedule = Schedule::new(&profile, Arrivals::Constant, 1, (0, 1));
        for _ in 0..100 {
            schedule.next_due();
        }
        schedule.rescale(2.0);
        let rest: Vec<f64> = std::iter::from_fn(|| schedule.next_due()).map(|(_, at)| at).collect();
        assert!((rest[0] - 1.0).abs() < 1e-9 && (rest[100] - 1.5).abs() < 1e-9, "{} {}", rest[0], rest[100]);
        assert_eq!(rest.len(), 1_800);
    }
}

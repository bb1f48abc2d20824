//! Imagined servers, as a scenario file describes them: what their work takes, and what befalls them.

use std::time::Duration;

use aya_core::rng::Rng;
use serde::Deserialize;

use crate::unit;

/// One imagined server, or `count` of the same kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backend {
    pub(crate) name: String,
    /// That many of this kind, named `name-1`, `name-2` and so on.
    pub(crate) count: Option<usize>,
    #[serde(default = "one")]
    pub(crate) weight: u32,
    /// Requests it serves at the same time; others wait in the order they came.
    #[serde(default = "four")]
    pub(crate) slots: u32,
    /// How much work it does in a second of one slot, in seconds of work.
    #[serde(default = "full")]
    pub(crate) speed: f64,
    /// What a request costs here, where that differs from the scenario's `work`.
    pub(crate) service: Option<Work>,
    /// How its speed changes by itself; each server is of one of these kinds, drawn by `share`.
    #[serde(default)]
    pub(crate) noise: Vec<Noise>,
    /// A time in which it is slower.
    pub(crate) slow: Option<Slow>,
    /// Requests it answers, but with a failure.
    pub(crate) failing: Option<Failing>,
    /// A time in which it is dead: what it had is lost, and connections are refused.
    pub(crate) down: Option<Window>,
    /// How slow it is after a start.
    pub(crate) cold: Option<Cold>,
    /// When it comes into the pool; from the beginning without it.
    #[serde(default, deserialize_with = "unit::optional")]
    pub(crate) joins: Option<Duration>,
}

/// How long the work of a request takes at speed 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Always the same.
    Constant {
        #[serde(deserialize_with = "unit::duration")]
        mean: Duration,
    },
    /// Many short, few long.
    Exponential {
        #[serde(deserialize_with = "unit::duration")]
        mean: Duration,
    },
    /// Around a mean; what would be less than `least` is `least`.
    Normal {
        #[serde(deserialize_with = "unit::duration")]
        mean: Duration,
        #[serde(deserialize_with = "unit::duration")]
        deviation: Duration,
        #[serde(deserialize_with = "unit::duration")]
        least: Duration,
    },
    /// Anything between two, each as likely.
    Uniform {
        #[serde(deserialize_with = "unit::duration")]
        from: Duration,
        #[serde(deserialize_with = "unit::duration")]
        to: Duration,
    },
}

/// A kind of server by how its speed changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noise {
    /// Chance that a server is of this kind, relative to the others.
    #[serde(default = "full")]
    pub(crate) share: f64,
    /// Time until the factor is drawn anew: from, to.
    #[serde(deserialize_with = "unit::range")]
    pub(crate) every: (Duration, Duration),
    /// What is drawn.
    pub(crate) draws: Vec<Factor>,
}

/// A factor of speed, any between two.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Factor {
    /// Chance of this one, relative to the others.
    #[serde(default = "full")]
    pub(crate) chance: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slow {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) from: Duration,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) to: Duration,
    /// Times longer that work takes.
    pub(crate) factor: f64,
    /// Share of its requests that this befalls, 0 to 1.
    #[serde(default = "full")]
    pub(crate) share: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failing {
    /// Share of its requests, 0 to 1.
    pub(crate) share: f64,
    /// How long a failure takes; as long as a good answer without it.
    #[serde(default, deserialize_with = "unit::optional")]
    pub(crate) after: Option<Duration>,
    /// From the beginning without it.
    #[serde(default, deserialize_with = "unit::optional")]
    pub(crate) from: Option<Duration>,
    /// To the end without it.
    #[serde(default, deserialize_with = "unit::optional")]
    pub(crate) to: Option<Duration>,
}

/// How slow a server is after a start: `factor` times at first, evenly less until it is over.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cold {
    pub(crate) factor: f64,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) over: Duration,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) from: Duration,
    #[serde(deserialize_with = "unit::duration")]
    pub(crate) to: Duration,
}

impl Backend {
    /// The servers that this describes.
    pub(crate) fn each(&self) -> impl Iterator<Item = Self> {
        let named = |name| Self { name, ..self.clone() };
        (1..=self.count.unwrap_or(1)).map(move |number| match self.count {
            None => named(self.name.clone()),
            Some(_) => named(format!("{}-{number}", self.name)),
        })
    }
}

impl Work {
    /// Seconds of work of a request that falls at `rank`, 0 to 1, among all by cost.
    pub(crate) fn seconds(&self, rank: f64) -> f64 {
        match *self {
            Self::Constant { mean } => mean.as_secs_f64(),
            Self::Exponential { mean } => mean.as_secs_f64() * -(1.0 - rank).ln(),
            Self::Normal { mean, deviation, least } => {
                let drawn = mean.as_secs_f64() + deviation.as_secs_f64() * normal(rank);
                drawn.max(least.as_secs_f64())
            }
            Self::Uniform { from, to } => from.as_secs_f64() + to.saturating_sub(from).as_secs_f64() * rank,
        }
    }

    /// Seconds of work on average.
    pub(crate) fn mean_seconds(&self) -> f64 {
        match *self {
            Self::Constant { mean } | Self::Exponential { mean } => mean.as_secs_f64(),
            Self::Uniform { from, to } => f64::midpoint(from.as_secs_f64(), to.as_secs_f64()),
            // What is cut off raises the mean; a thousand ranks tell by how much.
            Self::Normal { .. } => {
                (0..1_000).map(|n| self.seconds((f64::from(n) + 0.5) / 1_000.0)).sum::<f64>() / 1_000.0
            }
        }
    }
}

impl Noise {
    /// The next factor of speed.
    pub(crate) fn draw(&self, rng: &mut Rng) -> f64 {
        let chosen = choose(&self.draws, |factor| factor.chance, rng.unit());
        self.draws.get(chosen).map_or(1.0, |Factor { from, to, .. }| from + (to - from) * rng.unit())
    }

    /// How long it lasts.
    pub(crate) fn wait(&self, rng: &mut Rng) -> Duration {
        let (from, to) = self.every;
        from + to.saturating_sub(from).mul_f64(rng.unit())
    }
}

/// The position that `rank`, 0 to 1, falls on when each gets its part.
pub(crate) fn choose<T>(from: &[T], part: impl Fn(&T) -> f64, rank: f64) -> usize {
    let mut left = rank * from.iter().map(&part).sum::<f64>();
    for (index, item) in from.iter().enumerate() {
        left -= part(item);
        if left < 0.0 {
            return index;
        }
    }
    from.len().saturating_sub(1)
}

/// The standard normal value below which a share `rank` of all falls, off by at most 0.00045 (Abramowitz and Stegun,
/// *Handbook of Mathematical Functions*, 26.2.23).
fn normal(rank: f64) -> f64 {
    let rank = rank.clamp(1e-12, 1.0 - 1e-12);
    let tail = rank.min(1.0 - rank);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let size = t - above / below;
    if rank < 0.5 { -size } else { size }
}

fn one() -> u32 {
    1
}

fn four() -> u32 {
    4
}

fn full() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_every_kind_has_the_mean_it_says() {
        let ms = Duration::from_millis;
        let kinds = [
            Work::Constant { mean: ms(40) },
            Work::Exponential { mean: ms(40) },
            Work::Normal { mean: ms(20), deviation: ms(20), least: ms(2) },
            Work::Uniform { from: ms(5), to: ms(150) },
        ];
        for work in kinds {
            let mut rng = Rng::seeded(3);
            let mean = (0..200_000).map(|_| work.seconds(rng.unit())).sum::<f64>() / 200_000.0;
            assert!((mean / work.mean_seconds() - 1.0).abs() < 0.01, "{work:?}: {mean}");
        }
    }

    #[test]
    fn known_ranks_have_their_normal_values() {
        for (rank, value) in [(0.5, 0.0), (0.841_345, 1.0), (0.022_75, -2.0), (0.999, 3.090_23)] {
            assert!((normal(rank) - value).abs() < 1e-3, "{rank}: {}", normal(rank));
        }
    }

    #[test]
    fn parts_are_chosen_in_proportion() {
        let parts = [0.3, 0.7];
        let first = (0..1_000).filter(|n| choose(&parts, |p| *p, f64::from(*n) / 1_000.0) == 0).count();
        assert_eq!((first, choose(&parts, |p| *p, 0.999_999)), (300, 1));
    }
}

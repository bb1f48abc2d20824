//! Picking: which backend of a pool gets a request. One algorithm a file, one line each in [`PICKERS`]; the
//! table feeds the daemon, `ayactl algorithms`, the laws (`tests/laws.rs`) and the benchmarks.
//!
//! A [`Picker`] belongs to one worker and one pool. What it keeps to itself (a cursor, credits) needs no
//! lock; what must hold for the whole daemon (in-flight counts, latencies) it reads from the shared [`Load`]
//! cells, so least connections means the least of all workers. A pick costs one pass over the set, no
//! allocation and takes about 100 ns for eight backends, the dearest algorithms a little more.
//!
//! Behind `dyn`, because one indirect call costs a nanosecond and the table stays open; sticky sessions come
//! before the picker ([`crate::sticky`]), retries go through it with [`Ask::tried`].

mod ask;
mod choice;
mod chooser;
mod credit;
mod draw;
mod explain;
pub mod first;
pub mod hot_cold;
pub mod ip_hash;
mod least;
pub mod least_connections;
pub mod least_response_time;
pub mod maglev;
pub mod p2c;
mod params;
pub mod peak_ewma;
mod quantile;
pub mod random;
pub mod rendezvous;
pub mod ring_hash;
pub mod round_robin;
mod score;
mod table;
mod tiers;
pub mod weighted_least_connections;
pub mod weighted_round_robin;

use std::sync::Arc;

pub use ask::{Ask, MAX_TRIED, Mask, Scope, Tried};
pub use choice::{Choice, ChoiceError};
pub use chooser::{Chooser, Part, Pick};
pub use explain::{Exclusion, Explanation};
pub use params::{MAX_PARAMS, ParamKind, ParamSpec, Params};
pub use score::{Class, Scale, Score, Wins};
pub use tiers::{MAX_ZONES, Plan, Standing, TierRules};

use crate::load::Load;
use crate::rng::Rng;
use crate::time::Tick;

/// Picks backends for the requests of one worker and one pool.
///
/// Laws, held over the whole table: only eligible backends that were not tried; `None` if and only if there
/// is none (under algorithms that know weights, none with a weight); the same seed and the same cells give
/// the same picks. The set may change between picks, in size and content.
pub trait Picker: Send {
    /// The index of the backend to try next.
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, rng: &mut Rng) -> Option<usize>;

    /// What it thinks of the backend at `index`, by the very numbers it would compare. Asked for backends that the
    /// request may go to; changes nothing.
    fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score;

    /// Whom the last pick looked at, by the numbers that it compared. False for an algorithm that keeps none of them: ask
    /// for scores instead.
    fn looked(&self, each: &mut dyn FnMut(usize, Score)) -> bool {
        let _ = each;
        false
    }

    /// Makes room for a set of this size, so that the next pick need not allocate.
    fn prepare(&mut self, len: usize) {
        let _ = len;
    }

    /// Builds what has to be built of this set before the first pick, for algorithms with a table.
    fn learn_set(&mut self, set: &[Arc<Load>]) {
        self.prepare(set.len());
    }
}

/// What share of the requests an algorithm means each backend to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// The same for every eligible backend.
    Equal,
    /// In proportion to weight, over many requests (with hashing: over many keys).
    Weight,
    /// In proportion to weight over many keys, as evenly as points on a ring fall.
    Keys,
    /// It follows what backends do; no share is meant.
    Adapts,
    /// The first ones get all they have room for.
    Order,
}

impl Share {
    /// The one spelling of this value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Weight | Self::Keys => "weight",
            Self::Adapts => "adapts",
            Self::Order => "order",
        }
    }
}

/// One algorithm, as the table knows it.
#[derive(Clone, Copy, Debug)]
pub struct PickerSpec {
    /// Its name in configuration and commands.
    pub name: &'static str,
    /// What it does, in one sentence fragment.
    pub summary: &'static str,
    /// When to choose it.
    pub when: &'static str,
    /// What share it means each backend to get.
    pub share: Share,
    /// Whether it looks at weights at all.
    pub weighted: bool,
    /// Whether a key says who gets a request.
    pub keyed: bool,
    /// How its scores are to be read.
    pub scale: Scale,
    /// What can be tuned.
    pub params: &'static [ParamSpec],
    /// Makes an instance; see [`PickerSpec::make`].
    pub build: fn(&Setup) -> Box<dyn Picker>,
}

impl PickerSpec {
    /// Makes an instance with default parameters. Workers pass different seeds, so that they do not all start at the
    /// same backend.
    pub fn make(&self, seed: u64) -> Box<dyn Picker> {
        (self.build)(&Setup { seed, params: Params::defaults(self.params) })
    }

    /// The position of a parameter.
    pub fn param(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|spec| spec.name == name)
    }
}

/// What an instance is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Differs by worker, and by daemon.
    pub seed: u64,
    /// Parameters of this very algorithm.
    pub params: Params,
}

/// Every algorithm.
pub static PICKERS: &[PickerSpec] = &[
    hot_cold::SPEC,
    round_robin::SPEC,
    weighted_round_robin::SPEC,
    least_connections::SPEC,
    weighted_least_connections::SPEC,
    least_response_time::SPEC,
    peak_ewma::SPEC,
    p2c::SPEC,
    random::SPEC,
    first::SPEC,
    ip_hash::SPEC,
    rendezvous::SPEC,
    maglev::SPEC,
    ring_hash::SPEC,
];

/// The algorithm of a pool that names none.
pub const DEFAULT: &str = "hot-cold";

/// The algorithm with this name.
pub fn find(name: &str) -> Option<&'static PickerSpec> {
    PICKERS.iter().find(|spec| spec.name == name)
}

/// The share of requests each backend is meant to get from `now` on, 0 to 1: `Some(0.0)` for one that gets
/// none, `None` where the algorithm adapts and means no share. For display, not for the request path.
pub fn expected_shares(spec: &PickerSpec, set: &[Arc<Load>], now: Tick) -> Vec<Option<f64>> {
    let part = |load: &Load| match (load.eligible(now), spec.share) {
        (false, _) => 0.0,
        (true, Share::Weight | Share::Keys) => f64::from(load.effective_weight()),
        (true, Share::Equal | Share::Adapts | Share::Order) if load.weight() == 0 => 0.0,
        (true, Share::Equal | Share::Adapts | Share::Order) => f64::from(load.ease()),
    };
    let parts: Vec<f64> = set.iter().map(|load| part(load)).collect();
    let total: f64 = parts.iter().sum();
    let share = |part: f64| match spec.share {
        _ if part <= 0.0 => Some(0.0),
        Share::Equal | Share::Weight | Share::Keys => Some(part / total),
        Share::Adapts | Share::Order => None,
    };
    parts.into_iter().map(share).collect()
}

/// The indices of a set of `len`, once each, beginning at `start` and wrapping around.
fn ring(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = if start < len { start } else { start % len.max(1) };
    (start..len).chain(0..start)
}

/// Where a worker's rotation starts; only the remainder by the size of the set matters.
fn start_of(seed: u64) -> usize {
    (crate::hash::mix(seed, 0) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;

    #[test]
    fn every_name_is_found_and_unique() {
        for spec in PICKERS {
            assert!(std::ptr::eq(find(spec.name).unwrap(), spec));
            assert!(!spec.summary.ends_with('.') && !spec.when.is_empty());
        }
        assert!(find(DEFAULT).is_some());
        assert!(find("guess").is_none());
    }

    #[test]
    fn expected_shares_leave_out_who_gets_nothing() {
        let set: Vec<Arc<Load>> = [(1, Health::Up), (3, Health::Up), (9, Health::Down), (0, Health::Unknown)]
            .map(|(weight, health)| Arc::new(Load::new(u64::from(weight), weight, health)))
            .into();
        let shares = |name| expected_shares(find(name).unwrap(), &set, Tick::ZERO);

        assert_eq!(shares("weighted-round-robin"), [Some(0.25), Some(0.75), Some(0.0), Some(0.0)]);
        assert_eq!(shares("least-connections"), [None, None, Some(0.0), Some(0.0)]);
        assert_eq!(shares("round-robin"), [Some(0.5), Some(0.5), Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_ring_visits_everything_once_from_anywhere() {
        assert_eq!(ring(2, 4).collect::<Vec<_>>(), [2, 3, 0, 1]);
        assert_eq!(ring(9, 4).collect::<Vec<_>>(), [1, 2, 3, 0]);
        assert_eq!(ring(3, 0).count(), 0);
    }
}

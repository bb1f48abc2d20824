//! Whom the algorithms that do not steer would have picked, for a pool that chooses among them. They are asked for one
//! request in so many, take no place and change nothing.

use std::sync::Arc;

use aya_core::auto::{Ballot, Cell, MAX_ARMS};
use aya_core::hash::mix;
use aya_core::pick::{Ask, Chooser, Pick};
use aya_core::rng::Rng;

use crate::state::{Note, Pool, Scouted};

/// Chance of its own, so that who watches does not change what is picked.
const STREAM: u64 = 0x5ead_0e5c;

/// The choosers of one pool and worker that only say.
pub(super) struct Shadows {
    choosers: Vec<Chooser>,
    rng: Rng,
}

impl Shadows {
    fn new(pool: &Pool, auto: &Scouted, seed: u64) -> Self {
        let make = |(number, arm)| {
            Chooser::new(arm, Arc::clone(&pool.plan), mix(seed, STREAM + number as u64), &pool.loads)
        };
        let arms = auto.rules.arms.iter().take(auto.rules.learned);
        Self { choosers: arms.enumerate().map(make).collect(), rng: Rng::seeded(mix(seed, STREAM)) }
    }

    /// Asks them about a request for which `picked` was. Costs a random number, for one request in so many a pick each.
    pub(super) fn ask(
        kept: &mut Option<Self>,
        pool: &Pool,
        ask: &Ask<'_>,
        prefer: u64,
        picked: Option<Pick>,
        seed: u64,
    ) {
        let Some(auto) = &pool.auto else { return };
        let (Some(picked), Some(steers), true) = (picked, pool.arm(), ask.tried.is_empty()) else { return };
        let shadows = kept.get_or_insert_with(|| Self::new(pool, auto, seed));
        let Self { choosers, rng } = shadows;
        if rng.below(auto.every()) != 0 {
            return;
        }
        // As it would be counted there, itself included.
        let cell = |index: usize| Cell::new(index, pool.loads[index].seen_in_flight(ask.now) + 1.0);
        let mut ballot: Ballot = [None; MAX_ARMS];
        for (arm, (place, chooser)) in ballot.iter_mut().zip(choosers).enumerate() {
            let named = if arm == steers {
                Some(picked.index)
            } else {
                chooser.pick(&pool.loads, ask, prefer, rng).map(|pick| pick.index)
            };
            *place = named.map(cell);
        }
        auto.note(Note::Named(ballot));
    }
}

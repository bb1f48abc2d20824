//! Maglev: backends fill a table by permutations of their own, and a key belongs to the owner of its slot.
//!
//! - Source: Eisenbud et al., NSDI 2016; weights by giving a backend fewer turns.
//! - Cost: one look-up; 128 KiB for each worker (65,537 slots of 2 bytes). A change of backends or weights builds the
//!   table anew, in about a millisecond.
//! - When: many backends, and keys in great number: shares are even to a percent. When not: each moved key costs much:
//!   a backend that leaves for good moves about 2/N of the keys, twice the least there can be (`rendezvous`).
//! - One that is down or full passes its keys on to other slots, evenly, and nobody else's keys move. Weight 0 gets
//!   nothing.

use std::sync::Arc;

use super::table::{self, Watch};
use super::{Ask, Picker, PickerSpec, Scale, Score, Share};
use crate::hash::mix;
use crate::load::Load;
use crate::rng::Rng;

/// Slots; a prime, so that every step visits all of them.
const SLOTS: u32 = 65_537;
/// Slots that are looked at for a backend that takes the key, before everybody is asked.
const STEPS: u64 = 16;
/// A slot of nobody.
const NOBODY: u16 = u16::MAX;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "maglev",
    summary: "the same key always to the same backend, by a table that is even and fast",
    when: "caches behind many backends",
    share: Share::Weight,
    weighted: true,
    keyed: true,
    scale: Scale::least("slots from the key's own"),
    params: &[],
    build: |_| Box::new(Maglev { table: Vec::new(), watch: Watch::default() }),
};

/// See the module.
#[derive(Debug)]
pub struct Maglev {
    table: Vec<u16>,
    watch: Watch,
}

/// The order in which one backend wants slots, and its turns.
struct Wish {
    index: u16,
    next: u32,
    step: u32,
    /// Turns it has for each turn of the heaviest, in 32 bits of fraction.
    share: u64,
    due: u64,
}

impl Maglev {
    fn build(&mut self, set: &[Arc<Load>]) {
        self.table.clear();
        self.table.resize(SLOTS as usize, NOBODY);
        let most = set.iter().map(|load| u64::from(load.weight())).max().unwrap_or(0);
        let sharing = set.iter().enumerate().take(usize::from(NOBODY)).filter(|(_, load)| load.weight() > 0);
        let mut wishes: Vec<Wish> = sharing
            .map(|(index, load)| {
                let mut places = table::places_of(load.token(), 0x6d61_676c);
                let (next, step) = (places.below(SLOTS), 1 + places.below(SLOTS - 1));
                let share = (u64::from(load.weight()) << 32) / most;
                Wish { index: index as u16, next, step, share, due: 0 }
            })
            .collect();
        let mut free = if wishes.is_empty() { 0 } else { SLOTS };
        while free > 0 {
            for wish in &mut wishes {
                wish.due += wish.share;
                if wish.due < 1 << 32 || free == 0 {
                    continue;
                }
                wish.due -= 1 << 32;
                while self.table[wish.next as usize] != NOBODY {
                    wish.next = (wish.next + wish.step) % SLOTS;
                }
                self.table[wish.next as usize] = wish.index;
                free -= 1;
            }
        }
    }
}

impl Picker for Maglev {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        if self.watch.has_changed(set, ask.now) {
            self.build(set);
        }
        owners(&self.table, ask.key)
            .find(|&index| table::takes(set, index, ask))
            .or_else(|| table::anybody(set, ask))
    }

    fn score(&self, _set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        let step = owners(&self.table, ask.key).position(|owner| owner == index);
        Score::plain(step.map_or(f32::INFINITY, |step| step as f32))
    }

    fn learn_set(&mut self, set: &[Arc<Load>]) {
        if self.watch.has_changed(set, crate::time::Tick::ZERO) {
            self.build(set);
        }
    }
}

/// The owners of the slots that a key goes to, one after the other. The first slot is its own; after it it goes on by
/// hashes of its own, not to a neighbour, so that the keys of one that is down go to all others.
fn owners(table: &[u16], key: u64) -> impl Iterator<Item = usize> {
    (0..STEPS).map(move |step| {
        let hash = if step == 0 { key } else { mix(key, step) };
        let slot = (u128::from(hash) * u128::from(SLOTS)) >> 64;
        table.get(slot as usize).map_or(usize::MAX, |index| usize::from(*index))
    })
}

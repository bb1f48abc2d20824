//! What a picker is asked: the request's side of a pick, which backends it may choose from, and which it has been to
//! already.

use crate::load::Load;
use crate::time::Tick;

/// Backends a request can remember; attempts are limited to fewer by the configuration.
pub const MAX_TRIED: usize = 8;

/// One request that needs a backend.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// When it is asked.
    pub now: Tick,
    /// Hash of what the pool tells clients apart by: by default the client's address.
    pub key: u64,
    /// Backends that were tried for this request already.
    pub tried: &'a Tried,
    /// Backends it may choose from.
    pub scope: Scope<'a>,
    /// Most requests in flight, this one included, for each unit of effective weight; infinite for no bound.
    pub bound: f32,
}

impl<'a> Ask<'a> {
    /// A request that may go to any backend of the set.
    pub fn any(now: Tick, key: u64, tried: &'a Tried) -> Self {
        Self { now, key, tried, scope: Scope::All, bound: f32::INFINITY }
    }

    /// Whether this request may go to the backend at `index`.
    #[inline]
    pub fn allows(&self, index: usize, load: &Load) -> bool {
        if self.is_easy() { load.eligible(self.now) } else { self.allows_some(index, load) }
    }

    /// Whether nothing but its state keeps a backend from being picked: the case of nearly every request.
    #[inline]
    pub(super) fn is_easy(&self) -> bool {
        matches!(self.scope, Scope::All) && self.tried.is_empty() && self.bound.is_infinite()
    }

    fn allows_some(&self, index: usize, load: &Load) -> bool {
        let is_open = match self.scope {
            Scope::All => load.eligible(self.now),
            Scope::Some(mask) => mask.has(index) && load.eligible(self.now),
            Scope::Panic(mask) => mask.has(index) && load.eligible_in_panic(),
        };
        is_open && !self.tried.contains(index) && (self.bound.is_infinite() || self.is_below_bound(load))
    }

    fn is_below_bound(&self, load: &Load) -> bool {
        (load.apparent() + 1) as f32 <= (self.bound * load.effective_weight() as f32).ceil()
    }
}

/// The part of a set that a request may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of it.
    All,
    /// These, as far as they are eligible.
    Some(&'a Mask),
    /// These, also those that are not healthy, because too few are.
    Panic(&'a Mask),
}

/// Some positions of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u64>,
    count: usize,
}

impl Mask {
    /// Empties it, with room for a set of `len`. Allocates only when it grows.
    pub fn clear(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.count = 0;
    }

    /// Adds a position; one beyond the room is ignored.
    pub fn add(&mut self, index: usize) {
        if let Some(word) = self.words.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            self.count += usize::from(*word & bit == 0);
            *word |= bit;
        }
    }

    /// Whether it has this position.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// How many positions it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Indices of the backends one request was sent to, in place and without allocation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    indices: [u32; MAX_TRIED],
    len: u8,
}

impl Tried {
    /// Nothing tried.
    pub const fn new() -> Self {
        Self { indices: [0; MAX_TRIED], len: 0 }
    }

    /// Remembers a backend. After [`MAX_TRIED`] of them further ones are not remembered and may be picked
    /// again.
    pub fn push(&mut self, index: usize) {
        if let Some(free) = self.indices.get_mut(usize::from(self.len)) {
            *free = index as u32;
            self.len += 1;
        }
    }

    /// Whether the backend was tried.
    pub fn contains(&self, index: usize) -> bool {
        self.indices[..self.len()].iter().any(|&tried| tried as usize == index)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether nothing was tried.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_what_was_added_and_fits() {
        let mut mask = Mask::default();
        mask.clear(70);
        for index in [3, 69, 69, 500] {
            mask.add(index);
        }

        assert_eq!((0..600).filter(|&index| mask.has(index)).collect::<Vec<_>>(), [3, 69]);
        assert_eq!((mask.len(), mask.is_empty()), (2, false));
        mask.clear(1);
        assert!(mask.is_empty() && !mask.has(3));
    }

    #[test]
    fn it_remembers_eight_and_never_overflows() {
        let mut tried = Tried::new();
        assert!(tried.is_empty() && !tried.contains(0));

        (0..20).for_each(|index| tried.push(index));

        assert_eq!(tried.len(), MAX_TRIED);
        assert!((0..MAX_TRIED).all(|index| tried.contains(index)));
        assert!(!tried.contains(MAX_TRIED));
    }
}

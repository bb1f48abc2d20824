//! The literal steps of all tries in one hash table: from a node and a text to the node below.
//!
//! Among five thousand routes most of what a request touches is not in the nearest cache, so what counts is how many
//! pieces of memory a look-up reads: here one slot of eight bytes, and the node it names, which holds its own text and
//! is read anyway. At least half of the slots are free, so a search of neighbouring slots (linear probing) ends soon,
//! also one for what is not there.

use crate::hash::{hash64, mix};

/// Children by their place in the list of nodes.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// As many as a power of two, or none.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Hash of where the step begins and of its text; says where the slot would best be.
    tag: u32,
    /// The node below, or [`FREE`].
    child: u32,
}

const FREE: u32 = u32::MAX;
const LEAST: usize = 8;

/// The tag of a step.
pub(super) fn tag(above: u32, text: &[u8]) -> u32 {
    (mix(u64::from(above), hash64(text)) >> 32) as u32
}

impl Edges {
    /// True when there is no step, as where one route takes everything: then texts need not be hashed.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The child of this tag that `is_it`.
    pub(super) fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.child == FREE {
                return None;
            }
            if slot.tag == tag && is_it(slot.child) {
                return Some(slot.child);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a child, which must not be there yet.
    pub(super) fn insert(&mut self, tag: u32, child: u32) {
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            let free = Slot { tag: 0, child: FREE };
            let twice = vec![free; (self.slots.len() * 2).max(LEAST)];
            for slot in std::mem::replace(&mut self.slots, twice).into_iter().filter(|s| s.child != FREE) {
                self.place(slot);
            }
        }
        self.place(Slot { tag, child });
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.tag as usize & mask;
        while self.slots[at].child != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_and_no_other() {
        for count in [0_u32, 1, 2, 7, 100, 5000] {
            let texts: Vec<_> = (0..count).map(|index| format!("s{index}")).collect();
            let mut edges = Edges::default();
            for (index, text) in (0..).zip(&texts) {
                edges.insert(tag(index % 3, text.as_bytes()), index);
            }

            for (index, text) in (0..).zip(&texts) {
                let found = edges.find(tag(index % 3, text.as_bytes()), |child| child == index);
                assert_eq!(found, Some(index));
            }
            let absent = tag(0, b"absent");
            assert_eq!(
                edges.find(absent, |child| tag(child % 3, texts[child as usize].as_bytes()) == absent),
                None
            );
        }
    }

    #[test]
    fn steps_of_one_tag_are_told_apart() {
        let mut edges = Edges::default();
        (0..50).for_each(|child| edges.insert(7, child));

        assert!((0..50).all(|child| edges.find(7, |found| found == child) == Some(child)));
        assert_eq!(edges.find(7, |_| false), None);
        assert_eq!(edges.find(8, |_| true), None);
    }
}

//! Children of a node by their literal segment, found in the same time among five and among five thousand.
//!
//! They are sorted by the hash of their segment. Hashes spread evenly, so where one must be follows from its value
//! (interpolation search; W. W. Peterson, 1957): a guess and a step or two, in one piece of memory, instead of a dozen
//! comparisons of texts all over it.

use crate::hash::hash64;

/// Children by segment.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// Sorted.
    hashes: Vec<u64>,
    /// By the same indices.
    children: Vec<(Box<str>, usize)>,
}

impl Literals {
    /// The child of a segment.
    pub(super) fn get(&self, segment: &str) -> Option<usize> {
        if self.hashes.is_empty() {
            return None;
        }
        self.find(hash64(segment.as_bytes()), segment).ok()
    }

    /// The child of a segment, which is `fresh` if it had none.
    pub(super) fn get_or_insert(&mut self, segment: &str, fresh: usize) -> usize {
        let hash = hash64(segment.as_bytes());
        match self.find(hash, segment) {
            Ok(child) => child,
            Err(at) => {
                self.hashes.insert(at, hash);
                self.children.insert(at, (segment.into(), fresh));
                fresh
            }
        }
    }

    /// The child, or where it would be.
    fn find(&self, hash: u64, segment: &str) -> Result<usize, usize> {
        let mut at = self.first_from(hash);
        while self.hashes.get(at) == Some(&hash) {
            if *self.children[at].0 == *segment {
                return Ok(self.children[at].1);
            }
            at += 1;
        }
        Err(at)
    }

    /// The first position whose hash is not below `hash`.
    fn first_from(&self, hash: u64) -> usize {
        let hashes = &self.hashes;
        let guess = (u128::from(hash) * hashes.len() as u128) >> 64;
        let mut at = guess as usize;
        while at > 0 && hashes[at - 1] >= hash {
            at -= 1;
        }
        while at < hashes.len() && hashes[at] < hash {
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_is_found_and_no_other() {
        for count in [0, 1, 2, 7, 100, 5000] {
            let mut literals = Literals::default();
            for index in 0..count {
                assert_eq!(literals.get_or_insert(&format!("s{index}"), index), index);
            }
            for index in 0..count {
                assert_eq!(literals.get_or_insert(&format!("s{index}"), usize::MAX), index);
                assert_eq!(literals.get(&format!("s{index}")), Some(index));
            }
            assert!(literals.hashes.is_sorted());
            assert_eq!(literals.get(&format!("s{count}")), None);
            assert_eq!(literals.get(""), None);
        }
    }
}

//! One node of a trie, small enough that two fit into a cache line.

/// Stands for no node and no route.
pub(super) const NONE: u32 = u32::MAX;

/// Longest text that a node holds itself.
const SHORT: usize = 12;

/// A place in a trie: after some segments of a path.
#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Node {
    /// The node before its segment.
    above: u32,
    /// The node after any one more segment that is not empty, or [`NONE`].
    pub(super) parameter: u32,
    /// Routes whose path ends here.
    pub(super) end: Routes,
    /// Routes that match whatever follows here.
    pub(super) rest: Routes,
    /// Bytes of its segment.
    length: u32,
    /// The segment, or where it begins among the long ones.
    text: [u8; SHORT],
}

/// Segments too long for their nodes.
pub(super) type Long = Vec<u8>;

impl Node {
    /// A node below `above`.
    pub(super) fn new(above: u32, text: &[u8], long: &mut Long) -> Self {
        let mut held = [0; SHORT];
        if let Some(place) = held.get_mut(..text.len()) {
            place.copy_from_slice(text);
        } else {
            held[..4].copy_from_slice(&(long.len() as u32).to_le_bytes());
            long.extend_from_slice(text);
        }
        let (end, rest) = (Routes::NONE, Routes::NONE);
        Self { above, parameter: NONE, end, rest, length: text.len() as u32, text: held }
    }

    /// Whether it is the node below `above` for this text.
    pub(super) fn is(&self, above: u32, text: &[u8], long: &Long) -> bool {
        if self.above != above || self.length as usize != text.len() {
            return false;
        }
        if let Some(held) = self.text.get(..text.len()) {
            return held == text;
        }
        let [a, b, c, d, ..] = self.text;
        let start = u32::from_le_bytes([a, b, c, d]) as usize;
        long[start..].starts_with(text)
    }
}

/// The routes of one place: none, one that is for every request (nearly all are), or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Routes(u32);

/// What [`Routes`] stands for.
pub(super) enum Which {
    None,
    /// This route, whatever the request is otherwise.
    One(u32),
    /// The list at this index.
    List(usize),
}

impl Routes {
    pub(super) const NONE: Self = Self(NONE);
    const LIST: u32 = 1 << 31;

    pub(super) fn one(route: u32) -> Self {
        Self(route)
    }

    pub(super) fn list(index: usize) -> Self {
        Self(index as u32 | Self::LIST)
    }

    pub(super) fn which(self) -> Which {
        match self.0 {
            NONE => Which::None,
            list if list & Self::LIST != 0 => Which::List((list & !Self::LIST) as usize),
            route => Which::One(route),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_fit_into_a_cache_line() {
        assert_eq!(size_of::<Node>(), 32);
    }

    #[test]
    fn a_node_knows_its_text_however_long() {
        let mut long = Long::new();
        let texts: Vec<Vec<u8>> = (0..40).map(|length| vec![b'a'; length]).collect();
        let nodes: Vec<_> = texts.iter().map(|text| Node::new(7, text, &mut long)).collect();

        for (node, own) in nodes.iter().zip(&texts) {
            for text in &texts {
                assert_eq!(node.is(7, text, &long), text == own);
            }
            assert!(!node.is(8, own, &long));
            let mut other = own.clone();
            if let Some(last) = other.last_mut() {
                *last = b'b';
                assert!(!node.is(7, &other, &long));
            }
        }
    }
}

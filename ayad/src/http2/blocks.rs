//! Whether a client began a frame, or a header block of several frames, and owes the rest of it.
//!
//! Nothing is known of time here: what is unfinished has a number, and whoever sees the same number again later knows
//! that it is still the same frame or block. `DATA` is no part of it, since the body it belongs to has its own pace.

use super::watched::{DATA, HEADERS};

/// Set on the last frame of a header block.
const END_HEADERS: u8 = 4;
/// Where the head of a frame says its kind.
const KIND: usize = 3;

/// Where the frames of a connection stand among header blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Header blocks, and frames outside of them, that began.
    begun: u64,
    is_open: bool,
}

impl Blocks {
    /// A frame begins. One that has no place in an open block is an error that the codec tells.
    pub(super) fn frame(&mut self, kind: u8, flags: u8) {
        self.begun += u64::from(!self.is_open);
        self.is_open = (self.is_open || kind == HEADERS) && flags & END_HEADERS == 0;
    }

    /// The number of what is unfinished; 0 when nothing is. `rest` bytes of the last frame are still to come, and `have`
    /// bytes of the head of the next are there.
    pub(super) fn unfinished(&self, head: &[u8], have: usize, rest: usize) -> u64 {
        let is_data = head.get(KIND) == Some(&DATA);
        match () {
            () if self.is_open || (rest > 0 && !is_data) => self.begun,
            () if have > KIND && !is_data => self.begun + 1,
            () => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;

    fn head(kind: u8) -> [u8; 9] {
        [0, 0, 8, kind, 0, 0, 0, 0, 0]
    }

    #[test]
    fn a_header_block_is_one_thing_from_its_first_byte_to_its_last() {
        let mut blocks = Blocks::default();
        blocks.frame(PING, 0);
        assert_eq!(blocks.unfinished(&head(PING), 0, 0), 0);
        assert_eq!(blocks.unfinished(&head(HEADERS), 4, 0), 2, "its kind is known");
        blocks.frame(HEADERS, 0);
        assert_eq!(blocks.unfinished(&head(HEADERS), 0, 8), 2);
        assert_eq!(blocks.unfinished(&head(HEADERS), 0, 0), 2, "it has no end yet");
        assert_eq!(blocks.unfinished(&head(CONTINUATION), 4, 0), 2);
        blocks.frame(CONTINUATION, END_HEADERS);
        assert_eq!(blocks.unfinished(&head(CONTINUATION), 0, 8), 2);
        assert_eq!(blocks.unfinished(&head(CONTINUATION), 0, 0), 0);
        blocks.frame(HEADERS, END_HEADERS);
        assert_eq!(blocks.unfinished(&head(HEADERS), 0, 1), 3, "the next one is another");
    }

    #[test]
    fn a_body_may_come_as_slowly_as_its_pace_allows() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.unfinished(&head(DATA), 8, 0), 0);
        blocks.frame(DATA, 0);
        assert_eq!(blocks.unfinished(&head(DATA), 0, 8), 0);
    }
}

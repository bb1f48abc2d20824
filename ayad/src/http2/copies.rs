//! Copies of small pieces for the codec, which keeps what it is given until it is written.
//!
//! A head and a small body of an answer each need memory that outlives the request. Allocating it costs more than
//! copying, so pieces are cut from a block that the thread fills from front to end. A block is freed with its last
//! piece, so a client that does not read holds at most one block for each answer it was promised; what is larger than
//! [`SMALL`] is allocated by itself.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Bytes of a block.
const BLOCK: usize = 8 * 1024;
/// Most bytes of a piece that is cut from a block.
const SMALL: usize = BLOCK / 8;

thread_local! {
    static BLOCKS: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A copy of `data`. Allocates once for each block, or for data that is large.
pub fn copy(data: &[u8]) -> Bytes {
    if data.len() > SMALL {
        return Bytes::copy_from_slice(data);
    }
    BLOCKS.with_borrow_mut(|block| {
        if block.capacity() < data.len() {
            *block = BytesMut::with_capacity(BLOCK);
        }
        block.extend_from_slice(data);
        block.split().freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_as_they_were_made_whatever_is_copied_after_them() {
        let sizes = [0, 1, 7, 300, SMALL, SMALL + 1, BLOCK + 1];
        let pieces: Vec<Vec<u8>> = (0..500_usize).map(|n| vec![n as u8; sizes[n % sizes.len()]]).collect();
        let copies: Vec<Bytes> = pieces.iter().map(|piece| copy(piece)).collect();
        assert!(copies.iter().zip(&pieces).all(|(copy, piece)| copy[..] == piece[..]));
    }
}

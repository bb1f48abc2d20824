//! Bytes on their way from one socket to another, in memory that belongs to the worker.
//!
//! A buffer that is empty holds no memory: its storage goes back to a list of the thread, from which the next one takes
//! it. So ten thousand idle connections hold none, and a busy one does not allocate. Storage is initialised once in
//! its life.

use std::cell::RefCell;
use std::fmt;

/// Bytes of storage in the list, each.
pub const STORAGE: usize = 16 * 1024;
/// Most storage kept by one thread: 4 MiB.
const KEPT: usize = 256;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn take_storage() -> Vec<u8> {
    let kept = FREE.with(|free| free.borrow_mut().pop());
    kept.unwrap_or_else(|| vec![0; STORAGE])
}

fn give_back(storage: Vec<u8>) {
    if storage.len() != STORAGE {
        return;
    }
    // Unless the thread is ending.
    let kept = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < KEPT {
            free.push(storage);
        }
    });
    drop(kept);
}

/// A queue of bytes.
#[derive(Default)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty one.
    pub const fn new() -> Self {
        Self { storage: Vec::new(), start: 0, end: 0 }
    }

    /// What is in it.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// How much is in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True when nothing is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Removes bytes from its front.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start = self.end.min(self.start + count);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for more, at least one byte of it; grows beyond [`STORAGE`] only when the data alone fills it. Call
    /// [`Self::filled`] afterwards, or [`Self::release`].
    pub fn space(&mut self) -> &mut [u8] {
        self.reserve(1);
        &mut self.storage[self.end..]
    }

    /// The first bytes of [`Self::space`] were filled.
    pub fn filled(&mut self, count: usize) {
        debug_assert!(self.end + count <= self.storage.len());
        self.end += count;
    }

    /// Appends bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.storage[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Gives the storage back when nothing is in it.
    #[inline]
    pub fn release(&mut self) {
        if self.is_empty() && !self.storage.is_empty() {
            give_back(std::mem::take(&mut self.storage));
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets what is in it.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        self.release();
    }

    fn reserve(&mut self, count: usize) {
        if self.storage.len() - self.end >= count {
            return;
        }
        if self.storage.is_empty() {
            self.storage = take_storage();
        }
        if self.start > 0 {
            self.storage.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let needed = self.end + count;
        if needed > self.storage.len() {
            let larger = needed.next_multiple_of(STORAGE).max(2 * self.storage.len());
            self.storage.resize(larger, 0);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.storage.is_empty() {
            give_back(std::mem::take(&mut self.storage));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Writes text straight into a buffer.
impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_while_it_grows_and_moves() {
        let mut buffer = Buffer::new();
        let mut expected = Vec::new();
        for round in 0..40_u8 {
            let bytes = vec![round; 1000];
            buffer.extend(&bytes);
            expected.extend_from_slice(&bytes);
            buffer.consume(400);
            expected.drain(..400);
            assert_eq!(buffer.data(), expected);
        }
    }

    #[test]
    fn an_empty_buffer_holds_no_memory_once_released() {
        let mut buffer = Buffer::new();
        buffer.extend(b"x");
        buffer.release();
        assert!(!buffer.storage.is_empty(), "what is in it stays");
        buffer.consume(1);
        buffer.release();
        assert!(buffer.storage.is_empty());
    }

    #[test]
    fn there_is_always_room_for_a_byte() {
        let mut buffer = Buffer::new();
        buffer.extend(&[1; STORAGE]);
        let room = buffer.space().len();
        assert!(room > 0);
        buffer.filled(room);
        assert_eq!(buffer.len(), STORAGE + room);
    }
}

//! Bytes on their way from one socket to another, in memory lent by the worker.
//!
//! A queue that is empty holds no memory: its storage goes back to [`crate::buffers`]. So ten thousand idle
//! connections hold none, and a busy one does not allocate.

use std::fmt;

use crate::buffers::Buffer;

/// A queue of bytes.
#[derive(Default)]
pub struct Queue {
    storage: Option<Buffer>,
    start: usize,
    end: usize,
}

impl Queue {
    /// An empty one.
    pub const fn new() -> Self {
        Self { storage: None, start: 0, end: 0 }
    }

    /// What is in it.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.storage.as_ref().map_or(&[], |storage| &storage[self.start..self.end])
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

    /// Room for more, at least one byte of it; grows beyond [`SMALL`](crate::buffers::SMALL) only when the data alone
    /// fills it. Call [`Self::filled`] afterwards, or [`Self::release`].
    pub fn space(&mut self) -> &mut [u8] {
        if self.storage.is_some() {
            self.reserve(1);
        }
        &mut self.storage.get_or_insert_with(Buffer::small)[self.end..]
    }

    /// The first bytes of [`Self::space`] were filled.
    pub fn filled(&mut self, count: usize) {
        debug_assert!(self.storage.as_ref().is_some_and(|storage| self.end + count <= storage.len()));
        self.end += count;
    }

    /// Appends bytes. Storage is as small as they allow: what is written is mostly one head.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        let (start, end) = (self.end, self.end + bytes.len());
        if let Some(room) = self.storage.as_mut().and_then(|storage| storage.get_mut(start..end)) {
            room.copy_from_slice(bytes);
            self.end = end;
        } else {
            self.extend_further(bytes);
        }
    }

    /// Appends bytes for which there is no room yet: makes it first.
    #[inline(never)]
    fn extend_further(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.extend(bytes);
    }

    /// Gives the storage back when nothing is in it.
    #[inline]
    pub fn release(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets what is in it, and gives the storage back.
    pub fn clear(&mut self) {
        (self.storage, self.start, self.end) = (None, 0, 0);
    }

    /// Makes room for so many bytes behind the data.
    #[inline]
    fn reserve(&mut self, count: usize) {
        match &self.storage {
            Some(storage) if storage.len() - self.end >= count => {}
            Some(_) => self.make_room(count),
            None => self.storage = Some(Buffer::at_least(count)),
        }
    }

    /// Moves the data to the front, or to larger storage when it still does not fit.
    #[cold]
    fn make_room(&mut self, count: usize) {
        let needed = self.len() + count;
        match &mut self.storage {
            Some(same) if needed <= same.len() => same.copy_within(self.start..self.end, 0),
            storage => {
                let mut larger = Buffer::at_least(needed.max(2 * (self.end - self.start)));
                let data = storage.as_ref().map_or(&[][..], |storage| &storage[self.start..self.end]);
                larger[..data.len()].copy_from_slice(data);
                *storage = Some(larger);
            }
        }
        (self.start, self.end) = (0, self.len());
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Takes formatted text.
impl fmt::Write for Queue {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::SMALL;

    #[test]
    fn bytes_come_out_as_they_went_in_while_it_grows_and_moves() {
        let mut queue = Queue::new();
        let mut expected = Vec::new();
        for round in 0..40_u8 {
            let bytes = vec![round; 1000];
            queue.extend(&bytes);
            expected.extend_from_slice(&bytes);
            queue.consume(400);
            expected.drain(..400);
            assert_eq!(queue.data(), expected);
        }
    }

    #[test]
    fn an_empty_queue_holds_no_memory_once_released() {
        let mut queue = Queue::new();
        queue.extend(b"x");
        queue.release();
        assert!(queue.storage.is_some(), "what is in it stays");
        queue.consume(1);
        queue.release();
        assert!(queue.storage.is_none());
    }

    #[test]
    fn there_is_always_room_for_a_byte() {
        let mut queue = Queue::new();
        queue.extend(&[1; SMALL]);
        let room = queue.space().len();
        assert!(room > 0);
        queue.filled(room);
        assert_eq!(queue.len(), SMALL + room);
    }
}

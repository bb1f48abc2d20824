//! Buffers for bytes between two sockets, lent by the thread that uses them.
//!
//! A connection holds a buffer only while bytes are in it, so ten thousand idle connections need a handful of
//! buffers and not ten thousand. Each thread keeps free buffers of three sizes in lists of its own: taking and
//! giving back is a push and a pop, without a lock, an atomic or the allocator. The lists are bounded; what
//! comes back to a full list is freed, so memory returns after a burst. A buffer may be dropped on another
//! thread than it was taken on, and then stays there.
//!
//! A buffer is zeroed once, when it is made. What it holds after that is whatever its last user left: only
//! pass on what was written by the present one.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a tiny buffer: a head that is being written. Hundreds of requests of one thread may each hold one while
/// their backends think.
pub const TINY: usize = 2 * 1024;
/// Bytes of a small buffer: what one read takes, or the largest TLS record.
pub const SMALL: usize = 16 * 1024;
/// Bytes of a large buffer: for bodies and tunnels that have much to carry.
pub const LARGE: usize = 64 * 1024;

/// Most free buffers of each size kept by one thread: 1 MiB of each.
const KEPT_TINY: usize = 512;
const KEPT_SMALL: usize = 64;
const KEPT_LARGE: usize = 16;

/// Bytes of all buffers there are, lent and free. Changes only when one is made or freed.
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { tiny: Vec::new(), small: Vec::new(), large: Vec::new() }) };
}

struct Free {
    tiny: Vec<Box<[u8]>>,
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

impl Free {
    /// The list for buffers of exactly this many bytes, and its limit.
    fn of(&mut self, size: usize) -> Option<(&mut Vec<Box<[u8]>>, usize)> {
        match size {
            TINY => Some((&mut self.tiny, KEPT_TINY)),
            SMALL => Some((&mut self.small, KEPT_SMALL)),
            LARGE => Some((&mut self.large, KEPT_LARGE)),
            _ => None,
        }
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        let freed = self.tiny.len() * TINY + self.small.len() * SMALL + self.large.len() * LARGE;
        BYTES.fetch_sub(freed as u64, Ordering::Relaxed);
    }
}

/// A lent buffer of a fixed size; given back when dropped.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// A buffer of [`SMALL`] bytes.
    #[inline]
    pub fn small() -> Self {
        Self::sized(SMALL)
    }

    /// A buffer of [`LARGE`] bytes.
    #[inline]
    pub fn large() -> Self {
        Self::sized(LARGE)
    }

    /// The smallest buffer that holds `bytes`. One over [`LARGE`] comes from the allocator and goes back to it.
    pub fn at_least(bytes: usize) -> Self {
        if bytes <= TINY {
            Self::sized(TINY)
        } else if bytes <= SMALL {
            Self::small()
        } else if bytes <= LARGE {
            Self::large()
        } else {
            Self::made(bytes)
        }
    }

    fn sized(size: usize) -> Self {
        // The list is gone when a thread is ending; then the allocator does.
        let free = FREE.try_with(|free| free.borrow_mut().of(size).and_then(|(list, _)| list.pop()));
        free.ok().flatten().map_or_else(|| Self::made(size), Self)
    }

    fn made(size: usize) -> Self {
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
        Self(vec![0; size].into_boxed_slice())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = mem::take(&mut self.0);
        let size = bytes.len();
        let kept = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            match free.of(size) {
                Some((list, most)) if list.len() < most => {
                    list.push(bytes);
                    true
                }
                _ => false,
            }
        });
        if !matches!(kept, Ok(true)) {
            BYTES.fetch_sub(size as u64, Ordering::Relaxed);
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never its content: that belongs to clients.
        f.debug_tuple("Buffer").field(&self.0.len()).finish()
    }
}

/// Bytes of all buffers of the process, lent and free.
pub fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> [usize; 3] {
        FREE.with_borrow(|free| [free.tiny.len(), free.small.len(), free.large.len()])
    }

    #[test]
    fn a_buffer_that_came_back_is_lent_again() {
        let first = Buffer::small();
        let at = first.as_ptr();
        drop(first);
        assert_eq!(free(), [0, 1, 0]);
        assert_eq!(Buffer::small().as_ptr(), at);
    }

    #[test]
    fn the_size_fits_what_is_asked_for() {
        for (bytes, size) in [
            (0, TINY),
            (TINY, TINY),
            (TINY + 1, SMALL),
            (SMALL, SMALL),
            (SMALL + 1, LARGE),
            (LARGE + 1, LARGE + 1),
        ] {
            let buffer = Buffer::at_least(bytes);
            assert_eq!(buffer.len(), size);
            assert!(buffer.iter().all(|byte| *byte == 0));
        }
        assert_eq!(free(), [1, 1, 1], "one over the largest size is not kept");
    }

    #[test]
    fn a_burst_leaves_no_more_than_the_limit() {
        let one_of_each = |_| (Buffer::at_least(1), Buffer::small(), Buffer::large());
        let burst: Vec<_> = (0..600).map(one_of_each).collect();
        assert!(bytes() >= 600 * (TINY + SMALL + LARGE) as u64);
        drop(burst);
        assert_eq!(free(), [KEPT_TINY, KEPT_SMALL, KEPT_LARGE]);
    }

    #[test]
    fn a_buffer_may_end_on_another_thread() {
        let buffer = Buffer::large();
        std::thread::spawn(move || drop(buffer)).join().unwrap();
        assert_eq!(free(), [0, 0, 0]);
    }
}

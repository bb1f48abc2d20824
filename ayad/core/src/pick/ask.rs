//! What a picker is asked: the request's side of a pick, and which backends it has been to already.

use crate::load::Load;
use crate::time::Tick;

/// Backends a request can remember; attempts are limited to fewer by the configuration.
pub const MAX_TRIED: usize = 8;

/// One request that needs a backend.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// When it is asked.
    pub now: Tick,
    /// Hash of the client's address.
    pub key: u64,
    /// Backends that were tried for this request already.
    pub tried: &'a Tried,
}

impl Ask<'_> {
    /// Whether this request may go to the backend at `index`.
    pub(super) fn allows(&self, index: usize, load: &Load) -> bool {
        !self.tried.contains(index) && load.eligible(self.now)
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
    fn it_remembers_eight_and_never_overflows() {
        let mut tried = Tried::new();
        assert!(tried.is_empty() && !tried.contains(0));

        (0..20).for_each(|index| tried.push(index));

        assert_eq!(tried.len(), MAX_TRIED);
        assert!((0..MAX_TRIED).all(|index| tried.contains(index)));
        assert!(!tried.contains(MAX_TRIED));
    }
}

//! Load tests that are under way: their requests may ask where their time went.

use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

/// The ids of runs that are under way. Workers read them, the control thread sets them; none costs one load.
#[derive(Debug, Default)]
pub struct LiveRuns {
    any: AtomicBool,
    ids: ArcSwap<Vec<String>>,
}

impl LiveRuns {
    /// These are under way from now on, and no others.
    pub fn set(&self, ids: Vec<String>) {
        let any = !ids.is_empty();
        self.ids.store(ids.into());
        self.any.store(any, Ordering::Release);
    }

    /// True while there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Whether a run of this id is under way.
    pub fn has(&self, id: &[u8]) -> bool {
        self.ids.load().iter().any(|known| known.as_bytes() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_known() {
        let runs = LiveRuns::default();
        assert!(runs.is_empty() && !runs.has(b"a"));
        runs.set(vec!["a".into()]);
        assert!(!runs.is_empty() && runs.has(b"a") && !runs.has(b"b"));
        runs.set(Vec::new());
        assert!(runs.is_empty() && !runs.has(b"a"));
    }
}

//! Load tests that were told of and whose requests may ask for the times of their parts.

use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

/// The ids of such load tests. A request that names one in its `x-aya-load` gets the times of its parts in its answer;
/// anybody else asks for nothing: whoever may not reach the control socket learns no names of backends.
#[derive(Debug, Default)]
pub struct LoadRuns {
    any: AtomicBool,
    ids: ArcSwap<Vec<String>>,
}

impl LoadRuns {
    /// Replaces the ids.
    pub fn set(&self, ids: Vec<String>) {
        let any = !ids.is_empty();
        self.ids.store(ids.into());
        self.any.store(any, Ordering::Release);
    }

    /// True when one of them is `id`. While there is none, that costs one load.
    pub fn knows(&self, id: &[u8]) -> bool {
        self.any.load(Ordering::Relaxed) && self.ids.load().iter().any(|known| known.as_bytes() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_told_is_known() {
        let runs = LoadRuns::default();
        assert!(!runs.knows(b"r1"));
        runs.set(vec!["r1".into()]);
        assert!(runs.knows(b"r1") && !runs.knows(b"r2") && !runs.knows(b""));
        runs.set(Vec::new());
        assert!(!runs.knows(b"r1"));
    }
}

//! Requests of each pool, counted while there are faults.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aya_core::chaos::cap::Traffic;

/// One count for each pool that had a request while faults were injected.
#[derive(Debug, Default)]
pub(super) struct Meters(ArcSwap<HashMap<Box<str>, Arc<Traffic>>>);

impl Meters {
    /// The count of a pool.
    pub(super) fn of(&self, pool: &str) -> Arc<Traffic> {
        if let Some(traffic) = self.0.load().get(pool) {
            return Arc::clone(traffic);
        }
        let fresh = Arc::new(Traffic::default());
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.entry(pool.into()).or_insert_with(|| Arc::clone(&fresh));
            map
        });
        self.0.load().get(pool).map_or(fresh, Arc::clone)
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.store(Arc::default());
    }
}

//! What the algorithms with a table share: when it has to be built anew, and how a key that lands on somebody who
//! cannot take it goes on.

use std::sync::Arc;
use std::time::Duration;

use super::Ask;
use crate::hash::mix;
use crate::load::Load;
use crate::rendezvous;
use crate::rng::Rng;
use crate::time::Tick;

/// How long a changed weight may go unnoticed: looking at every backend for each request would cost more than the table
/// saves.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Says when a table no longer fits its set.
#[derive(Debug, Default)]
pub(super) struct Watch {
    fingerprint: u64,
    len: usize,
    looked: Option<Tick>,
}

impl Watch {
    /// True when backends or weights differ from those of the last call that gave true, as far as it is time to look.
    pub(super) fn has_changed(&mut self, set: &[Arc<Load>], now: Tick) -> bool {
        let is_due = self.looked.is_none_or(|looked| now.since(looked) >= LOOK_EVERY);
        if set.len() == self.len && !is_due {
            return false;
        }
        (self.len, self.looked) = (set.len(), Some(now));
        let fingerprint =
            set.iter().fold(1, |sum, load| mix(sum, load.token() ^ u64::from(load.weight()).rotate_left(32)));
        std::mem::replace(&mut self.fingerprint, fingerprint) != fingerprint
    }
}

/// Whether the backend at `index` takes this key.
pub(super) fn takes(set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> bool {
    let Some(load) = set.get(index) else { return false };
    load.weight() != 0 && ask.allows(index, load) && rendezvous::is_at_home(ask.key, load)
}

/// Somebody for a key that nobody in its part of the table takes.
pub(super) fn anybody(set: &[Arc<Load>], ask: &Ask<'_>) -> Option<usize> {
    rendezvous::pick(set, ask.key, |index, load| ask.allows(index, load))
}

/// A generator for places that follow from a token alone.
pub(super) fn places_of(token: u64, salt: u64) -> Rng {
    Rng::seeded(mix(token, salt))
}

//! IP hash: a client's address decides its backend, by weighted rendezvous hashing: every backend
//! scores `weight / -ln(hash(address, backend))` and the highest wins.
//!
//! - Cost: one pass with one hash and one logarithm for each backend; no state at all, so every worker, every
//!   restart and every other `ayad` with the same backends picks the same.
//! - When: caches close to clients, or sessions without cookies. When not: few clients or big ones behind one
//!   address, because each of them goes to one backend whatever its load.
//! - Weight 0 gets nothing. When a backend leaves only its own clients move, and they come back with it.

use std::sync::Arc;

use super::{Ask, Picker, PickerSpec, Share};
use crate::load::Load;
use crate::rendezvous;
use crate::rng::Rng;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "ip-hash",
    summary: "the same client address always to the same backend",
    when: "per-client caches or sessions without cookies, and many clients",
    share: Share::Weight,
    weighted: true,
    build: |_seed| Box::new(IpHash),
};

/// See the module.
#[derive(Debug)]
pub struct IpHash;

impl Picker for IpHash {
    fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, _rng: &mut Rng) -> Option<usize> {
        rendezvous::pick(set, ask.key, ask.tried, |load| load.eligible(ask.now))
    }
}

//! IP hash: a client's address decides its backend, by weighted rendezvous hashing (see `rendezvous`).
//!
//! - Cost: one pass with one hash and one logarithm for each backend; no state at all, so every worker, every
//!   restart and every other `ayad` with the same backends picks the same.
//! - When: caches close to clients, or sessions without cookies. When not: few clients or big ones behind one
//!   address, because each of them goes to one backend whatever its load; a bound on the load helps.
//! - Weight 0 gets nothing. When a backend leaves only its own clients move, and they come back with it.

use super::rendezvous::Rendezvous;
use super::{PickerSpec, Scale, Share};

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "ip-hash",
    summary: "the same client address always to the same backend",
    when: "per-client caches or sessions without cookies, and many clients",
    share: Share::Weight,
    weighted: true,
    keyed: true,
    scale: Scale::most("weighted hash of key and backend"),
    params: &[],
    build: |_| Box::new(Rendezvous),
};

//! Weighted least connections: the eligible backend with the fewest requests in flight for its weight, over all
//! workers.
//!
//! - Cost: one pass over the set and one over the ties; one credit for each backend and worker.
//! - When: sessions of unequal length on backends of known size. When not: a backend that fails fast is never busy; a
//!   breaker must catch that, and `hot-cold` sees it.
//! - Weight 0 gets nothing. Live weight changes take effect with the next pick.

use super::least::Least;
use super::{PickerSpec, Scale, Share};
use crate::load::Load;

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "weighted-least-connections",
    summary: "the backend with the fewest requests in flight for its weight",
    when: "backends of known different size, requests or sessions of unequal cost",
    share: Share::Adapts,
    weighted: true,
    keyed: false,
    scale: Scale::least("requests in flight for its weight"),
    params: &[],
    build: |setup| Box::new(Least::new(setup.seed, Load::effective_weight)),
};

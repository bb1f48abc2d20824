//! Least connections: the eligible backend with the fewest requests in flight, over all workers.
//!
//! - Cost: one pass over the set and one over the ties, which go round, so that an idle pool is served in turn.
//! - When: requests of unequal or unknown cost on backends of equal size. When not: backends of different
//!   size (`weighted-least-connections`), or one that fails fast, which is never busy; a breaker must catch
//!   that.
//! - Weights are ignored, except that 0 gets nothing.

use super::least::Least;
use super::{PickerSpec, Scale, Share};

pub(super) const SPEC: PickerSpec = PickerSpec {
    name: "least-connections",
    summary: "the backend with the fewest requests in flight",
    when: "equal backends and requests of unequal cost",
    share: Share::Adapts,
    weighted: false,
    keyed: false,
    scale: Scale::least("requests in flight"),
    params: &[],
    build: |setup| Box::new(Least::new(setup.seed, |load| if load.weight() == 0 { 0 } else { load.ease() })),
};

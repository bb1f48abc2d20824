//! Views of how pools are divided.

use aya_api::view::DivisionView;

use crate::clock;
use crate::control::explain::part_view;
use crate::state::Pool;

/// How a pool is divided; absent for one that is not.
pub(super) fn view(pool: &Pool) -> Option<DivisionView> {
    if pool.plan.is_plain() {
        return None;
    }
    let rules = &pool.plan.rules;
    let parts = pool.parts(clock::now());
    Some(DivisionView {
        zone: rules.local.and_then(|zone| pool.zones.get(usize::from(zone)).cloned()),
        spill: hundredths(rules.spill),
        panic: rules.panic,
        subset: (rules.subset != usize::MAX).then_some(rules.subset as u64),
        bound: rules.bound.is_finite().then(|| hundredths(rules.bound)),
        parts: parts.iter().map(|part| part_view(part, &pool.zones)).collect(),
    })
}

/// As it was written: what is kept in half of the digits shows others at the end.
fn hundredths(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

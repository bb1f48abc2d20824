//! Why a pick would go where it goes: the parts of the pool, what keeps backends out, and what the algorithm thinks of
//! the others. By the same code and the same state that picks.

use std::sync::Arc;

use super::chooser::{Chooser, Part};
use super::{Ask, Scope, Score};
use crate::axis::{Admin, Health};
use crate::load::Load;

/// Why a backend cannot be picked, or only when others cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// People want it drained or out of service.
    Admin,
    /// Checks or traffic say that it is down, or not yet up.
    Health,
    /// Its breaker holds requests back.
    Breaker,
    /// It is put aside because it does worse than the others of its pool.
    Ejected,
    /// Its weight is 0.
    Weight,
    /// The request was there already.
    Tried,
    /// It stands in a later priority group, and an earlier one takes all requests.
    Priority,
    /// It stands in another zone than is preferred; it gets what that one gives away.
    Zone,
    /// It is not among those this balancer uses.
    Subset,
    /// It has as much as the bound on load allows.
    Bound,
}

impl Exclusion {
    /// Every value.
    pub const ALL: &'static [Self] = &[
        Self::Admin,
        Self::Health,
        Self::Breaker,
        Self::Ejected,
        Self::Weight,
        Self::Tried,
        Self::Priority,
        Self::Zone,
        Self::Subset,
        Self::Bound,
    ];

    /// The one spelling of this value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Health => "health",
            Self::Breaker => "breaker",
            Self::Ejected => "ejected",
            Self::Weight => "weight",
            Self::Tried => "tried",
            Self::Priority => "priority",
            Self::Zone => "zone",
            Self::Subset => "subset",
            Self::Bound => "bound",
        }
    }

    /// What it means, as a sentence without its period.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Admin => "people ordered that it gets nothing new",
            Self::Health => "checks or traffic say that it is not up",
            Self::Breaker => "its breaker holds requests back",
            Self::Ejected => "it is put aside because it does worse than the others",
            Self::Weight => "its weight is 0",
            Self::Tried => "the request was there already",
            Self::Priority => "an earlier priority group takes all requests",
            Self::Zone => "requests stay in another zone while that has room",
            Self::Subset => "this daemon uses other backends of the pool",
            Self::Bound => "it has as many requests as the bound on load allows",
        }
    }
}

/// What a pick would see.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The priority groups, in order; one when the pool is not divided.
    pub parts: Vec<Part>,
    /// Each backend of the set: what keeps it out, or its score.
    pub backends: Vec<Result<Score, Exclusion>>,
}

impl Chooser {
    /// Explains the pick that `ask` would be.
    pub fn explain(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, prefer: u64) -> Explanation {
        let parts = self.parts(set, ask);
        let bound = self.bound_now(set, ask);
        let of = |index: usize, load: &Arc<Load>| match self.exclusion(index, load, ask, prefer, bound) {
            Some(exclusion) => Err(exclusion),
            None => Ok(self.score(set, index, ask)),
        };
        let backends = set.iter().enumerate().map(|(index, load)| of(index, load)).collect();
        Explanation { parts, backends }
    }

    fn exclusion(
        &self,
        index: usize,
        load: &Load,
        ask: &Ask<'_>,
        prefer: u64,
        bound: f32,
    ) -> Option<Exclusion> {
        let tiers = self.tiers();
        let group = tiers.groups.iter().find(|group| group.all.has(index));
        if ask.tried.contains(index) {
            return Some(Exclusion::Tried);
        }
        if load.admin() != Admin::Ready {
            return Some(Exclusion::Admin);
        }
        if !group.is_some_and(|group| group.in_panic) {
            let own = own_exclusion(load, ask);
            if own.is_some() {
                return own;
            }
        }
        let group = group?;
        if group.share <= 0.0 {
            return Some(Exclusion::Priority);
        }
        if group.in_panic {
            return None;
        }
        if !group.members.has(index) {
            return Some(Exclusion::Subset);
        }
        let prefer = self.preferred_zones(prefer);
        let keeps_all = group.preferred(prefer).is_some_and(|zone| {
            let takes = zone.capacity > 0.0 && zone.keep >= 1.0;
            takes && !zone.members.has(index)
        });
        if keeps_all {
            return Some(Exclusion::Zone);
        }
        let bounded = Ask { bound, scope: Scope::All, ..*ask };
        (!bounded.allows(index, load)).then_some(Exclusion::Bound)
    }
}

fn own_exclusion(load: &Load, ask: &Ask<'_>) -> Option<Exclusion> {
    if matches!(load.health(), Health::Down | Health::Warming) {
        return Some(Exclusion::Health);
    }
    if !load.breaker().passes(ask.now) {
        return Some(Exclusion::Breaker);
    }
    if !load.eligible(ask.now) {
        return Some(Exclusion::Ejected);
    }
    (load.weight() == 0).then_some(Exclusion::Weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::{Choice, PICKERS, Plan, Standing, TierRules, Tried, find};
    use crate::rng::Rng;
    use crate::time::Tick;

    fn set() -> Vec<Arc<Load>> {
        (0..4).map(|token| Arc::new(Load::new(token + 1, 1, Health::Up))).collect()
    }

    #[test]
    fn what_is_excluded_is_not_picked_and_what_is_not_can_be() {
        let plan = Plan {
            rules: TierRules { local: Some(0), ..TierRules::default() },
            standings: [0, 0, 1, 0].map(|zone| Standing { priority: 0, zone: Some(zone) }).to_vec(),
        };
        for spec in PICKERS {
            let set = set();
            set[1].set_health(Health::Down);
            let mut chooser = Chooser::new(&Choice::of(spec), Arc::new(plan.clone()), 7, &set);
            let tried = Tried::new();
            let ask = Ask::any(Tick::ZERO, 9, &tried);
            let explained = chooser.explain(&set, &ask, 0).backends;

            assert_eq!(explained[1], Err(Exclusion::Health), "{}", spec.name);
            assert_eq!(explained[2], Err(Exclusion::Zone), "{}", spec.name);
            assert!(explained[0].is_ok() && explained[3].is_ok(), "{}", spec.name);
            let picked = chooser.pick(&set, &ask, 0, &mut Rng::seeded(1)).map(|pick| pick.index);
            assert!(picked == Some(0) || picked == Some(3), "{}: {picked:?}", spec.name);
        }
    }

    #[test]
    fn people_weights_and_earlier_groups_are_told_apart() {
        let standings = [0, 0, 1, 0].map(|priority| Standing { priority, zone: None }).to_vec();
        let plan = Plan { rules: TierRules::default(), standings };
        let set = set();
        set[0].set_admin(Admin::Draining, false);
        set[1].set_weight(0);
        let choice = Choice::of(find("hot-cold").expect("it is in the table"));
        let mut chooser = Chooser::new(&choice, Arc::new(plan), 7, &set);
        let mut tried = Tried::new();
        tried.push(3);
        let explained = chooser.explain(&set, &Ask::any(Tick::ZERO, 9, &tried), 0);

        let why: Vec<_> = explained.backends.iter().map(|backend| backend.err()).collect();
        let expected = [Exclusion::Admin, Exclusion::Weight, Exclusion::Priority, Exclusion::Tried].map(Some);
        assert_eq!(why, expected);
        assert_eq!(explained.parts.len(), 2);
    }
}

//! A pool's pick, whole: first which part of the pool is offered ([`Tiers`]), then who of it is picked.

use std::sync::Arc;

use super::tiers::{Group, Plan, Tiers};
use super::{Ask, Choice, Picker, Scope, Score};
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;

/// Sets up to this size are summed up for each pick when load is bounded.
const SUMMED: usize = 64;

/// Picks for one pool and one worker.
pub struct Chooser {
    picker: Box<dyn Picker>,
    plan: Arc<Plan>,
    is_plain: bool,
    tiers: Tiers,
    mean: f32,
    picks: u32,
}

/// A backend that was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its position in the set.
    pub index: usize,
    /// Its pool is in panic: it is to be asked whatever its health and breaker say.
    pub in_panic: bool,
}

impl Chooser {
    /// For a pool that picks by `choice` and is divided by `plan`.
    pub fn new(choice: &Choice, plan: Arc<Plan>, seed: u64, set: &[Arc<Load>]) -> Self {
        let mut picker = choice.build(seed);
        picker.learn_set(set);
        let is_plain = plan.is_plain();
        Self { picker, plan, is_plain, tiers: Tiers::default(), mean: 0.0, picks: 0 }
    }

    /// Picks a backend that was not tried. `prefer` has a bit for each zone the request would rather be served in;
    /// 0 for the zone of this balancer.
    pub fn pick(&mut self, set: &[Arc<Load>], ask: &Ask<'_>, prefer: u64, rng: &mut Rng) -> Option<Pick> {
        if self.is_plain {
            return self.picker.pick(set, ask, rng).map(healthy);
        }
        let bound = self.bound(set, ask);
        if bound.is_infinite() {
            return self.pick_in_parts(set, ask, prefer, rng);
        }
        let bounded = Ask { bound, ..*ask };
        self.pick_in_parts(set, &bounded, prefer, rng).or_else(|| self.pick_in_parts(set, ask, prefer, rng))
    }

    /// What the algorithm thinks of a backend; see [`Picker::score`].
    pub fn score(&self, set: &[Arc<Load>], index: usize, ask: &Ask<'_>) -> Score {
        self.picker.score(set, index, ask)
    }

    /// Whom the last pick looked at; see [`Picker::looked`].
    pub fn looked(&self, each: &mut dyn FnMut(usize, Score)) -> bool {
        self.picker.looked(each)
    }

    /// How the pool was divided when that was last looked at.
    pub(super) fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// The zones a request prefers: its own, or that of this balancer.
    pub(super) fn preferred_zones(&self, prefer: u64) -> u64 {
        if prefer == 0 { self.plan.rules.local.map_or(0, |zone| 1 << zone) } else { prefer }
    }

    /// How the pool is divided now, for people; one entry for each priority group.
    pub(super) fn parts(&mut self, set: &[Arc<Load>], ask: &Ask<'_>) -> Vec<Part> {
        self.tiers.refresh(&self.plan, set, ask.now);
        self.tiers.groups.iter().map(Part::of).collect()
    }

    fn pick_in_parts(
        &mut self,
        set: &[Arc<Load>],
        ask: &Ask<'_>,
        prefer: u64,
        rng: &mut Rng,
    ) -> Option<Pick> {
        self.tiers.refresh(&self.plan, set, ask.now);
        let prefer = self.preferred_zones(prefer);
        let Self { picker, tiers, .. } = self;
        let begin = tiers.begin(rng);
        let first = tiers.groups.get(begin)?;
        if first.in_panic {
            let scope = Scope::Panic(&first.all);
            let picked = picker.pick(set, &Ask { scope, ..*ask }, rng);
            if let Some(index) = picked {
                return Some(Pick { index, in_panic: true });
            }
        }
        if let Some(zone) = first.preferred(prefer) {
            let part = if rng.unit() < f64::from(zone.keep) { &zone.members } else { &zone.others };
            let picked = picker.pick(set, &Ask { scope: Scope::Some(part), ..*ask }, rng);
            if picked.is_some() {
                return picked.map(healthy);
            }
        }
        let others = tiers.groups.iter().enumerate().filter(|(index, _)| *index != begin);
        let mut wider = std::iter::once(first).chain(others.map(|(_, group)| group));
        let picked = wider.find_map(|group| {
            [&group.members, &group.all]
                .into_iter()
                .find_map(|part| picker.pick(set, &Ask { scope: Scope::Some(part), ..*ask }, rng))
        });
        picked.map(healthy)
    }

    /// What one unit of effective weight may have in flight: `bound` times the mean, this request counted.
    fn bound(&mut self, set: &[Arc<Load>], ask: &Ask<'_>) -> f32 {
        let factor = self.plan.rules.bound;
        if factor.is_infinite() {
            return factor;
        }
        self.picks = self.picks.wrapping_add(1);
        if set.len() <= SUMMED || self.picks % SUMMED as u32 == 1 {
            self.mean = mean(set, ask);
        }
        factor * self.mean
    }

    /// As a pick would reckon it now.
    pub(super) fn bound_now(&self, set: &[Arc<Load>], ask: &Ask<'_>) -> f32 {
        let factor = self.plan.rules.bound;
        if factor.is_infinite() { factor } else { factor * mean(set, ask) }
    }
}

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chooser").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Requests in flight for each unit of effective weight, one more counted.
fn mean(set: &[Arc<Load>], ask: &Ask<'_>) -> f32 {
    let (mut in_flight, mut weight) = (1.0, 0.0);
    for load in set.iter().filter(|load| load.eligible(ask.now)) {
        in_flight += load.apparent() as f32;
        weight += load.effective_weight() as f32;
    }
    if weight > 0.0 { in_flight / weight } else { 1.0 / FULL_EASE as f32 }
}

fn healthy(index: usize) -> Pick {
    Pick { index, in_panic: false }
}

/// A priority group, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its priority.
    pub priority: u8,
    /// Share of the pool's requests that begin here, 0 to 1.
    pub share: f64,
    /// Eligible backends.
    pub healthy: u32,
    /// Backends that people want ready.
    pub ready: u32,
    /// Health is ignored.
    pub in_panic: bool,
    /// Backends of it that this balancer uses.
    pub members: usize,
    /// Its zones: number, share of its capacity in use, share of the requests for it that it keeps.
    pub zones: Vec<(Option<u8>, f32, f32)>,
}

impl Part {
    fn of(group: &Group) -> Self {
        let zones = group.zones.iter();
        let used = |used: f32, capacity: f32| if capacity > 0.0 { used / capacity } else { 0.0 };
        Self {
            priority: group.priority,
            share: group.share,
            healthy: group.healthy,
            ready: group.ready,
            in_panic: group.in_panic,
            members: group.members.len(),
            zones: zones.map(|zone| (zone.number, used(zone.used, zone.capacity), zone.keep)).collect(),
        }
    }
}

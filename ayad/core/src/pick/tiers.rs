//! Which part of a pool a request is offered to, before an algorithm picks in it: priority groups, zones, a subset, and
//! everybody when too few are healthy.
//!
//! ```text
//! priority   a group takes min(100 %, 1.4 × its healthy share) of what the groups before it leave
//! zone       the preferred zone keeps all up to `spill` of its capacity in use, then spill / use of it; the rest goes
//!            to the other zones of the group, unless they are used as much
//! subset     of a large pool, the `size` best by a hash of this balancer and the backend
//! panic      of a group of which less than `panic` is healthy, and which no other group can relieve, all are asked
//! ```
//!
//! Sources: Envoy's priority levels and panic threshold; the spill-over by headroom is that of Envoy's load-aware
//! locality, with the requests in flight where no utilisation is reported; subsets by rendezvous hashing (Ross, Google's
//! "Reinventing backend subsetting" names the requirements: even, and few moves on a change).
//!
//! What a part is is worked out anew every 10 ms in one pass over the set; between two looks a backend that
//! becomes ineligible is still never picked, because eligibility is asked for each pick. When nobody in its part can
//! take a request, the wider parts are asked: the whole group, the other groups in order, and those outside of the
//! subset. So a part is a preference and never a reason to refuse.

use std::sync::Arc;
use std::time::Duration;

use super::Mask;
use crate::hash::mix;
use crate::load::{FULL_EASE, Load};
use crate::rng::Rng;
use crate::signal::Signal;
use crate::time::Tick;

/// How long a look at the pool holds.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A group takes its share while more than 1 / 1.4 of it is healthy (Envoy's overprovisioning factor).
const OVERPROVISION: f64 = 1.4;
/// Oldest utilisation that says something about the headroom of a zone.
const UTILIZATION_AGE: Duration = Duration::from_secs(10);
/// Most zones of one pool that are told apart.
pub const MAX_ZONES: usize = 64;

/// Where one backend stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its priority group; the lowest number goes first.
    pub priority: u8,
    /// Its zone, as a position in a list of names; `None` for one in no zone, or beyond [`MAX_ZONES`].
    pub zone: Option<u8>,
}

/// How a pool is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierRules {
    /// The zone this balancer stands in, when requests should stay there.
    pub local: Option<u8>,
    /// Share of a zone's capacity up to which it keeps all of its requests.
    pub spill: f32,
    /// Requests in flight for each unit of weight that use all of a backend which neither reports its utilisation nor
    /// its slots.
    pub capacity: f32,
    /// Healthy share of a group below which health is ignored; 0 for never.
    pub panic: f64,
    /// Backends of each group that this balancer uses; `usize::MAX` for all.
    pub subset: usize,
    /// Tells this balancer apart from the others, for its subset.
    pub instance: u64,
    /// Most load of one backend in relation to the mean of all, at least 1; infinite for no bound.
    pub bound: f32,
}

impl Default for TierRules {
    fn default() -> Self {
        Self {
            local: None,
            spill: 0.8,
            capacity: 32.0,
            panic: 0.0,
            subset: usize::MAX,
            instance: 0,
            bound: f32::INFINITY,
        }
    }
}

/// A pool as it is divided: what [`Tiers`] is made from, in every worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The rules.
    pub rules: TierRules,
    /// Where the backends stand, by their positions. Those beyond its end stand in group 0 and in no zone.
    pub standings: Vec<Standing>,
}

impl Plan {
    /// True when there is only one part, and no bound: everybody may get everything.
    pub fn is_plain(&self) -> bool {
        let first = self.standings.first().map_or(0, |standing| standing.priority);
        self.standings.iter().all(|s| s.priority == first && s.zone.is_none())
            && self.rules.panic <= 0.0
            && self.rules.subset == usize::MAX
            && self.rules.bound.is_infinite()
    }

    fn standing(&self, index: usize) -> Standing {
        self.standings.get(index).copied().unwrap_or_default()
    }
}

/// One priority group, as it was when last looked at.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) priority: u8,
    /// All of it that is in the subset.
    pub(super) members: Mask,
    /// All of it.
    pub(super) all: Mask,
    /// The members in each zone, by the numbers of zones; the last one for those in none.
    pub(super) zones: Vec<Zone>,
    /// Share of requests that begins here.
    pub(super) share: f64,
    pub(super) healthy: u32,
    pub(super) ready: u32,
    pub(super) in_panic: bool,
}

#[derive(Debug)]
pub(super) struct Zone {
    pub(super) number: Option<u8>,
    pub(super) members: Mask,
    /// The members of the group in other zones.
    pub(super) others: Mask,
    /// Capacity of its eligible members, and how much of that is used.
    pub(super) capacity: f32,
    pub(super) used: f32,
    /// The largest part of its weight that one of them gets.
    ease: f32,
    /// Share of the requests that prefer this zone and stay in it.
    pub(super) keep: f32,
}

/// A pool's parts, as one worker sees them.
#[derive(Debug, Default)]
pub(super) struct Tiers {
    pub(super) groups: Vec<Group>,
    looked: Option<Tick>,
    len: usize,
    /// The positions of the set, best for this balancer first; empty without a subset.
    order: Vec<u32>,
}

impl Tiers {
    /// Looks at the pool again when the last look is too old. Allocates only when the pool has grown.
    pub(super) fn refresh(&mut self, plan: &Plan, set: &[Arc<Load>], now: Tick) {
        let is_due = self.looked.is_none_or(|looked| now.since(looked) >= LOOK_EVERY);
        if self.len != set.len() || self.looked.is_none() {
            self.divide(plan, set);
        } else if !is_due {
            return;
        }
        self.looked = Some(now);
        if plan.rules.subset != usize::MAX {
            self.choose_members(plan, set, now);
        }
        for group in &mut self.groups {
            group.look(&plan.rules, set, now);
        }
        self.share_out(&plan.rules);
    }

    /// The group a request begins in.
    pub(super) fn begin(&self, rng: &mut Rng) -> usize {
        if self.groups.len() == 1 {
            return 0;
        }
        let mut drawn = rng.unit();
        let takes = |group: &Group| {
            drawn -= group.share;
            drawn < 0.0
        };
        self.groups.iter().position(takes).unwrap_or(0)
    }

    fn divide(&mut self, plan: &Plan, set: &[Arc<Load>]) {
        self.len = set.len();
        self.groups.clear();
        let mut priorities: Vec<u8> = (0..set.len()).map(|index| plan.standing(index).priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        for priority in priorities {
            let of_group = (0..set.len()).filter(|&index| plan.standing(index).priority == priority);
            self.groups.push(Group::of(priority, of_group, plan, set.len()));
        }
        self.order.clear();
        if plan.rules.subset != usize::MAX {
            self.order.extend(0..set.len() as u32);
            self.order.sort_by_key(|&index| mix(set[index as usize].token(), plan.rules.instance));
        }
    }

    /// The subset: of each group the first of the order that are eligible, and as many as there are.
    fn choose_members(&mut self, plan: &Plan, set: &[Arc<Load>], now: Tick) {
        for group in &mut self.groups {
            group.members.clear(set.len());
            let all = &group.all;
            let chosen = self.order.iter().map(|&index| index as usize);
            let chosen = chosen.filter(|&index| all.has(index) && set[index].eligible(now));
            for index in chosen.take(plan.rules.subset) {
                group.members.add(index);
            }
            group.divide_zones(plan, set.len());
        }
    }

    /// Each group takes what the ones before it leave; when all together cannot take everything, in proportion.
    fn share_out(&mut self, rules: &TierRules) {
        let mut left = 1.0;
        for group in &mut self.groups {
            group.share = group.health().min(1.0) * left;
            left -= group.share;
        }
        let taken = 1.0 - left;
        for group in &mut self.groups {
            group.in_panic = left > 1e-9 && group.healthy_share() < rules.panic;
            if taken > 0.0 && left > 1e-9 {
                group.share /= taken;
            }
        }
        if taken <= 0.0
            && let Some(first) = self.groups.first_mut()
        {
            first.share = 1.0;
        }
    }
}

impl Group {
    fn of(priority: u8, of_group: impl Iterator<Item = usize>, plan: &Plan, len: usize) -> Self {
        let mut all = Mask::default();
        all.clear(len);
        for index in of_group {
            all.add(index);
        }
        let mut numbers: Vec<Option<u8>> =
            (0..len).filter(|&index| all.has(index)).map(|index| plan.standing(index).zone).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let zone = |number| Zone {
            number,
            members: Mask::default(),
            others: Mask::default(),
            capacity: 0.0,
            used: 0.0,
            ease: 0.0,
            keep: 1.0,
        };
        let zones = if numbers == [None] { Vec::new() } else { numbers.into_iter().map(zone).collect() };
        let members = all.clone();
        let mut group =
            Self { priority, members, all, zones, share: 0.0, healthy: 0, ready: 0, in_panic: false };
        group.divide_zones(plan, len);
        group
    }

    fn divide_zones(&mut self, plan: &Plan, len: usize) {
        for zone in &mut self.zones {
            zone.members.clear(len);
            zone.others.clear(len);
            for index in (0..len).filter(|&index| self.members.has(index)) {
                let is_here = plan.standing(index).zone == zone.number;
                if is_here { &mut zone.members } else { &mut zone.others }.add(index);
            }
        }
    }

    /// Counts who is healthy, and how much of each zone is used.
    fn look(&mut self, rules: &TierRules, set: &[Arc<Load>], now: Tick) {
        (self.healthy, self.ready) = (0, 0);
        for (_, load) in set.iter().enumerate().filter(|(index, _)| self.all.has(*index)) {
            self.ready += u32::from(load.eligible_in_panic());
            self.healthy += u32::from(load.eligible(now));
        }
        for zone in &mut self.zones {
            (zone.capacity, zone.used, zone.ease) = (0.0, 0.0, 0.0);
            for (index, load) in set.iter().enumerate() {
                if zone.members.has(index) && load.eligible(now) {
                    let (capacity, used) = headroom(load, rules, now);
                    zone.capacity += capacity;
                    zone.used += used;
                    zone.ease = zone.ease.max(load.ease() as f32 / FULL_EASE as f32);
                }
            }
        }
        let (capacity, used) = self.zones.iter().fold((0.0, 0.0), |(c, u), z| (c + z.capacity, u + z.used));
        for zone in &mut self.zones {
            let here = share(zone.used, zone.capacity);
            let elsewhere = share(used - zone.used, capacity - zone.capacity);
            let spills = here > rules.spill && elsewhere < here;
            let own = zone.capacity / capacity.max(1e-6);
            let keep = if spills { (rules.spill / here).max(own) } else { 1.0 };
            // A zone in which everybody warms up or is doubted must not get all of its requests at once.
            zone.keep = keep.min(zone.ease.max(own));
        }
    }

    fn healthy_share(&self) -> f64 {
        if self.ready == 0 { 0.0 } else { f64::from(self.healthy) / f64::from(self.ready) }
    }

    fn health(&self) -> f64 {
        OVERPROVISION * self.healthy_share()
    }

    /// The zone to begin in, of those a request prefers: the one with the most room.
    pub(super) fn preferred(&self, prefer: u64) -> Option<&Zone> {
        let wanted = |zone: &&Zone| zone.number.is_some_and(|number| prefer >> number & 1 == 1);
        let room = |zone: &Zone| zone.capacity - zone.used;
        self.zones.iter().filter(wanted).max_by(|a, b| room(a).total_cmp(&room(b)))
    }
}

/// What a backend can carry, and what of that is used, in units of weight.
fn headroom(load: &Load, rules: &TierRules, now: Tick) -> (f32, f32) {
    let weight = load.effective_weight() as f32 / FULL_EASE as f32;
    let reported = load.signals().fresh(Signal::Utilization, now, UTILIZATION_AGE);
    let used = reported.map_or_else(
        || {
            let slots = if load.slots() > 0 { load.slots() as f32 } else { rules.capacity * weight };
            share(load.seen_in_flight(now), slots)
        },
        |utilization| utilization as f32,
    );
    (weight, used * weight)
}

fn share(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

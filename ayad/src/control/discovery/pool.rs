//! The backends of one pool: those of its file and those of its sources, merged.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aya_api::view::DiscoveryView;
use aya_core::discovery::Roster;

use super::source::Found;
use super::{CALM, named};
use crate::config::{Backend, Config, Discover, Source};
use crate::discovery::Member;
use crate::state::Snapshot;

/// What was discovered, by pool.
pub(in crate::control) type Sets = BTreeMap<String, Set>;

/// The backends of one pool.
#[derive(Clone, Debug)]
pub(in crate::control) struct Set {
    /// Those of the file.
    fixed: Vec<Backend>,
    pub(in crate::control) sources: Vec<Found>,
    /// How many priority numbers get traffic beyond the lowest one.
    depth: usize,
    /// Seconds in a row in which the reserve was not needed.
    calm: u32,
}

/// The sets of a configuration, whose pools get their backends: from sources that go on, from what is `known` of those
/// that are new, and where a pool would have nobody, those it has in the snapshot in force.
pub(super) fn sets(
    config: &mut Config,
    before: &Sets,
    known: &dyn Fn(&str, &Source) -> Option<Vec<Member>>,
    snapshot: Option<&Snapshot>,
) -> Sets {
    let mut sets = Sets::new();
    for pool in config.pools.iter_mut().filter(|pool| !pool.discover.is_empty()) {
        let old = before.get(&pool.name);
        let found = |discover: &Discover| {
            let source = &discover.source;
            let same =
                old.and_then(|set| set.sources.iter().find(|found| is_same(&found.discover.source, source)));
            let fresh = || {
                let members = known(&pool.name, source).unwrap_or_default();
                Found::new(discover.clone(), Roster::resume(members.into_iter().map(named)))
            };
            same.map_or_else(fresh, |same| same.with(discover.clone()))
        };
        let sources = pool.discover.iter().map(found).collect();
        let fixed = std::mem::take(&mut pool.backends);
        let depth = old.map_or(0, |set| set.depth);
        let mut set = Set { fixed, sources, depth, calm: 0 };
        if set.is_waiting()
            && let Some(running) = snapshot.and_then(|snapshot| snapshot.pool(&pool.name))
        {
            set.adopt(&running.conf.backends);
        }
        pool.backends = set.backends();
        sets.insert(pool.name.clone(), set);
    }
    sets
}

/// True for the same source, whoever is asked about it.
fn is_same(a: &Source, b: &Source) -> bool {
    a.to_string() == b.to_string()
}

impl Set {
    /// True when it has nobody, and a source that has not answered yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.backends().is_empty() && self.sources.iter().any(Found::is_waiting)
    }

    pub(super) fn source_mut(&mut self, source: &str) -> Option<&mut Found> {
        self.sources.iter_mut().find(|found| found.discover.source.to_string() == source)
    }

    /// Backends the pool has under the old configuration stay until its new source has answered.
    fn adopt(&mut self, backends: &[Backend]) {
        let members = backends.iter().map(|backend| Member { backend: backend.clone(), priority: 0 });
        if let Some(found) = self.sources.iter_mut().find(|found| found.is_waiting()) {
            found.roster = Roster::adopt(members.map(named));
        }
    }

    /// Who gets traffic, in order: who has a name first keeps it.
    pub(super) fn backends(&self) -> Vec<Backend> {
        let level = self.level();
        let mut names: HashSet<&str> = self.fixed.iter().map(|backend| backend.name.as_str()).collect();
        let mut all = self.fixed.clone();
        for member in self.members().filter(|member| member.priority <= level) {
            if names.insert(&member.backend.name) {
                all.push(member.backend.clone());
            }
        }
        all
    }

    /// The source of every member, with what is known of it there.
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.sources.iter().flat_map(|found| found.roster.members())
    }

    fn levels(&self) -> BTreeSet<u32> {
        self.members().map(|member| member.priority).collect()
    }

    /// The greatest priority number that gets traffic.
    fn level(&self) -> u32 {
        let levels = self.levels();
        levels.iter().nth(self.depth).or_else(|| levels.last()).copied().unwrap_or_default()
    }

    /// Goes one number up when nobody is eligible, and one down when those of lower numbers have been for a while.
    /// Says so when that changes something.
    pub(super) fn call(&mut self, eligible: &HashSet<&str>) -> Option<String> {
        let levels = self.levels();
        let level = self.level();
        self.depth = self.depth.min(levels.len().saturating_sub(1));
        if eligible.is_empty() && self.depth + 1 < levels.len() {
            (self.depth, self.calm) = (self.depth + 1, 0);
            return Some(format!(
                "nobody of priority {level} or below can be picked: the reserve of {} joins",
                self.level()
            ));
        }
        let is_lower =
            |member: &&Member| member.priority < level && eligible.contains(member.backend.name.as_str());
        let is_needed = self.depth == 0 || !self.members().any(|member| is_lower(&member));
        self.calm = if is_needed { 0 } else { self.calm + 1 };
        if self.calm < CALM {
            return None;
        }
        (self.depth, self.calm) = (self.depth - 1, 0);
        Some(format!("backends of a priority below {level} can be picked again: the reserve leaves"))
    }

    /// Its sources, for people.
    pub(in crate::control) fn views(&self) -> Vec<DiscoveryView> {
        let level = self.level();
        let view = |found: &Found| found.view(found.roster.members().filter(|m| m.priority > level).count());
        self.sources.iter().map(view).collect()
    }

    /// What operators added, if the pool takes backends from them at all.
    pub(in crate::control) fn said(&self) -> Option<&Roster<Member>> {
        let found = self.sources.iter().find(|found| found.discover.source == Source::Api);
        found.map(|found| &found.roster)
    }

    /// Where this backend comes from, when that is not an operator.
    pub(in crate::control) fn elsewhere(&self, name: &str) -> Option<String> {
        let fixed = self.fixed.iter().find(|backend| backend.name == name);
        let mut others = self.sources.iter().filter(|found| found.discover.source != Source::Api);
        let found = others.find_map(|found| found.roster.get(name)).map(|member| &member.backend);
        fixed.or(found).map(|backend| backend.origin.0.clone())
    }

    /// How many more operators may add.
    pub(in crate::control) fn room(&self) -> usize {
        let api = self.sources.iter().find(|found| found.discover.source == Source::Api);
        api.map_or(0, |found| found.discover.max_backends.saturating_sub(found.roster.len()))
    }
}

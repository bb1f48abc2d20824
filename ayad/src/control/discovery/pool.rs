//! The backends of one pool: those of its file and those of its sources, merged.

use std::collections::{BTreeMap, HashSet};

use aya_api::view::DiscoveryView;
use aya_core::discovery::Roster;

use super::named;
use super::source::Found;
use crate::config::{Backend, Config, Discover, Source};
use crate::state::Snapshot;

/// What was discovered, by pool.
pub(in crate::control) type Sets = BTreeMap<String, Set>;

/// The backends of one pool.
#[derive(Clone, Debug)]
pub(in crate::control) struct Set {
    /// Those of the file.
    fixed: Vec<Backend>,
    pub(in crate::control) sources: Vec<Found>,
}

/// The sets of a configuration, whose pools get their backends: from sources that go on, from what is `known` of those
/// that are new, and where a pool would have nobody, those it has in the snapshot in force.
pub(super) fn sets(
    config: &mut Config,
    before: &Sets,
    known: &dyn Fn(&str, &Source) -> Option<Vec<Backend>>,
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
        let mut set = Set { fixed, sources };
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
        if let Some(found) = self.sources.iter_mut().find(|found| found.is_waiting()) {
            found.roster = Roster::adopt(backends.iter().cloned().map(named));
        }
    }

    /// Who is in the pool, in order: who has a name first keeps it.
    pub(super) fn backends(&self) -> Vec<Backend> {
        let mut names: HashSet<&str> = self.fixed.iter().map(|backend| backend.name.as_str()).collect();
        let mut all = self.fixed.clone();
        for backend in self.sources.iter().flat_map(|found| found.roster.members()) {
            if names.insert(&backend.name) {
                all.push(backend.clone());
            }
        }
        all
    }

    /// Its sources, for people.
    pub(in crate::control) fn views(&self) -> Vec<DiscoveryView> {
        self.sources.iter().map(Found::view).collect()
    }

    /// What operators added, if the pool takes backends from them at all.
    pub(in crate::control) fn said(&self) -> Option<&Roster<Backend>> {
        let found = self.sources.iter().find(|found| found.discover.source == Source::Api);
        found.map(|found| &found.roster)
    }

    /// Where this backend comes from, when that is not an operator.
    pub(in crate::control) fn elsewhere(&self, name: &str) -> Option<String> {
        let fixed = self.fixed.iter().find(|backend| backend.name == name);
        let mut others = self.sources.iter().filter(|found| found.discover.source != Source::Api);
        let found = others.find_map(|found| found.roster.get(name));
        fixed.or(found).map(|backend| backend.origin.0.clone())
    }

    /// How many more operators may add.
    pub(in crate::control) fn room(&self) -> usize {
        let api = self.sources.iter().find(|found| found.discover.source == Source::Api);
        api.map_or(0, |found| found.discover.max_backends.saturating_sub(found.roster.len()))
    }
}

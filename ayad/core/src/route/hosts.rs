//! The roots of all tries, by host.

use super::HostMatch;
use super::order::Route;
use super::trie::{Builder, Tries};

/// What roots hang below: numbers that no node has.
const EXACT: u32 = u32::MAX - 1;
const WILDCARD: u32 = u32::MAX - 2;
const ANY: u32 = u32::MAX - 3;

/// Which hosts there are.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    any: Option<u32>,
    has_names: bool,
    has_wildcards: bool,
    /// By root, in order. Only asked when nothing was found.
    served: Vec<Served>,
}

/// Which listeners the routes of one host are for.
#[derive(Debug)]
struct Served {
    root: u32,
    by_all: bool,
    /// Sorted.
    by: Vec<u16>,
}

impl Hosts {
    /// The roots of all hosts that match a name, most specific first.
    pub(super) fn roots<'t>(&'t self, tries: &'t Tries, name: &'t [u8]) -> impl Iterator<Item = u32> + 't {
        let name_of_wildcards = if self.has_wildcards { name } else { &[] };
        let labels = name_of_wildcards.iter().enumerate().skip(1).filter(|&(_, &byte)| byte == b'.');
        let wildcards = labels.filter_map(move |(at, _)| tries.root(WILDCARD, &name[at..]));
        let exact = if self.has_names { tries.root(EXACT, name) } else { None };
        exact.into_iter().chain(wildcards).chain(self.any)
    }

    /// Whether some route of this root is for a listener.
    pub(super) fn serves(&self, root: u32, listener: u16) -> bool {
        let at = self.served.binary_search_by_key(&root, |served| served.root);
        at.is_ok_and(|at| {
            let served = &self.served[at];
            served.by_all || served.by.binary_search(&listener).is_ok()
        })
    }

    /// The root for a route. Routes come in order of specificity, so those of one host come together.
    pub(super) fn add(&mut self, builder: &mut Builder, route: &Route<'_>) -> u32 {
        let root = match route.host {
            HostMatch::Any => *self.any.get_or_insert_with(|| builder.root(ANY, b"")),
            HostMatch::Exact(name) => {
                self.has_names = true;
                builder.root(EXACT, name.as_bytes())
            }
            HostMatch::Wildcard(suffix) => {
                self.has_wildcards = true;
                builder.root(WILDCARD, suffix.as_bytes())
            }
        };
        if self.served.last().is_none_or(|last| last.root != root) {
            self.served.push(Served { root, by_all: false, by: Vec::new() });
        }
        if let Some(served) = self.served.last_mut() {
            match &route.listeners {
                None => served.by_all = true,
                Some(named) => {
                    let fresh = named.iter().filter(|listener| served.by.binary_search(listener).is_err());
                    let fresh: Vec<u16> = fresh.copied().collect();
                    served.by.extend(fresh);
                    served.by.sort_unstable();
                }
            }
        }
        root
    }
}

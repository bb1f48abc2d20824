//! The tries of segments of all hosts, and the search through one of them.
//!
//! They share their memory: nodes in one list, steps by literal text in one table ([`super::edges`]), what routes ask
//! besides host and path in another ([`super::rules`]). A node is known by its place in the list, and a trie by that of
//! its root.

use super::context::{Answer, Facts};
use super::edges::{Edges, tag};
use super::node::{Long, NONE, Node, Routes, Which};
use super::order::Route;
use super::pattern::Segment;
use super::rules::{Collected, Rules};

/// All tries.
#[derive(Debug, Default)]
pub(super) struct Tries {
    nodes: Vec<Node>,
    long: Long,
    edges: Edges,
    lists: Vec<Vec<Leaf>>,
    /// The first has no conditions.
    rules: Vec<Rules>,
}

/// A route at the end of a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    route: u32,
    /// Index of its rules.
    rules: u32,
}

/// A leaf with what it asks.
#[derive(Clone, Copy)]
struct Candidate<'t> {
    route: u32,
    rules: &'t Rules,
}

impl Tries {
    /// The root that hangs below `above` by this text; roots of hosts hang below numbers that are no nodes.
    pub(super) fn root(&self, above: u32, text: &[u8]) -> Option<u32> {
        if self.edges.is_empty() {
            return None;
        }
        self.edges.find(tag(above, text), |node| self.nodes[node as usize].is(above, text, &self.long))
    }

    /// Shows every route that matches the path to `take`, most specific first, until it takes one. Whether a request
    /// is for it otherwise is left to `take`.
    fn visit<'t>(
        &'t self,
        root: u32,
        path: &str,
        take: &mut impl FnMut(Candidate<'t>) -> Option<u32>,
    ) -> Option<u32> {
        match path.strip_prefix('/') {
            Some(below) => self.walk(root, Some(below), take),
            // `OPTIONS *` has no path; only a route for everything takes it.
            None => self.offer(self.nodes[root as usize].rest, take),
        }
    }

    /// `path` is what follows this node's slash; `None` when the path ended at this node. Recursion is
    /// bounded by the depth of the trie, and no node is visited twice.
    fn walk<'t>(
        &'t self,
        at: u32,
        path: Option<&str>,
        take: &mut impl FnMut(Candidate<'t>) -> Option<u32>,
    ) -> Option<u32> {
        let node = &self.nodes[at as usize];
        let Some(path) = path else {
            return self.offer(node.end, take).or_else(|| self.offer(node.rest, take));
        };
        let (segment, below) = match path.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (path, None),
        };
        let literal = self.root(at, segment.as_bytes());
        let parameter = Some(node.parameter).filter(|node| *node != NONE && !segment.is_empty());
        for child in [literal, parameter].into_iter().flatten() {
            if let Some(route) = self.walk(child, below, take) {
                return Some(route);
            }
        }
        self.offer(node.rest, take)
    }

    fn offer<'t>(
        &'t self,
        routes: Routes,
        take: &mut impl FnMut(Candidate<'t>) -> Option<u32>,
    ) -> Option<u32> {
        match routes.which() {
            Which::None => None,
            Which::One(route) => take(Candidate { route, rules: &self.rules[0] }),
            Which::List(index) => self.lists[index].iter().find_map(|leaf| {
                take(Candidate { route: leaf.route, rules: &self.rules[leaf.rules as usize] })
            }),
        }
    }

    /// Adds the methods that routes of a listener name for this path, each once.
    pub(super) fn methods<'t>(&'t self, root: u32, listener: u16, path: &str, out: &mut Vec<&'t str>) {
        self.visit(root, path, &mut |candidate: Candidate<'t>| {
            for method in candidate.rules.methods.iter().filter(|_| candidate.rules.serves(listener)) {
                if !out.contains(&method.as_str()) {
                    out.push(method);
                }
            }
            None
        });
    }
}

/// Tries in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    tries: Tries,
    rules: Collected,
}

impl Builder {
    /// The root that hangs below `above` by this text; makes one if there is none.
    pub(super) fn root(&mut self, above: u32, text: &[u8]) -> u32 {
        if let Some(known) = self.tries.root(above, text) {
            return known;
        }
        let fresh = self.push(above, text);
        self.tries.edges.insert(tag(above, text), fresh);
        fresh
    }

    /// Adds a route below a root. Routes come in order of specificity.
    pub(super) fn insert(&mut self, root: u32, route: &Route<'_>) {
        let at = route.pattern.segments.iter().fold(root, |node, segment| match segment {
            Segment::Literal(text) => self.root(node, text.as_bytes()),
            Segment::Parameter => self.parameter(node),
        });
        let rules = self.rules.of(route);
        let Tries { nodes, lists, .. } = &mut self.tries;
        let node = &mut nodes[at as usize];
        let routes = if route.pattern.rest { &mut node.rest } else { &mut node.end };
        // The first rules are those of nobody.
        let leaf = Leaf { route: route.index as u32, rules: rules.map_or(0, |place| place + 1) };
        match routes.which() {
            Which::None if rules.is_none() => *routes = Routes::one(leaf.route),
            Which::None => {
                *routes = Routes::list(lists.len());
                lists.push(vec![leaf]);
            }
            Which::One(route) => {
                *routes = Routes::list(lists.len());
                lists.push(vec![Leaf { route, rules: 0 }, leaf]);
            }
            Which::List(index) => lists[index].push(leaf),
        }
    }

    /// The tries as they are searched.
    pub(super) fn finish(self) -> Tries {
        let Self { mut tries, rules } = self;
        tries.rules = std::iter::once(Rules::default()).chain(rules.all).collect();
        tries.nodes.shrink_to_fit();
        tries
    }

    fn parameter(&mut self, node: u32) -> u32 {
        let known = self.tries.nodes[node as usize].parameter;
        if known != NONE {
            return known;
        }
        let fresh = self.push(node, b"");
        self.tries.nodes[node as usize].parameter = fresh;
        fresh
    }

    fn push(&mut self, above: u32, text: &[u8]) -> u32 {
        let Tries { nodes, long, .. } = &mut self.tries;
        nodes.push(Node::new(above, text, long));
        (nodes.len() - 1) as u32
    }
}

/// One search for a route, over the tries of several hosts; remembers how far it came.
pub(super) struct Search<'s> {
    listener: u16,
    method: &'s str,
    facts: &'s mut dyn Facts,
    path_matched: bool,
    is_unread: bool,
}

impl<'s> Search<'s> {
    pub(super) fn new(listener: u16, method: &'s str, facts: &'s mut dyn Facts) -> Self {
        Self { listener, method, facts, path_matched: false, is_unread: false }
    }

    /// The most specific route of one host.
    pub(super) fn run(&mut self, tries: &Tries, root: u32, path: &str) -> Option<u32> {
        tries.visit(root, path, &mut |candidate| self.take(candidate))
    }

    /// Whether some route matched by all but method, headers and circumstances.
    pub(super) fn path_matched(&self) -> bool {
        self.path_matched
    }

    /// Whether the search ended at a route of which cannot be said whether it matches, before the body is read.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread
    }

    fn take(&mut self, Candidate { route, rules }: Candidate<'_>) -> Option<u32> {
        if !rules.serves(self.listener) {
            return None;
        }
        self.path_matched = true;
        let answer = rules.match_request(self.method, self.facts);
        self.is_unread = answer == Answer::Unread;
        (answer != Answer::No).then_some(route)
    }
}

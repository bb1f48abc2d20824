//! The trie of segments of one host, and the search through it.

use super::Found;
use super::literals::Literals;
use super::order::Route;
use super::pattern::Segment;

/// All routes of one host. The first node is the root, before the first segment.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// Whether some route is for every listener.
    all_listeners: bool,
    /// Listeners that routes name.
    listeners: Vec<u16>,
}

#[derive(Debug, Default)]
struct Node {
    /// Child nodes by literal segment.
    literals: Literals,
    /// Child node for any segment that is not empty.
    parameter: Option<usize>,
    /// Routes whose path ends here, most specific first.
    end: Vec<Leaf>,
    /// Routes that match whatever follows here, most specific first.
    rest: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    route: usize,
    methods: Vec<String>,
    headers: Vec<(String, String)>,
    listeners: Option<Vec<u16>>,
}

impl Leaf {
    fn serves(&self, listener: u16) -> bool {
        self.listeners.as_ref().is_none_or(|listeners| listeners.binary_search(&listener).is_ok())
    }
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], all_listeners: false, listeners: Vec::new() }
    }
}

impl Trie {
    /// Adds a route. Routes come in order of specificity.
    pub(super) fn insert(&mut self, route: Route) {
        match &route.listeners {
            None => self.all_listeners = true,
            Some(named) => self.listeners.extend(named),
        }
        self.listeners.sort_unstable();
        self.listeners.dedup();
        let node = route.pattern.segments.iter().fold(0, |node, segment| self.child(node, segment));
        let node = &mut self.nodes[node];
        let leaves = if route.pattern.rest { &mut node.rest } else { &mut node.end };
        let Route { index, methods, headers, listeners, .. } = route;
        leaves.push(Leaf { route: index, methods, headers, listeners });
    }

    /// Adds the methods that routes of a listener name for this path, each once.
    pub(super) fn methods<'t>(&'t self, listener: u16, path: &str, out: &mut Vec<&'t str>) {
        self.visit(path, &mut |leaf: &'t Leaf| {
            for method in leaf.methods.iter().filter(|_| leaf.serves(listener)) {
                if !out.contains(&method.as_str()) {
                    out.push(method);
                }
            }
            None
        });
    }

    /// Shows every route that matches the path to `take`, most specific first, until it takes one.
    fn visit<'t>(&'t self, path: &str, take: &mut impl FnMut(&'t Leaf) -> Option<usize>) -> Option<usize> {
        let root = &self.nodes[0];
        match path.strip_prefix('/') {
            Some(below) => self.walk(root, Some(below), take),
            // `OPTIONS *` has no path; only a route for everything takes it.
            None => root.rest.iter().find_map(take),
        }
    }

    /// `path` is what follows this node's slash; `None` when the path ended at this node. Recursion is
    /// bounded by the depth of the trie, and no node is visited twice.
    fn walk<'t>(
        &'t self,
        node: &'t Node,
        path: Option<&str>,
        take: &mut impl FnMut(&'t Leaf) -> Option<usize>,
    ) -> Option<usize> {
        let Some(path) = path else {
            return node.end.iter().chain(&node.rest).find_map(take);
        };
        let (segment, below) = match path.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (path, None),
        };
        let literal = node.literals.get(segment);
        let parameter = node.parameter.filter(|_| !segment.is_empty());
        for child in [literal, parameter].into_iter().flatten() {
            if let Some(route) = self.walk(&self.nodes[child], below, take) {
                return Some(route);
            }
        }
        node.rest.iter().find_map(take)
    }

    fn serves(&self, listener: u16) -> bool {
        self.all_listeners || self.listeners.binary_search(&listener).is_ok()
    }

    fn child(&mut self, node: usize, segment: &Segment) -> usize {
        let fresh = self.nodes.len();
        let parent = &mut self.nodes[node];
        let child = match segment {
            Segment::Parameter => *parent.parameter.get_or_insert(fresh),
            Segment::Literal(text) => parent.literals.get_or_insert(text, fresh),
        };
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }
}

/// One search for a route, over the tries of several hosts; remembers how far it came.
pub(super) struct Search<'s, 'r> {
    listener: u16,
    method: &'s str,
    header: &'s mut dyn FnMut(&str) -> Option<&'r [u8]>,
    host_matched: bool,
    path_matched: bool,
}

impl<'s, 'r> Search<'s, 'r> {
    pub(super) fn new(
        listener: u16,
        method: &'s str,
        header: &'s mut dyn FnMut(&str) -> Option<&'r [u8]>,
    ) -> Self {
        Self { listener, method, header, host_matched: false, path_matched: false }
    }

    /// The most specific route of one host.
    pub(super) fn run(&mut self, trie: &Trie, path: &str) -> Option<usize> {
        self.host_matched |= trie.serves(self.listener);
        trie.visit(path, &mut |leaf| self.take(leaf))
    }

    /// Why nothing was found.
    pub(super) fn why_not(&self) -> Found {
        match (self.host_matched, self.path_matched) {
            (_, true) => Found::NoMethod,
            (true, false) => Found::NoPath,
            (false, false) => Found::NoHost,
        }
    }

    fn take(&mut self, leaf: &Leaf) -> Option<usize> {
        if !leaf.serves(self.listener) {
            return None;
        }
        self.path_matched = true;
        let method = leaf.methods.is_empty() || leaf.methods.iter().any(|method| method == self.method);
        let mut headers = leaf.headers.iter();
        let matched = method && headers.all(|(name, value)| (self.header)(name) == Some(value.as_bytes()));
        matched.then_some(leaf.route)
    }
}

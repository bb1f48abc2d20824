//! Routing: which route a request takes, by listener, host, path, method, headers and circumstances ([`Context`]).
//!
//! The most specific match wins and the order in the file never matters: exact host, longer wildcard, shorter
//! wildcard, any host; then the path segment by segment, literal before parameter before rest; then routes
//! that name methods before those that do not; then more conditions before fewer, whatever they are about (each
//! header, cookie, parameter and field of the body is one; so is a list of countries, and one of networks); then
//! fewer methods; then the narrower conditions: narrower networks, fewer networks, more exact values, longer
//! beginnings, fewer countries. A route that fails on any of it gives way to the next less specific one. Where two
//! different routes are equally specific for some request (other methods, other headers), their text decides, so
//! that a run never depends on order; two routes that match the very same requests are an error.
//!
//! A body is a fact that has to be waited for: a search that depends on one that was not read ends with
//! [`Found::Unread`], and is repeated once it was.
//!
//! Routes become one trie of segments for each host, searched with backtracking: each node at most once, no
//! allocation, and two pieces of memory read for each segment, however many routes there are. A regular-expression set was not taken, because it cannot
//! say which of two matches is more specific and people cannot predict it.
//!
//! What it deliberately does not do: decode percent-escapes, merge slashes or resolve dots (paths arrive in
//! their normal form, see [`crate::path`], and a route that no such path can match is an error), strip ports from hosts or queries from paths (the parser has them apart).

mod context;
mod edges;
mod hosts;
mod node;
mod order;
mod pattern;
mod rules;
mod trie;

use std::fmt;

use context::Headers;
use hosts::Hosts;
use pattern::Pattern;
use trie::{Builder, Search, Tries};

pub use context::{Context, Country, Facts, Field, Network};
pub use pattern::{MAX_PATH, MAX_SEGMENTS};

/// Longest host name that can match anything but "any host", in bytes.
pub const MAX_HOST: usize = 255;

/// Which hosts a route is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostMatch {
    /// Every host, and requests without one.
    Any,
    /// This host, in lower case.
    Exact(String),
    /// Every host that ends in this suffix, such as `.example.com`, with at least one label before it.
    Wildcard(String),
}

impl HostMatch {
    /// Reads `*`, `shop.example.com` or `*.example.com`; the case does not matter.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        if let Some(problem) = host_problem(name) {
            return Err(RouteError::Host { text: text.to_owned(), problem });
        }
        Ok(match lower.strip_prefix('*') {
            Some(suffix) => Self::Wildcard(suffix.to_owned()),
            None => Self::Exact(lower),
        })
    }
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.pad("*"),
            Self::Exact(name) => f.pad(name),
            Self::Wildcard(suffix) => f.pad(&format!("*{suffix}")),
        }
    }
}

/// One route as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// Hosts it is for.
    pub host: HostMatch,
    /// Path: exact (`/login`), with parameters (`/users/{id}`), or with a rest (`/api/*`, which matches
    /// `/api` too). A slash at the end counts.
    pub path: String,
    /// Methods in upper case; empty for all.
    pub methods: Vec<String>,
    /// Header conditions that must all hold: name (the case does not matter), and a value that is exact or ends
    /// in `*`.
    pub headers: Vec<(String, String)>,
    /// Conditions on everything else.
    pub context: Context,
    /// Indices of the listeners it is for; `None` for all.
    pub listeners: Option<Vec<u16>>,
}

/// Why a set of routes was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The host of a match cannot be a host.
    Host {
        /// As it was written.
        text: String,
        /// What is wrong and what would be accepted.
        problem: &'static str,
    },
    /// The path of a match cannot be a path.
    Path {
        /// Index of the route.
        route: usize,
        /// As it was written.
        path: String,
        /// What is wrong and what would be accepted.
        problem: &'static str,
    },
    /// Two routes match exactly the same requests.
    Duplicate {
        /// Index of the one that comes first.
        first: usize,
        /// Index of the other.
        second: usize,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { text, problem } => write!(f, "host \"{text}\": {problem}"),
            Self::Path { path, problem, .. } => write!(f, "path \"{path}\": {problem}"),
            Self::Duplicate { first, second } => {
                write!(f, "routes {first} and {second} match the same requests")
            }
        }
    }
}

impl std::error::Error for RouteError {}

/// What came of looking for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Index of the route in the list the router was built from.
    Route(usize),
    /// No route is for this host.
    NoHost,
    /// Routes are for this host, but none for this path.
    NoPath,
    /// Routes match host and path, but none the method, the headers or the circumstances.
    NoMethod,
    /// A route depends on the body, which was not read yet.
    Unread,
}

/// The compiled routes; the default has none.
#[derive(Debug, Default)]
pub struct Router {
    hosts: Hosts,
    tries: Tries,
    order: Vec<u32>,
}

impl Router {
    /// Compiles routes; reports everything that is wrong with them.
    pub fn build<'s>(specs: impl IntoIterator<Item = &'s RouteSpec>) -> Result<Self, Vec<RouteError>> {
        let mut errors = Vec::new();
        let mut routes = Vec::new();
        for (index, spec) in specs.into_iter().enumerate() {
            match Pattern::parse(&spec.path) {
                Ok(pattern) => routes.push(order::Route::new(index, spec, pattern)),
                Err(problem) => {
                    errors.push(RouteError::Path { route: index, path: spec.path.clone(), problem });
                }
            }
        }
        routes.sort_unstable_by(order::Route::compare);
        errors.extend(order::duplicates(&routes));
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self::assemble(&routes))
    }

    /// The route for a request: `listener` is the index of the listener it came in by, `host` is without port
    /// in any case, `path` is without query, and `header` gives the value of a header by its lower-case name.
    pub fn find<'r>(
        &self,
        listener: u16,
        host: &str,
        path: &str,
        method: &str,
        header: &mut dyn FnMut(&str) -> Option<&'r [u8]>,
    ) -> Found {
        self.find_by(listener, host, path, method, &mut Headers(header))
    }

    /// As [`Router::find`], by everything that can be known of a request. A fact is asked for only when the route that
    /// is looked at depends on it.
    pub fn find_by(
        &self,
        listener: u16,
        host: &str,
        path: &str,
        method: &str,
        facts: &mut dyn Facts,
    ) -> Found {
        let mut buffer = [0; MAX_HOST];
        let mut search = Search::new(listener, method, facts);
        let host = lower_case(host, &mut buffer);
        for root in self.hosts.roots(&self.tries, host) {
            match search.run(&self.tries, root, path) {
                Some(_) if search.is_unread() => return Found::Unread,
                Some(route) => return Found::Route(route as usize),
                None => {}
            }
        }
        let host_matched =
            || self.hosts.roots(&self.tries, host).any(|root| self.hosts.serves(root, listener));
        match search.path_matched() {
            true => Found::NoMethod,
            false if host_matched() => Found::NoPath,
            false => Found::NoHost,
        }
    }

    /// The methods that routes name for this listener, host and path, for the `Allow` header after
    /// [`Found::NoMethod`]. If the method that was asked for is among them, its headers did not match. Not
    /// for the path of requests that succeed: it allocates.
    pub fn methods(&self, listener: u16, host: &str, path: &str) -> Vec<&str> {
        let mut buffer = [0; MAX_HOST];
        let mut methods = Vec::new();
        for root in self.hosts.roots(&self.tries, lower_case(host, &mut buffer)) {
            self.tries.methods(root, listener, path, &mut methods);
        }
        methods
    }

    /// The indices of all routes, most specific first.
    pub fn order(&self) -> Vec<usize> {
        self.order.iter().map(|index| *index as usize).collect()
    }

    /// Builds the tries from routes in order of specificity, so that every list in them is in order too.
    fn assemble(routes: &[order::Route<'_>]) -> Self {
        let (mut hosts, mut builder) = (Hosts::default(), Builder::default());
        for route in routes {
            let root = hosts.add(&mut builder, route);
            builder.insert(root, route);
        }
        let order = routes.iter().map(|route| route.index as u32).collect();
        Self { hosts, tries: builder.finish(), order }
    }
}

fn host_problem(name: &str) -> Option<&'static str> {
    let bracketed = name.starts_with('[') && name.ends_with(']');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > MAX_HOST {
        Some("a host has 1 to 255 characters; leave it out to match every host")
    } else if name.contains('*') {
        Some("\"*\" is accepted alone or as the whole first label, as in \"*.example.com\"")
    } else if bracketed {
        let inside = &name[1..name.len() - 1];
        let address = inside.parse::<std::net::Ipv6Addr>();
        address.is_err().then_some("only an IPv6 address is accepted in brackets")
    } else if name.contains(':') {
        Some("the port is no part of the match; name a listener to tell ports apart")
    } else if !name.bytes().all(plain) || name.split('.').any(str::is_empty) {
        Some("labels of letters, digits, \"-\" and \"_\" with single dots between are accepted")
    } else {
        None
    }
}

/// The host in lower case without a final dot; empty, which no table holds, when it is too long.
fn lower_case<'b>(host: &str, buffer: &'b mut [u8; MAX_HOST]) -> &'b [u8] {
    let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
    let Some(name) = buffer.get_mut(..host.len()) else { return &[] };
    name.copy_from_slice(host);
    name.make_ascii_lowercase();
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: &str, path: &str) -> RouteSpec {
        let host = HostMatch::parse(host).unwrap();
        RouteSpec {
            host,
            path: path.into(),
            methods: Vec::new(),
            headers: Vec::new(),
            context: Context::default(),
            listeners: None,
        }
    }

    fn find(routes: &[RouteSpec], host: &str, path: &str) -> Found {
        Router::build(routes).unwrap().find(0, host, path, "GET", &mut |_| None)
    }

    #[test]
    fn hosts_are_compared_from_exact_to_any_whatever_the_order() {
        let routes = [
            route("*", "/*"),
            route("*.example.com", "/*"),
            route("*.b.example.com", "/*"),
            route("a.b.example.com", "/*"),
        ];

        assert_eq!(find(&routes, "A.b.Example.com", "/"), Found::Route(3));
        assert_eq!(find(&routes, "c.b.example.com.", "/"), Found::Route(2));
        assert_eq!(find(&routes, "c.example.com", "/"), Found::Route(1));
        assert_eq!(find(&routes, "example.com", "/"), Found::Route(0));
        assert_eq!(find(&routes, ".example.com", "/"), Found::Route(0));
        assert_eq!(find(&routes, &"x.".repeat(400), "/"), Found::Route(0));
        assert_eq!(find(&routes[1..], "", "/"), Found::NoHost);
    }

    #[test]
    fn a_less_specific_host_answers_for_paths_the_other_lacks() {
        let routes = [route("a.example.com", "/only"), route("*", "/*")];

        assert_eq!(find(&routes, "a.example.com", "/only"), Found::Route(0));
        assert_eq!(find(&routes, "a.example.com", "/other"), Found::Route(1));
        assert_eq!(find(&routes[..1], "a.example.com", "/other"), Found::NoPath);
    }

    #[test]
    fn methods_and_headers_narrow_a_route_and_failing_them_falls_back() {
        let mut get = route("*", "/a");
        get.methods = vec!["GET".into()];
        let mut gold = get.clone();
        gold.headers = vec![("X-Plan".into(), "gold".into())];
        let router = Router::build(&[route("*", "/*"), get.clone(), gold]).unwrap();
        let find = |method, plan: Option<&'static [u8]>| {
            router.find(0, "x", "/a", method, &mut |name| plan.filter(|_| name == "x-plan"))
        };

        assert_eq!(find("GET", Some(b"gold")), Found::Route(2));
        assert_eq!(find("GET", Some(b"iron")), Found::Route(1));
        assert_eq!(find("PUT", Some(b"gold")), Found::Route(0));
        let only = Router::build(&[get]).unwrap();
        assert_eq!(only.find(0, "x", "/a", "PUT", &mut |_| None), Found::NoMethod);
        assert_eq!(only.methods(0, "x", "/a"), ["GET"]);
        assert!(only.methods(0, "x", "/b").is_empty());
    }

    #[test]
    fn a_route_is_invisible_on_listeners_it_is_not_for() {
        let mut admin = route("*", "/a");
        admin.listeners = Some(vec![1]);
        let router = Router::build(&[admin.clone(), route("*", "/a")]).unwrap();
        let alone = Router::build(&[admin]).unwrap();

        assert_eq!(router.find(1, "x", "/a", "GET", &mut |_| None), Found::Route(0));
        assert_eq!(router.find(0, "x", "/a", "GET", &mut |_| None), Found::Route(1));
        assert_eq!(alone.find(0, "x", "/a", "GET", &mut |_| None), Found::NoHost);
    }

    #[test]
    fn the_same_match_twice_is_an_error_that_names_both() {
        let mut listener = route("*", "/users/{name}");
        listener.listeners = Some(vec![3]);
        let routes = [
            route("*", "/users/{id}"),
            route("*", "/x"),
            route("*", "/users/{name}"),
            listener.clone(),
            listener,
        ];

        let errors = Router::build(&routes).unwrap_err();

        assert_eq!(
            errors,
            [RouteError::Duplicate { first: 3, second: 4 }, RouteError::Duplicate { first: 0, second: 2 }]
        );
    }

    #[test]
    fn every_bad_path_is_reported_at_once() {
        let errors = Router::build(&[route("*", "a"), route("*", "/ok"), route("*", "/*/b")]).unwrap_err();

        let bad: Vec<usize> = errors
            .iter()
            .filter_map(|e| if let RouteError::Path { route, .. } = e { Some(*route) } else { None })
            .collect();
        assert_eq!(bad, [0, 2]);
    }

    #[test]
    fn hosts_that_cannot_be_are_refused() {
        for bad in ["", "a*.com", "*.*.com", "a.com:80", "a..com", "a b", "*.", "[1.2.3.4]", "*com"] {
            assert!(HostMatch::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HostMatch::parse("[::1]"), Ok(HostMatch::Exact("[::1]".into())));
        assert_eq!(HostMatch::parse("*.Example.com").unwrap().to_string(), "*.example.com");
    }

    #[test]
    fn order_is_by_specificity() {
        let routes = [route("*", "/*"), route("*", "/a/{b}"), route("a.com", "/*"), route("*", "/a/b")];

        assert_eq!(Router::build(&routes).unwrap().order(), [2, 3, 1, 0]);
    }
}

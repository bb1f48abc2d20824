//! The router against a naive one that tries every route: the trie must find a most specific match, say why
//! when there is none, and never depend on the order of the routes.

use std::cmp::Reverse;

use aya_core::route::{Found, HostMatch, RouteError, RouteSpec, Router};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Request {
    listener: u16,
    host: String,
    path: String,
    method: String,
    plan: Option<String>,
}

fn host_matches(route: &RouteSpec, host: &str) -> bool {
    match &route.host {
        HostMatch::Any => true,
        HostMatch::Exact(name) => name == host,
        HostMatch::Wildcard(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    if let Some(prefix) = pattern.strip_suffix("/*") {
        let pieces = prefix.matches('/').count();
        let heads = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
        return heads.filter(|head| head.matches('/').count() == pieces).any(|head| same(prefix, head));
    }
    same(pattern, path)
}

fn same(pattern: &str, path: &str) -> bool {
    let (mut a, mut b) = (pattern.split('/'), path.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(p), Some(s)) if p == s || (p.starts_with('{') && !s.is_empty()) => {}
            _ => return false,
        }
    }
}

fn rest_matches(route: &RouteSpec, request: &Request) -> bool {
    (route.methods.is_empty() || route.methods.contains(&request.method))
        && route.headers.iter().all(|(_, value)| request.plan.as_ref() == Some(value))
}

/// Greater is more specific.
fn specificity(route: &RouteSpec) -> impl Ord {
    let host = match &route.host {
        HostMatch::Any => (0, 0),
        HostMatch::Wildcard(suffix) => (1, suffix.len()),
        HostMatch::Exact(_) => (2, 0),
    };
    let kinds = route.path.split('/').map(|s| {
        if s == "*" {
            0
        } else if s.starts_with('{') {
            2
        } else {
            3
        }
    });
    let mut path: Vec<u8> = kinds.collect();
    path.push(1);
    (host, path, !route.methods.is_empty(), route.headers.len(), Reverse(route.methods.len()))
}

fn naive<'a>(routes: &'a [RouteSpec], request: &Request) -> Result<Vec<&'a RouteSpec>, Found> {
    let listed = |route: &&RouteSpec| route.listeners.as_ref().is_none_or(|l| l.contains(&request.listener));
    let hosts: Vec<_> = routes.iter().filter(listed).filter(|r| host_matches(r, &request.host)).collect();
    let paths: Vec<_> = hosts.iter().copied().filter(|r| path_matches(&r.path, &request.path)).collect();
    let full: Vec<_> = paths.iter().copied().filter(|r| rest_matches(r, request)).collect();
    match (hosts.is_empty(), paths.is_empty(), full.is_empty()) {
        (true, ..) => Err(Found::NoHost),
        (_, true, _) => Err(Found::NoPath),
        (_, _, true) => Err(Found::NoMethod),
        _ => Ok(full),
    }
}

fn look(router: &Router, request: &Request) -> Found {
    router.find(request.listener, &request.host.to_uppercase(), &request.path, &request.method, &mut |name| {
        request.plan.as_deref().filter(|_| name == "x-plan").map(str::as_bytes)
    })
}

/// Takes out routes until no two are the same.
fn distinct(mut routes: Vec<RouteSpec>) -> (Vec<RouteSpec>, Router) {
    loop {
        match Router::build(&routes) {
            Ok(router) => return (routes, router),
            Err(errors) => match errors[0] {
                RouteError::Duplicate { second, .. } => routes.remove(second),
                ref other => panic!("a generated route was refused: {other}"),
            },
        };
    }
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn route() -> impl Strategy<Value = RouteSpec> {
    let host = one_of(&["*", "a.io", "b.a.io", "*.a.io", "*.b.a.io", "*.io"]);
    let segments = prop::collection::vec(one_of(&["a", "b", "{}"]), 0..4);
    let tail = one_of(&["", "/", "/*"]);
    let methods = prop::sample::subsequence(vec!["GET", "PUT"], 0..=2);
    let header = prop::option::weighted(0.3, one_of(&["gold", "iron"]));
    let listeners = prop::option::weighted(0.2, prop::sample::subsequence(vec![0_u16, 1], 1));
    (host, segments, tail, methods, header, listeners).prop_map(
        |(host, segments, tail, methods, header, listeners)| {
            let named = segments.iter().enumerate();
            let path: String =
                named.map(|(i, s)| if s == "{}" { format!("/{{p{i}}}") } else { format!("/{s}") }).collect();
            let path = if path.is_empty() && tail.is_empty() { "/".into() } else { path + &tail };
            RouteSpec {
                host: HostMatch::parse(&host).expect("the words above are hosts"),
                path,
                methods: methods.into_iter().map(str::to_owned).collect(),
                headers: header.map(|value| ("X-Plan".to_owned(), value)).into_iter().collect(),
                listeners,
            }
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let host = one_of(&["a.io", "b.a.io", "c.a.io", "c.b.a.io", "d.c.b.a.io", "x.io", "x.com", "io"]);
    let segments = prop::collection::vec(one_of(&["a", "b", "c", ""]), 1..5);
    let plan = prop::option::of(one_of(&["gold", "iron"]));
    (0_u16..2, host, segments, one_of(&["GET", "PUT", "POST"]), plan).prop_map(
        |(listener, host, segments, method, plan)| {
            let path = segments.iter().fold(String::new(), |path, segment| path + "/" + segment);
            Request { listener, host, path, method, plan }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_finds_what_trying_every_route_finds(
        routes in prop::collection::vec(route(), 0..25),
        requests in prop::collection::vec(request(), 30),
    ) {
        let (routes, router) = distinct(routes);
        for request in &requests {
            match (naive(&routes, request), look(&router, request)) {
                (Err(expected), found) => prop_assert_eq!(found, expected, "{:?}", request),
                (Ok(matching), Found::Route(index)) => {
                    let found = &routes[index];
                    prop_assert!(matching.iter().any(|route| std::ptr::eq(*route, found)), "{request:?}");
                    let best = matching.iter().map(|route| specificity(route)).max();
                    prop_assert!(best == Some(specificity(found)), "{request:?} got {found:?}");
                }
                (Ok(_), other) => prop_assert!(false, "{request:?} got {other:?}"),
            }
        }
    }

    #[test]
    fn the_order_of_the_routes_does_not_matter(
        routes in prop::collection::vec(route(), 0..25),
        requests in prop::collection::vec(request(), 30),
    ) {
        let (routes, forward) = distinct(routes);
        let reversed: Vec<RouteSpec> = routes.iter().rev().cloned().collect();
        let backward = Router::build(&reversed).unwrap();
        let mirrored = |found| match found {
            Found::Route(index) => Found::Route(routes.len() - 1 - index),
            other => other,
        };
        for request in &requests {
            prop_assert_eq!(look(&forward, request), mirrored(look(&backward, request)));
        }
    }

    #[test]
    fn any_text_is_survived(host in ".{0,40}", path in ".{0,40}", method in ".{0,8}", route in route()) {
        let request = Request { listener: 0, host, path, method, plan: None };
        look(&Router::build(&[route]).unwrap(), &request);
    }

    #[test]
    fn any_pattern_is_read_or_refused(host in ".{0,20}", path in "[/*{}a-c?]{0,20}") {
        if let Ok(host) = HostMatch::parse(&host) {
            let spec = RouteSpec { host, path, methods: vec![], headers: vec![], listeners: None };
            let _ = Router::build(&[spec]);
        }
    }
}

#[test]
fn five_thousand_routes_are_told_apart() {
    let spec = |i: usize| RouteSpec {
        host: if i.is_multiple_of(2) { HostMatch::Any } else { HostMatch::Exact(format!("h{}.io", i % 50)) },
        path: format!("/v1/service-{i}/items/{{id}}"),
        methods: Vec::new(),
        headers: Vec::new(),
        listeners: None,
    };
    let routes: Vec<RouteSpec> = (0..5_000).map(spec).collect();
    let router = Router::build(&routes).unwrap();

    for i in 0..5_000 {
        let (host, path) = (format!("h{}.io", i % 50), format!("/v1/service-{i}/items/7"));
        assert_eq!(router.find(0, &host, &path, "GET", &mut |_| None), Found::Route(i));
    }
    assert_eq!(router.order().len(), 5_000);
}

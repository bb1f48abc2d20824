//! The router against a naive one that tries every route: the trie must find a most specific match, say why
//! when there is none, and never depend on the order of the routes.

use std::cmp::Reverse;
use std::net::IpAddr;

use aya_core::route::{
    Context, Country, Facts, Field, Found, HostMatch, Network, RouteError, RouteSpec, Router,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Request {
    listener: u16,
    host: String,
    path: String,
    method: String,
    plan: Option<String>,
    circumstances: Circumstances,
}

/// What is known of a request besides; the body is read from the beginning, or not yet.
#[derive(Clone, Debug, Default)]
struct Circumstances {
    address: Option<IpAddr>,
    country: Option<Country>,
    cookie: Option<String>,
    query: Option<String>,
    model: Option<String>,
    is_unread: bool,
}

impl Facts for Request {
    fn header(&mut self, name: &str) -> Option<&[u8]> {
        self.plan.as_deref().filter(|_| name == "x-plan").map(str::as_bytes)
    }

    fn address(&mut self) -> Option<IpAddr> {
        self.circumstances.address
    }

    fn country(&mut self) -> Option<Country> {
        self.circumstances.country
    }

    fn cookie(&mut self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        name == "c" && self.circumstances.cookie.as_ref().is_some_and(|value| test(value.as_bytes()))
    }

    fn query(&mut self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        name == "q" && self.circumstances.query.as_ref().is_some_and(|value| test(value.as_bytes()))
    }

    fn field(&mut self, way: &[String]) -> Field<'_> {
        match &self.circumstances.model {
            _ if self.circumstances.is_unread => Field::Unread,
            Some(model) if way == ["model"] => Field::Text(model),
            _ => Field::Absent,
        }
    }
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

fn is_like(wanted: &str, found: Option<&String>) -> bool {
    found.is_some_and(|found| match wanted.strip_suffix('*') {
        Some(beginning) => found.starts_with(beginning),
        None => found == wanted,
    })
}

fn context_matches(context: &Context, request: &Circumstances) -> bool {
    let Context { countries, networks, cookies, queries, fields } = context;
    (countries.is_empty() || request.country.is_some_and(|country| countries.contains(&country)))
        && (networks.is_empty()
            || networks.iter().any(|net| request.address.is_some_and(|address| net.contains(address))))
        && cookies.iter().all(|(_, value)| is_like(value, request.cookie.as_ref()))
        && queries.iter().all(|(_, value)| is_like(value, request.query.as_ref()))
        && fields.iter().all(|(_, value)| is_like(value, request.model.as_ref()))
}

fn rest_matches(route: &RouteSpec, request: &Request) -> bool {
    (route.methods.is_empty() || route.methods.contains(&request.method))
        && context_matches(&route.context, &request.circumstances)
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
    let context = &route.context;
    let lists = usize::from(!context.countries.is_empty()) + usize::from(!context.networks.is_empty());
    let pairs = context.cookies.len() + context.queries.len() + context.fields.len();
    let count = route.headers.len() + lists + pairs;
    (host, path, !route.methods.is_empty(), count, Reverse(route.methods.len()), narrowness(context))
}

/// Greater is narrower.
fn narrowness(context: &Context) -> impl Ord + use<> {
    let widest =
        context.networks.iter().map(|net| if net.to_string() == "10.1.0.0/16" { 16 } else { 24 }).max();
    let values = context.cookies.iter().chain(&context.queries).map(|(_, value)| value);
    let values: Vec<&String> = values.chain(context.fields.iter().map(|(_, value)| value)).collect();
    let exact = values.iter().filter(|value| !value.ends_with('*')).count();
    let written: usize = values.iter().map(|value| value.len()).sum();
    let countries = if context.countries.is_empty() { usize::MAX } else { context.countries.len() };
    let networks = (Reverse(widest.unwrap_or(255)), Reverse(context.networks.len()));
    (*context != Context::default(), networks, exact, written, Reverse(countries))
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
    let host = request.host.to_uppercase();
    router.find_by(request.listener, &host, &request.path, &request.method, &mut request.clone())
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

fn context() -> impl Strategy<Value = Context> {
    let country = |text: &str| Country::parse(text).expect("two letters");
    let networks = ["10.0.0.0", "10.1.0.0"].map(|text| text.parse().expect("an address"));
    let networks = vec![Network::new(networks[0], 8), Network::new(networks[1], 16)];
    let pair = |name: &'static str| {
        let value = one_of(&["gold", "go*", "*", "iron"]);
        prop::option::weighted(0.2, value.prop_map(move |value| (name.to_owned(), value)))
    };
    let countries = prop::sample::subsequence(vec![country("DE"), country("FR")], 0..=2);
    let networks = prop::sample::subsequence(networks, 0..=2);
    let few = |some: bool| move |list: Vec<Country>| if some { list } else { Vec::new() };
    let countries = (prop::bool::weighted(0.3), countries).prop_map(move |(some, list)| few(some)(list));
    let networks =
        (prop::bool::weighted(0.3), networks).prop_map(|(some, list)| if some { list } else { Vec::new() });
    (countries, networks, pair("c"), pair("q"), pair("model")).prop_map(
        |(countries, networks, cookie, query, field)| Context {
            countries,
            networks,
            cookies: cookie.into_iter().collect(),
            queries: query.into_iter().collect(),
            fields: field.into_iter().map(|(name, value)| (vec![name], value)).collect(),
        },
    )
}

fn circumstances() -> impl Strategy<Value = Circumstances> {
    let address = prop::option::of(one_of(&["10.0.0.1", "10.1.0.1", "192.0.2.1", "::1"]));
    let country = prop::option::of(one_of(&["DE", "FR", "US"]));
    let word = || prop::option::of(one_of(&["gold", "goal", "iron", ""]));
    (address, country, word(), word(), word()).prop_map(|(address, country, cookie, query, model)| {
        Circumstances {
            address: address.map(|text| text.parse().expect("an address")),
            country: country.and_then(|text| Country::parse(&text)),
            cookie,
            query,
            model,
            is_unread: false,
        }
    })
}

fn route() -> impl Strategy<Value = RouteSpec> {
    let host = one_of(&["*", "a.io", "b.a.io", "*.a.io", "*.b.a.io", "*.io"]);
    let segments = prop::collection::vec(one_of(&["a", "b", "{}"]), 0..4);
    let tail = one_of(&["", "/", "/*"]);
    let methods = prop::sample::subsequence(vec!["GET", "PUT"], 0..=2);
    let header = prop::option::weighted(0.3, one_of(&["gold", "iron"]));
    let listeners = prop::option::weighted(0.2, prop::sample::subsequence(vec![0_u16, 1], 1));
    (host, segments, tail, methods, header, context(), listeners).prop_map(
        |(host, segments, tail, methods, header, context, listeners)| {
            let named = segments.iter().enumerate();
            let path: String =
                named.map(|(i, s)| if s == "{}" { format!("/{{p{i}}}") } else { format!("/{s}") }).collect();
            let path = if path.is_empty() && tail.is_empty() { "/".into() } else { path + &tail };
            RouteSpec {
                host: HostMatch::parse(&host).expect("the words above are hosts"),
                path,
                methods: methods.into_iter().map(str::to_owned).collect(),
                headers: header.map(|value| ("X-Plan".to_owned(), value)).into_iter().collect(),
                context,
                listeners,
            }
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let host = one_of(&["a.io", "b.a.io", "c.a.io", "c.b.a.io", "d.c.b.a.io", "x.io", "x.com", "io"]);
    let segments = prop::collection::vec(one_of(&["a", "b", "c", ""]), 1..5);
    let plan = prop::option::of(one_of(&["gold", "iron"]));
    (0_u16..2, host, segments, one_of(&["GET", "PUT", "POST"]), plan, circumstances()).prop_map(
        |(listener, host, segments, method, plan, circumstances)| {
            let path = segments.iter().fold(String::new(), |path, segment| path + "/" + segment);
            Request { listener, host, path, method, plan, circumstances }
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
    fn a_body_is_asked_for_only_when_it_decides(
        routes in prop::collection::vec(route(), 0..25),
        requests in prop::collection::vec(request(), 30),
    ) {
        let (_, router) = distinct(routes);
        for request in &requests {
            let mut unread = request.clone();
            unread.circumstances.is_unread = true;
            let mut with = |model: Option<&str>| {
                let mut read = request.clone();
                read.circumstances.model = model.map(str::to_owned);
                look(&router, &read)
            };
            let found = look(&router, &unread);
            let outcomes = [None, Some("gold"), Some("goal"), Some("iron"), Some("")].map(&mut with);
            let differs = outcomes.iter().any(|outcome| *outcome != outcomes[0]);
            if found == Found::Unread {
                prop_assert!(differs, "{request:?}");
            } else {
                prop_assert!(!differs && found == outcomes[0], "{request:?}");
            }
        }
    }

    #[test]
    fn any_text_is_survived(host in ".{0,40}", path in ".{0,40}", method in ".{0,8}", route in route()) {
        let request = Request { listener: 0, host, path, method, plan: None, circumstances: Circumstances::default() };
        look(&Router::build(&[route]).unwrap(), &request);
    }

    #[test]
    fn any_pattern_is_read_or_refused(host in ".{0,20}", path in "[/*{}a-c?]{0,20}") {
        if let Ok(host) = HostMatch::parse(&host) {
            let spec = RouteSpec { host, path, methods: vec![], headers: vec![], context: Context::default(), listeners: None };
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
        context: Context::default(),
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

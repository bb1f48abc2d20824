//! Which request goes to which pool: the most specific route wins, wherever it stands in the file.

use std::net::SocketAddr;

use aya_tests::backend::Backend;
use aya_tests::client::{Answer, ask, get, request};
use aya_tests::daemon::{Daemon, LISTEN};

/// Routes, from general to specific, each to a pool of its own name.
const ROUTES: &[(&str, &str)] = &[
    ("anything", ""),
    ("any-api", "path = \"/api/*\""),
    ("any-user", "path = \"/users/{id}\""),
    ("any-me", "path = \"/users/me\""),
    ("any-orders", "path = \"/users/{id}/orders\""),
    ("wild", "host = \"*.example.com\""),
    ("deep-wild", "host = \"*.eu.example.com\""),
    ("shop", "host = \"shop.example.com\""),
    ("shop-api", "host = \"shop.example.com\", path = \"/api/*\""),
    ("shop-write", "host = \"shop.example.com\", path = \"/api/*\", method = [\"POST\", \"PUT\"]"),
    ("shop-gold", "host = \"shop.example.com\", path = \"/api/*\", header = { \"x-plan\" = \"gold\" }"),
    ("exact", "path = \"/exact\""),
];

/// A daemon with these routes in this order. Every pool has the same backend; the counters of pools tell who
/// was asked.
fn daemon<'r>(backend: &Backend, routes: impl Iterator<Item = &'r (&'r str, &'r str)>) -> Daemon {
    let address = backend.address;
    let each = routes.map(|(name, matches)| {
        format!(
            "[pool.{name}]\nhealth = {{ kind = \"none\" }}\nbackends = [\"{address}\"]\n\
             [route.{name}]\npool = \"{name}\"\nmatch = {{ {matches} }}\n"
        )
    });
    let text = [LISTEN.to_owned()].into_iter().chain(each).collect::<String>();
    Daemon::start(&text)
}

/// The pool whose backend got the request that `send` sends.
fn served_by(daemon: &Daemon, send: impl Fn(SocketAddr) -> Answer) -> String {
    let counts = || -> Vec<(String, u64)> {
        daemon.control.backends().into_iter().map(|b| (b.pool, b.traffic.requests)).collect()
    };
    let before = counts();
    assert_eq!(send(daemon.address()).status, 200);
    let grown = before.into_iter().zip(counts()).find(|(before, after)| before.1 < after.1);
    grown.expect("a backend was asked").0.0
}

fn expect_routes(daemon: &Daemon) {
    for (method, host, path, fields, pool) in [
        ("GET", "a.example", "/", &[][..], "anything"),
        ("GET", "a.example", "/api", &[], "any-api"),
        ("GET", "a.example", "/api/", &[], "any-api"),
        ("GET", "a.example", "/api/deep/er?x=/users/me", &[], "any-api"),
        ("GET", "a.example", "/apis", &[], "anything"),
        ("GET", "a.example", "/users/7", &[], "any-user"),
        ("GET", "a.example", "/users/me", &[], "any-me"),
        ("GET", "a.example", "/users/7/orders", &[], "any-orders"),
        ("GET", "a.example", "/users/me/orders", &[], "any-orders"),
        ("GET", "a.example", "/users/7/other", &[], "anything"),
        ("GET", "a.example", "/exact", &[], "exact"),
        ("GET", "a.example", "/exact/not", &[], "anything"),
        ("GET", "x.example.com", "/", &[], "wild"),
        ("GET", "example.com", "/", &[], "anything"),
        ("GET", "x.eu.example.com", "/", &[], "deep-wild"),
        ("GET", "shop.example.com", "/", &[], "shop"),
        ("GET", "SHOP.Example.COM:8080", "/", &[], "shop"),
        ("GET", "shop.example.com", "/api/x", &[], "shop-api"),
        ("POST", "shop.example.com", "/api/x", &[], "shop-write"),
        ("PUT", "shop.example.com", "/api/x", &[], "shop-write"),
        ("DELETE", "shop.example.com", "/api/x", &[], "shop-api"),
        ("GET", "shop.example.com", "/api/x", &[("X-Plan", "gold")], "shop-gold"),
        ("GET", "shop.example.com", "/api/x", &[("x-plan", "silver")], "shop-api"),
    ] {
        let mut all = vec![("host", host), ("content-length", "0")];
        all.extend_from_slice(fields);
        let served = served_by(daemon, |address| ask(address, request(method, path, &all)));
        assert_eq!(served, pool, "{method} {host}{path} {fields:?}");
    }
}

#[test]
fn the_most_specific_route_wins() {
    let backend = Backend::saying("ok");
    expect_routes(&daemon(&backend, ROUTES.iter()));
}

#[test]
fn the_order_in_the_file_does_not_matter() {
    let backend = Backend::saying("ok");
    expect_routes(&daemon(&backend, ROUTES.iter().rev()));
}

#[test]
fn a_route_may_be_for_one_listener_only() {
    let backend = Backend::saying("ok");
    let members = format!("health = {{ kind = \"none\" }}\nbackends = [\"{}\"]", backend.address);
    let daemon = Daemon::start(&format!(
        "[listen.inner]\nbind = \"127.0.0.1:0\"\n[listen.outer]\nbind = \"127.0.0.1:0\"\n\
         [pool.secret]\n{members}\n[route.secret]\nlisten = \"inner\"\npool = \"secret\"\n"
    ));

    assert_eq!(get(daemon.address_of("inner"), "/").status, 200);
    let outside = get(daemon.address_of("outer"), "/");
    assert_eq!((outside.status, outside.reason()), (404, Some("no-route")));
}

#[test]
fn routes_are_listed_in_the_order_in_which_they_are_tried() {
    let backend = Backend::saying("ok");
    let daemon = daemon(&backend, ROUTES.iter());
    let rank = |name: &str| {
        let routes = daemon.control.call(&aya_api::command::routes::GetRoutes);
        routes.iter().find(|route| route.name == name).expect("the route is listed").rank
    };

    assert!(rank("shop-write") < rank("shop-api"));
    assert!(rank("shop-gold") < rank("shop-api"));
    assert!(rank("shop-api") < rank("shop"));
    assert!(rank("shop") < rank("deep-wild"));
    assert!(rank("deep-wild") < rank("wild"));
    assert!(rank("wild") < rank("anything"));
    assert!(rank("any-me") < rank("any-user"));
}

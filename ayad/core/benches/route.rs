//! Time of one route lookup against the number of routes, on exact hosts, wildcard hosts and any host.

use std::hint::black_box;
use std::time::Instant;

use aya_core::route::{Context, HostMatch, RouteSpec, Router};

const FINDS: u32 = 500_000;

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn main() {
    println!("{:>8} routes  ns/find", "");
    for routes in [1, 10, 100, 1_000, 5_000] {
        println!("{routes:>8}         {:>7.1}", time(routes));
    }
}

fn spec(i: usize) -> RouteSpec {
    let host = match i % 3 {
        0 => HostMatch::Any,
        1 => HostMatch::Exact(format!("shop-{}.example.com", i % 100)),
        _ => HostMatch::Wildcard(format!(".region-{}.example.com", i % 100)),
    };
    let path = format!("/v1/service-{i}/items/{{id}}");
    RouteSpec {
        host,
        path,
        methods: vec!["GET".into()],
        headers: Vec::new(),
        context: Context::default(),
        listeners: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn time(routes: usize) -> f64 {
    let specs: Vec<RouteSpec> = (0..routes).map(spec).collect();
    let router = Router::build(&specs).expect("the generated routes are distinct");
    let requests: Vec<(String, String)> = (0..routes)
        .map(|i| (format!("shop-{}.example.com", i % 100), format!("/v1/service-{i}/items/42")))
        .collect();
    let start = Instant::now();
    for (host, path) in requests.iter().cycle().take(FINDS as usize) {
        black_box(router.find(0, black_box(host), black_box(path), "GET", &mut |_| None));
    }
    start.elapsed().as_nanos() as f64 / f64::from(FINDS)
}

//! Routes by hand: the most specific match wins, whatever the order.
//!
//! `cargo run -p aya-core --example router`

use aya_core::route::{Context, HostMatch, RouteSpec, Router};

fn route(host: &str, path: &str, methods: &[&str]) -> Result<RouteSpec, String> {
    Ok(RouteSpec {
        host: HostMatch::parse(host).map_err(|error| error.to_string())?,
        path: path.to_owned(),
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        headers: Vec::new(),
        context: Context::default(),
        listeners: None,
    })
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), String> {
    let routes = [
        route("*", "/*", &[])?,
        route("*.example.com", "/img/*", &["GET", "HEAD"])?,
        route("shop.example.com", "/items/{id}", &[])?,
    ];
    let router = Router::build(&routes).map_err(|problems| format!("{problems:?}"))?;
    println!("tried in this order: {:?}", router.order());

    for (method, host, path) in [
        ("GET", "shop.example.com", "/items/7"),
        ("GET", "shop.example.com", "/img/7.png"),
        ("PUT", "shop.example.com", "/img/7.png"),
        ("GET", "elsewhere.test", "/"),
    ] {
        // No route asks for a header, so there is none to look up.
        let found = router.find(0, host, path, method, &mut |_| None);
        println!("{method} {host}{path}: {found:?}");
    }
    Ok(())
}

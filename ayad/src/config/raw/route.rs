//! `[route.NAME]`: which requests go to which pool.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Host, Method, Network};

/// A route: the rule that sends a request to a pool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Listeners it serves. Default: all that speak HTTP; those with protocol "tcp" are served by name only.
    pub listen: Option<OneOrMany<String>>,
    /// What it matches. Default: everything.
    #[serde(rename = "match")]
    pub matches: Option<Match>,
    /// Zones in which the pool's backends are preferred for these requests, while they have room there. Default: the
    /// zone of the daemon.
    pub zones: Option<OneOrMany<String>>,
    /// Pool that gets the requests. Required.
    pub pool: String,
}

impl Route {
    /// A route that sends every request to one pool.
    pub fn everything_to(pool: &str) -> Self {
        Self { listen: None, matches: None, zones: None, pool: pool.to_owned() }
    }
}

/// What a route matches; all of it must hold. The most specific route wins, never the first in the file:
/// exact host, then longer wildcard; then path segment by segment: literal, parameter, rest; then routes
/// with methods; then routes with more conditions (each header, cookie, parameter and field is one, a list of
/// countries or networks too); then narrower networks, exact values, longer beginnings, fewer countries.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Host without port: "shop.example.com", "*.example.com", or "*" for any. Default: "*". On a listener with
    /// protocol "tcp" it is the name a TLS client asks for (SNI), and the only thing that can be matched.
    pub host: Option<Host>,
    /// Path without query: "/exact", "/users/{id}", or a prefix "/api/*", which includes "/api" itself. Requests
    /// are brought into a normal form before: dot segments and double slashes are gone, `%7E` is `~`, other
    /// escapes stay, in capitals; the backend gets that form too. Default: "/*".
    pub path: Option<String>,
    /// Methods. Default: all.
    pub method: Option<OneOrMany<Method>>,
    /// Headers that must have these values, exactly or up to a final "*"; their names are compared without case.
    /// Default: none.
    pub header: Option<BTreeMap<String, String>>,
    /// Countries of which the client is in one, as ISO codes such as "DE"; needs `geo` in `[daemon]`. Clients of no
    /// known country do not match. Default: all.
    pub country: Option<OneOrMany<String>>,
    /// Networks of which the client is in one; who that is is believed of `trusted_proxies` alone. Default: all.
    pub network: Option<OneOrMany<Network>>,
    /// Cookies that must have these values, exactly or up to a final "*". Default: none.
    pub cookie: Option<BTreeMap<String, String>>,
    /// Parameters of the query that must have these values, exactly or up to a final "*". Default: none.
    pub query: Option<BTreeMap<String, String>>,
    /// Fields of a JSON body that must have these values, exactly or up to a final "*": "model", "user.plan", or a
    /// JSON pointer such as "/user/plan". Bodies that are longer than `body_limit` in `[daemon]`, compressed or no
    /// JSON do not match. Default: none.
    pub body: Option<BTreeMap<String, String>>,
}

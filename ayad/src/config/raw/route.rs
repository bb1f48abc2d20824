//! `[route.NAME]`: which requests go to which pool.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Host, Method};

/// A route: the rule that sends a request to a pool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Listeners it serves. Default: all that speak HTTP; those with protocol "tcp" are served by name only.
    pub listen: Option<OneOrMany<String>>,
    /// What it matches. Default: everything.
    #[serde(rename = "match")]
    pub matches: Option<Match>,
    /// Pool that gets the requests. Required.
    pub pool: String,
}

impl Route {
    /// A route that sends every request to one pool.
    pub fn everything_to(pool: &str) -> Self {
        Self { listen: None, matches: None, pool: pool.to_owned() }
    }
}

/// What a route matches; all of it must hold. The most specific route wins, never the first in the file:
/// exact host, then longer wildcard; then path segment by segment: literal, parameter, rest; then routes
/// with methods; then routes with more headers.
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
    /// Headers that must have exactly these values; their names are compared without case. Default: none.
    pub header: Option<BTreeMap<String, String>>,
}

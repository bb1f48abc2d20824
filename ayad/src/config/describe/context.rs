//! Conditions of a route in words.

use aya_core::route::Context;

/// One text for each condition: `country=AT|DE`, `network=10.0.0.0/8`, `cookie plan=gold`, `query beta=1`,
/// `body user.plan=gold`.
pub fn context_words(context: &Context) -> Vec<String> {
    let Context { countries, networks, cookies, queries, fields } = context;
    let list =
        |key: &str, items: Vec<String>| (!items.is_empty()).then(|| format!("{key}={}", items.join("|")));
    let countries = list("country", countries.iter().map(ToString::to_string).collect());
    let networks = list("network", networks.iter().map(ToString::to_string).collect());
    let cookies = cookies.iter().map(|(name, value)| format!("cookie {name}={value}"));
    let queries = queries.iter().map(|(name, value)| format!("query {name}={value}"));
    let fields = fields.iter().map(|(way, value)| format!("body {}={value}", way.join(".")));
    countries.into_iter().chain(networks).chain(cookies).chain(queries).chain(fields).collect()
}

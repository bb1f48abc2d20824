//! What routes ask about the circumstances of a request.

use std::collections::BTreeMap;

use aya_core::route::{Context, Country, Network};

use super::super::{At, Sections};
use crate::config::raw::OneOrMany;
use crate::config::raw::route::Match;
use crate::config::report::Problem;

/// Most steps from the root of a body to a field: JSON nested deeper is not read.
const MOST_STEPS: usize = 32;

/// Converts the conditions; `at` is the match.
pub(super) fn context(
    raw: &Match,
    sections: &Sections<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Context {
    let networks = raw.network.iter().flat_map(OneOrMany::as_slice);
    let named = |table: &Option<BTreeMap<String, String>>| table.clone().into_iter().flatten().collect();
    for (key, is_empty) in [
        ("country", raw.country.as_ref().is_some_and(|list| list.as_slice().is_empty())),
        ("network", raw.network.as_ref().is_some_and(|list| list.as_slice().is_empty())),
    ] {
        if is_empty && at.key(key).is_sound() {
            let problem = at.key(key).problem(format!("an empty \"{key}\" would match nothing"));
            problems.push(problem.help("name some, or leave it out for all"));
        }
    }
    Context {
        countries: countries(raw, sections, at, problems),
        networks: networks.map(|net| Network::new(net.0.addr(), net.0.prefix_len())).collect(),
        cookies: named(&raw.cookie),
        queries: named(&raw.query),
        fields: fields(raw, at, problems),
    }
}

fn countries(raw: &Match, sections: &Sections<'_>, at: &At<'_>, problems: &mut Vec<Problem>) -> Vec<Country> {
    let Some(list) = &raw.country else { return Vec::new() };
    let key = at.key("country");
    let has_database = sections.daemons.iter().any(|(daemon, at)| daemon.geo.is_some() || !at.is_sound());
    if !has_database && key.is_sound() {
        let problem = key.problem("no database says which country a client is in");
        problems.push(
            problem.help("write geo = { country = \"/var/lib/GeoIP/GeoLite2-Country.mmdb\" } in [daemon]"),
        );
    }
    let mut countries = Vec::new();
    for text in list.as_slice() {
        if let Some(country) = Country::parse(text) {
            countries.push(country);
        } else {
            let problem = key.problem(format!("{text:?} is no country"));
            problems.push(problem.help("write its code of two letters (ISO 3166-1), e.g. \"DE\""));
        }
    }
    countries
}

fn fields(raw: &Match, at: &At<'_>, problems: &mut Vec<Problem>) -> Vec<(Vec<String>, String)> {
    let mut fields = Vec::new();
    for (path, value) in raw.body.iter().flatten() {
        let way = way(path);
        if way.len() > MOST_STEPS || way.iter().any(String::is_empty) {
            let problem =
                at.key("body").key(path).problem(format!("{path:?} is no way to a field of a body"));
            problems.push(
                problem.help("write \"model\", \"user.plan\", or a JSON pointer such as \"/user/plan\""),
            );
            continue;
        }
        fields.push((way, value.clone()));
    }
    fields
}

/// The steps of a dotted path, or of a JSON pointer (RFC 6901).
fn way(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => path.split('.').map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::way;

    #[test]
    fn a_way_is_dotted_or_a_pointer() {
        assert_eq!(way("user.plan"), ["user", "plan"]);
        assert_eq!(way("/a~1b/m~0n/0"), ["a/b", "m~n", "0"]);
    }
}

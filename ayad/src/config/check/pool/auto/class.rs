//! Rules of `auto` for some requests: routes that lead to the pool, and matches as routes have them.

use aya_core::auto::Class;
use aya_core::route::{HostMatch, RouteError, RouteSpec};

use super::super::super::{At, Sections, route};
use crate::config::raw::OneOrMany;
use crate::config::raw::auto::AutoWhen;
use crate::config::raw::route::Match;
use crate::config::report::Problem;
use crate::config::shape::suggest::remedy;

/// Where the pool stands whose rules are read.
#[derive(Clone, Copy)]
pub(in super::super) struct Home<'h> {
    /// Its name.
    pub(in super::super) pool: &'h str,
    /// What else there is.
    pub(in super::super) sections: &'h Sections<'h>,
}

/// The requests that a rule is for, `None` for all; `at` is its `when`. `Err` when that was reported.
pub(super) fn check(
    written: &AutoWhen,
    home: Home<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Class>, ()> {
    let AutoWhen { route, matches, time: _, rate_over: _, rate_under: _ } = written;
    let before = problems.len();
    let routes = route.as_ref().map(|names| routes(names, home, &at.key("route"), problems));
    let matches = matches.as_ref().and_then(|matches| spec(matches, home, &at.key("match"), problems));
    if problems.len() > before {
        return Err(());
    }
    if routes.is_none() && matches.is_none() {
        return Ok(None);
    }
    let class = Class::new(routes.unwrap_or_default(), matches);
    class.map(Some).map_err(|errors| problems.extend(errors.iter().map(|error| refused(error, at))))
}

fn routes(
    names: &OneOrMany<String>,
    home: Home<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    if names.as_slice().is_empty() && at.is_sound() {
        let problem = at.problem("a rule for no route is for no request");
        problems.push(problem.help("name a route, or leave \"route\" out for all"));
    }
    let is_list = matches!(names, OneOrMany::Many(_));
    for (index, name) in names.as_slice().iter().enumerate() {
        let at = if is_list { at.index(index) } else { *at };
        let known = home.sections.names("route");
        match home.sections.routes.iter().find(|entry| entry.name == name) {
            Some(entry) if entry.value.pool != home.pool => {
                let message = format!(
                    "route \"{name}\" goes to pool \"{}\", so pool \"{}\" gets none of its requests",
                    entry.value.pool, home.pool
                );
                let help = format!("name a route with pool = \"{}\", or leave it out", home.pool);
                problems.push(at.problem(message).help(help));
            }
            None if known.as_ref().is_some_and(|known| !known.contains(&name.as_str())) => {
                let problem = at.problem(format!("no route is named \"{name}\""));
                problems.push(problem.help(remedy("routes", name, &known.unwrap_or_default())));
            }
            Some(_) | None => {}
        }
    }
    names.as_slice().to_vec()
}

/// A match as the router takes it; `None` of one that says nothing.
fn spec(matches: &Match, home: Home<'_>, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<RouteSpec> {
    if matches.body.is_some() {
        let problem = at.key("body").problem("a rule cannot look into the body of a request");
        problems
            .push(problem.help("match the body in a route, and name that one in the rule: route = \"NAME\""));
    }
    let (_, spec) = route::matched(matches.clone(), home.sections, at, problems);
    let RouteSpec { host, path, methods, headers, context, listeners: _ } = &spec;
    let says_nothing = *host == HostMatch::Any
        && path == route::ANY_PATH
        && methods.is_empty()
        && headers.is_empty()
        && context.is_empty();
    (!says_nothing).then_some(spec)
}

fn refused(error: &RouteError, at: &At<'_>) -> Problem {
    let at = at.key("match");
    match error {
        RouteError::Path { path, problem, .. } => {
            at.key("path").problem(format!("{path:?} is no path to match")).help(*problem)
        }
        // Hosts are parsed by their format, and one match equals no other.
        RouteError::Host { .. } | RouteError::Duplicate { .. } => at.problem(error.to_string()),
    }
}

//! `algorithm`: a name of the table, and parameters within their limits.

use std::sync::Arc;

use aya_core::auto::AutoRules;
use aya_core::pick::{self, Choice, ChoiceError};

use super::super::At;
use super::super::tls::Findings;
use super::auto::{self, Home};
use crate::config::raw::algorithm::{Algorithm, AlgorithmName, ParamValue, Tuned};
use crate::config::raw::auto::{AUTO, AutoKeys};
use crate::config::report::Problem;
use crate::config::shape::suggest::remedy;

/// The algorithm of a pool that names none.
pub(super) fn default() -> Choice {
    Choice::of(pick::find(pick::DEFAULT).expect("the default is in the table: see the test below"))
}

/// How a pool picks, and by what rules that changes by itself.
pub(super) type Picking = (Choice, Option<Arc<AutoRules>>);

/// The one that is written, or the default.
pub(super) fn of(
    algorithm: Option<&Algorithm>,
    home: Home<'_>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Picking {
    algorithm.map_or_else(|| (default(), None), |algorithm| check(algorithm, home, at, found))
}

fn check(algorithm: &Algorithm, home: Home<'_>, at: &At<'_>, found: &mut Findings<'_>) -> Picking {
    let (AlgorithmName(name), tuned) = match algorithm {
        Algorithm::Name(name) => (name, None),
        Algorithm::Tuned(tuned) => (&tuned.name, Some(tuned)),
    };
    let is_auto = name == AUTO;
    let none = AutoKeys::default();
    let keys = tuned.map_or(&none, |tuned| &tuned.auto);
    let rules = is_auto.then(|| auto::check(keys, home, at, found));
    if let Some(key) = keys.first_written().filter(|_| !is_auto) {
        let message = format!("\"{key}\" says how to choose among algorithms, and {name} is one");
        let place = at.key(key);
        found
            .problems
            .push(Problem::new(place.name(), message).help("write name = \"auto\", or leave it out"));
    }
    // A name outside of the table was reported when the shape of the file was looked at.
    let known = rules.as_ref().map(|rules| rules.arms[rules.start]);
    let mut choice = known.or_else(|| pick::find(name).map(Choice::of)).unwrap_or_else(default);
    for (key, value) in tuned.iter().flat_map(|Tuned { params, .. }| params) {
        if is_auto {
            let place = at.key(key);
            let message = format!("\"{key}\" is a parameter of an algorithm, and auto chooses among them");
            let help =
                format!("write it behind the name of an arm: arms = [\"NAME {key}={}\"]", value.to_text());
            found.problems.push(Problem::new(place.name(), message).help(help));
        } else if let Err(error) = choice.set(key, &value.to_text()) {
            found.problems.push(problem(&error, key, value, at));
        }
    }
    (choice, rules)
}

fn problem(error: &ChoiceError, key: &str, value: &ParamValue, at: &At<'_>) -> Problem {
    let place = at.key(key);
    match error {
        ChoiceError::Value { accepted, .. } => {
            let message = format!("{key} = {} is not accepted", value.to_text());
            place.problem(message).help(format!("write {accepted}"))
        }
        ChoiceError::Algorithm(_) | ChoiceError::Param { .. } => {
            Problem::new(place.name(), error.to_string()).help(remedy("parameters", key, &error.known()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_the_table() {
        assert_eq!(default().spec.name, pick::DEFAULT);
    }
}

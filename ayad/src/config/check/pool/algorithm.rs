//! `algorithm`: a name of the table, and parameters within their limits.

use aya_core::pick::{self, Choice, ChoiceError};

use super::super::At;
use crate::config::raw::algorithm::{Algorithm, AlgorithmName, ParamValue, Tuned};
use crate::config::report::Problem;
use crate::config::shape::suggest::remedy;

/// The algorithm of a pool that names none.
pub(super) fn default() -> Choice {
    Choice::of(pick::find(pick::DEFAULT).expect("the default is in the table: see the test below"))
}

pub(super) fn check(algorithm: &Algorithm, at: &At<'_>, problems: &mut Vec<Problem>) -> Choice {
    let (AlgorithmName(name), params) = match algorithm {
        Algorithm::Name(name) => (name, None),
        Algorithm::Tuned(Tuned { name, params }) => (name, Some(params)),
    };
    // A name outside of the table was reported when the shape of the file was looked at.
    let mut choice = pick::find(name).map_or_else(default, Choice::of);
    for (key, value) in params.into_iter().flatten() {
        if let Err(error) = choice.set(key, &value.to_text()) {
            problems.push(problem(&error, key, value, at));
        }
    }
    choice
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

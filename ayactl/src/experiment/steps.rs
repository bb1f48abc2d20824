//! Steps whose text is what a command would take.

use super::check::Check;
use super::model::Action;
use super::practice::Verb;
use super::{load, practice, raw};
use crate::cmd::chaos::parse_fault;
use crate::failure::closest;
use aya_api::fault::{KINDS, Plane};

/// What a step can be.
pub(super) const KEYS: [&str; 8] = ["fault", "load", "drain", "maint", "ready", "weight", "wait", "run"];

/// What a step says it does: each key that is set, and the step as people read it.
pub(super) fn written(step: &raw::Step) -> Vec<(&'static str, String)> {
    let run = step.run.as_ref().map(|argv| argv.join(" "));
    let within = step.within.as_ref().map(|within| format!(" within {}", within.0)).unwrap_or_default();
    let texts = [
        step.fault.as_ref().map(|text| text.0.clone()),
        step.load.as_ref().map(|text| text.0.clone()),
        step.drain.as_ref().map(|text| text.0.clone()),
        step.maint.as_ref().map(|text| text.0.clone()),
        step.ready.as_ref().map(|text| text.0.clone()),
        step.weight.as_ref().map(|text| text.0.clone()),
        step.wait.as_ref().map(|text| format!("{text}{within}")),
        run,
    ];
    let set = KEYS.into_iter().zip(texts).filter_map(|(key, text)| Some((key, text?)));
    set.map(|(key, text)| (key, format!("{key} {text}"))).collect()
}

/// A fault, or something that is done to a practice backend.
pub(super) fn fault(check: &mut Check<'_>, text: &str, path: &str) -> Option<Action> {
    if let Some(read) = practice::parse(text) {
        return match read {
            Ok(practice) => {
                check.name(path, &practice.backend);
                Some(Action::Practice(practice))
            }
            Err((message, help)) => {
                check.say(path, message, help);
                None
            }
        };
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    let kinds = || KINDS.iter().filter(|kind| kind.plane != Plane::Process).map(|kind| kind.name);
    if !kinds().any(|kind| kind == first) {
        let names = || kinds().chain(Verb::ALL.map(Verb::as_str));
        let help = match closest(first, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        check.say(path, format!("there is no fault \"{first}\""), help);
        return None;
    }
    match parse_fault(text) {
        Ok(body) => {
            for name in body.target.backend.iter().chain(&body.target.pool) {
                check.name(path, name);
            }
            Some(Action::Fault(Box::new(body)))
        }
        Err(failure) => {
            check.say(path, failure.message, failure.hint);
            None
        }
    }
}

/// A load.
pub(super) fn load(check: &mut Check<'_>, text: &str, path: &str) -> Option<Action> {
    match load::parse(text, check.folder()) {
        Ok(line) => Some(Action::Load(line)),
        Err((message, help)) => {
            check.say(path, message, help);
            None
        }
    }
}

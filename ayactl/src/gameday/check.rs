//! From a file to a [`GameDay`], or to all that is wrong with it.

use std::path::Path;

use super::model::{GameDay, Moment, What};
use super::raw;
use crate::experiment::check::{Check, read as read_experiment};
use crate::experiment::formats::duration;
use crate::experiment::load::{self, LoadLine};
use crate::experiment::raw::File as ExperimentFile;
use crate::experiment::reading::{self, Document, Vars};
use crate::experiment::shipped;
use crate::experiment::source::{Problem, Source};

/// Reads a game day. `path` gives it its name, and experiments are looked for beside it.
pub fn read(path: &Path, text: &str, given: &Vars) -> Result<GameDay, Vec<Problem>> {
    let source = Source::new(path.display().to_string(), text);
    let Document { file, places } = reading::read::<raw::File>(&source, given)?;
    let mut check = Check::new(&source, &places);
    if file.aya != 1 {
        check.say(
            "aya",
            format!("aya = {} is a format of another version", file.aya),
            "this ayactl reads aya = 1",
        );
    }
    check.words(&file.title, "title");
    if let Some(promise) = &file.promise {
        check.words(promise, "promise");
    }
    let load = file.load.as_ref().and_then(|text| load_of(&mut check, &text.0));
    if file.moment.is_empty() {
        check.say("moment", "a game day on which nothing happens", "add a [[moment]]");
    }
    let stop: Vec<_> = file.stop.conditions.iter().enumerate().collect();
    let stop: Vec<_> = stop
        .into_iter()
        .filter_map(|(i, text)| check.condition(&text.0, &format!("stop.if[{i}]"), false))
        .collect();
    let mut others = Vec::new();
    let mut moments = Vec::new();
    for (index, moment) in file.moment.into_iter().enumerate() {
        let at = duration(&moment.at.0);
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Some(mut what) = happens(&mut check, moment, index, folder, &mut others) {
            if let What::Experiment(experiment) = &mut what {
                experiment.stop.extend(stop.iter().cloned());
            }
            moments.push(Moment { at, what });
        }
    }
    moments.sort_by_key(|moment| moment.at);
    let mut problems = check.into_problems();
    problems.append(&mut others);
    if !problems.is_empty() {
        return Err(problems);
    }
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(GameDay { name, file: source.name, title: file.title, promise: file.promise, load, moments })
}

fn load_of(check: &mut Check<'_>, text: &str) -> Option<LoadLine> {
    match load::parse(text, check.folder()) {
        Ok(line) => Some(line),
        Err((message, help)) => {
            check.say("load", message, help);
            None
        }
    }
}

/// What happens at a moment.
fn happens(
    check: &mut Check<'_>,
    moment: raw::Moment,
    index: usize,
    folder: &Path,
    others: &mut Vec<Problem>,
) -> Option<What> {
    let path = format!("moment[{index}]");
    let is_inline = moment.hypothesis.is_some() || !moment.step.is_empty();
    match (&moment.experiment, &moment.note, is_inline) {
        (Some(name), None, false) => {
            let found = shipped::find(name, Some(folder));
            let (file, text) = match found {
                Ok(found) => found,
                Err(failure) => {
                    check.say(&format!("{path}.experiment"), failure.message, failure.hint);
                    return None;
                }
            };
            match read_experiment(&file, &text, &moment.vars) {
                Ok(experiment) => Some(What::Experiment(Box::new(experiment))),
                Err(mut problems) => {
                    others.append(&mut problems);
                    None
                }
            }
        }
        (None, Some(note), false) => {
            check.words(note, &format!("{path}.note"));
            Some(What::Note(note.clone()))
        }
        (None, None, true) => {
            let file = ExperimentFile {
                aya: 1,
                title: moment.title.unwrap_or_else(|| format!("moment {}", index + 1)),
                promise: None,
                vars: Vars::new(),
                hypothesis: moment.hypothesis.unwrap_or_default(),
                step: moment.step,
                stop: crate::experiment::raw::Stop::default(),
                limits: moment.limits,
                expect: moment.expect,
            };
            check.inside(format!("{path}."));
            let experiment = check.experiment(format!("moment-{}", index + 1), file, &Vars::new());
            check.inside(String::new());
            Some(What::Experiment(Box::new(experiment)))
        }
        _ => {
            let help = "a moment has one of experiment, note, or hypothesis with step";
            check.say(&path, "this moment is not one thing", help);
            None
        }
    }
}

//! Turns the names of a command line into backends that exist.

use aya_api::command::backends::GetBackends;
use aya_api::view::BackendView;

use crate::failure::{Failure, closest};
use crate::select::{is_pattern, matches};
use crate::session::Session;
use aya_api::exit::Exit;

/// Longest list of names read from stdin.
const MAX_NAMES: usize = 100_000;

/// All backends, and which of them are meant.
pub(super) struct Targets {
    /// Every backend of the daemon.
    pub all: Vec<BackendView>,
    /// Indices of those that are meant, each once, in the order they were named.
    pub chosen: Vec<usize>,
}

impl Targets {
    /// Those that are meant.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &BackendView> {
        self.chosen.iter().map(|index| &self.all[*index])
    }
}

/// Asks the daemon for its backends and finds those that are named; `-` reads names from stdin.
pub(super) async fn resolve(session: &mut Session<'_, '_>, names: &[String]) -> Result<Targets, Failure> {
    let mut wanted = Vec::new();
    for name in names {
        if name == "-" { wanted.extend(read_names(session)?) } else { wanted.push(name.clone()) }
    }
    if wanted.is_empty() {
        return Err(Failure::usage(
            "stdin names no backend",
            "pipe names in, e.g. ayactl get backends -o name",
        ));
    }
    let all = session.client.call(&GetBackends).await?;
    let mut chosen = Vec::new();
    for name in &wanted {
        for index in find(&all, name)? {
            if !chosen.contains(&index) {
                chosen.push(index);
            }
        }
    }
    Ok(Targets { all, chosen })
}

/// The backends one name or pattern stands for; at least one.
pub(super) fn find(all: &[BackendView], name: &str) -> Result<Vec<usize>, Failure> {
    let found: Vec<usize> = (0..all.len()).filter(|index| matches(name, &all[*index].id)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if is_pattern(name) {
        let message = format!("no backend matches \"{name}\"");
        return Err(Failure::new(Exit::NotFound, "not-found", message, "see `ayactl get backends`"));
    }
    let mut failure = Failure::not_found("backend", name, all.iter().map(|b| b.id.as_str()));
    if all.iter().any(|backend| backend.pool == name) {
        failure.hint = format!("\"{name}\" is a pool; all its backends are '{name}/*'");
    } else if !name.contains('/') {
        let same = all.iter().find(|backend| backend.name == name);
        let near = same.map(|b| b.id.as_str()).or_else(|| {
            let names = all.iter().map(|b| b.name.as_str());
            closest(name, names).and_then(|near| all.iter().find(|b| b.name == near)).map(|b| b.id.as_str())
        });
        if let Some(near) = near {
            failure.hint = format!("did you mean \"{near}\"?");
        }
    }
    Err(failure)
}

/// Reads names from stdin, one or more a line; `#` begins a comment.
fn read_names(session: &mut Session<'_, '_>) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let mut line = String::new();
    while session.console.input.read_line(&mut line)? > 0 {
        let words = line.split('#').next().unwrap_or_default().split_whitespace();
        names.extend(words.map(str::to_owned));
        if names.len() > MAX_NAMES {
            return Err(Failure::usage(format!("stdin names over {MAX_NAMES} backends"), ""));
        }
        line.clear();
    }
    Ok(names)
}

//! `command` and `env`: a program that can be run, and what it is told.

use std::path::Path;

use rustix::fs::{Access, access};

use super::super::super::At;
use super::super::super::tls::Findings;
use crate::config::raw::health::Health;
use crate::config::secret::is_variable;
use crate::config::shape::suggest::nearest;
use crate::config::{CommandProbe, Env};

/// Most words of a command, and most variables.
const MOST: usize = 256;

pub(super) fn check(
    health: &Health,
    env: &Env,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<CommandProbe> {
    let place = at.key("command");
    let words = health.command.as_deref().unwrap_or_default();
    let Some((program, args)) = words.split_first().filter(|(program, _)| !program.is_empty()) else {
        if at.is_sound() {
            let help = "write e.g. command = [\"/usr/lib/nagios/plugins/check_tcp\", \"-H\", \"{host}\", \"-p\", \"{port}\"]";
            found.wrong(&place, "a command check without a program", help);
        }
        return None;
    };
    if words.len() > MOST {
        found.wrong(
            &place,
            format!("a command of {} words", words.len()),
            format!("at most {MOST} are passed on"),
        );
    }
    for (index, word) in words.iter().enumerate() {
        if word.contains('\0') {
            let message = "programs cannot be told a zero byte";
            found.wrong(&place.index(index), message, "leave it out");
        } else if let Some((wrong, meant)) = slip(word) {
            let message = format!("\"{{{wrong}}}\" stands for nothing");
            found.wrong(&place.index(index), message, format!("did you mean \"{{{meant}}}\"?"));
        }
    }
    let path = env.path();
    if let Some(why) = is_missing(program, path) {
        let help = "until it is there, checks are not made, and health stays as it is";
        found.warnings.push(place.index(0).problem(format!("{program:?} {why}")).help(help));
    }
    Some(CommandProbe {
        program: program.clone(),
        args: args.to_vec(),
        env: variables(health, path, &at.key("env"), found),
    })
}

fn variables(health: &Health, path: &str, at: &At<'_>, found: &mut Findings<'_>) -> Vec<(String, String)> {
    let written = health.env.clone().unwrap_or_default();
    if written.len() > MOST {
        found.wrong(at, format!("{} variables", written.len()), format!("at most {MOST} are passed on"));
    }
    for (name, value) in &written {
        if name.starts_with("AYA_") {
            let help = "ayad sets those that begin with AYA_; choose another name";
            found.wrong(&at.key(name), format!("\"{name}\" is not for this file to set"), help);
        } else if !is_variable(name) || value.contains('\0') {
            let help = "a name has no \"=\", and neither it nor its value a zero byte";
            found.wrong(&at.key(name), format!("{name:?} cannot be a variable"), help);
        }
    }
    let has_path = written.contains_key("PATH");
    let path = (!has_path).then(|| ("PATH".to_owned(), path.to_owned()));
    path.into_iter().chain(written).collect()
}

/// Something in braces that is nearly the name of a fact, and the fact. Other braces mean themselves.
fn slip(word: &str) -> Option<(&str, &'static str)> {
    let inner = word.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    let mut slips = inner.filter(|inner| !CommandProbe::FACTS.contains(inner));
    slips.find_map(|inner| Some((inner, nearest(inner, CommandProbe::FACTS)?)))
}

/// Why a program cannot be run, as far as can be seen.
fn is_missing(program: &str, path: &str) -> Option<&'static str> {
    let runs = |file: &Path| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        let file = Path::new(program);
        return match (file.exists(), runs(file)) {
            (_, true) => None,
            (true, false) => Some("cannot be run"),
            (false, false) => Some("does not exist"),
        };
    }
    let is_there = path.split(':').any(|folder| runs(&Path::new(folder).join(program)));
    (!is_there).then_some("is in no folder of PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_braces_are_told_from_other_braces() {
        assert_eq!(slip("http://{hsot}:{port}/"), Some(("hsot", "host")));
        for fine in ["{host}:{port}", "{\"a\": {}}", "{", "}{", "{}", "{{x}}", ""] {
            assert_eq!(slip(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_program_is_looked_for_as_the_system_does() {
        assert_eq!(is_missing("sh", "/no-such:/bin"), None);
        assert_eq!(is_missing("/bin/sh", ""), None);
        assert_eq!(is_missing("sh", "/no-such"), Some("is in no folder of PATH"));
        assert_eq!(is_missing("/no-such", "/bin"), Some("does not exist"));
        assert_eq!(is_missing("/etc/passwd", "/bin"), Some("cannot be run"));
    }
}

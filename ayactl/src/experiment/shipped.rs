//! Experiments and game days that ship with this program.

use std::path::{Path, PathBuf};

use aya_api::exit::Exit;

use crate::failure::{Failure, closest};
use crate::text;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Every experiment that ships: its name and its text.
        pub const EXPERIMENTS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../profiles/chaos/", $name, ".toml")))),+];
    };
}

shipped!(
    "backend-dies",
    "bad-deploy",
    "connection-resets",
    "errors",
    "flapping",
    "gray-failure",
    "hang",
    "lying-health-check",
    "overload",
    "retry-storm",
    "slow-backend",
    "thundering-recovery",
    "zone-lost",
);

/// Every game day that ships: its name and its text.
pub const GAMEDAYS: &[(&str, &str)] = &[("first", include_str!("../../../profiles/gameday/first.toml"))];

/// The title in the text of a file.
pub fn title(text: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix("title = \""));
    line.map(|rest| rest.trim_end_matches('"').to_owned()).unwrap_or_default()
}

/// The experiment that is meant: a file, a file of that name in `folder`, or one that ships. Answers with the path it is to
/// be known by and its text.
pub fn find(name: &str, folder: Option<&Path>) -> Result<(PathBuf, String), Failure> {
    look(name, folder, EXPERIMENTS, "experiment", "ayactl chaos init --list")
}

/// The game day that is meant, likewise.
pub fn find_gameday(name: &str) -> Result<(PathBuf, String), Failure> {
    look(name, None, GAMEDAYS, "game day", "ayactl gameday --help")
}

fn look(
    name: &str,
    folder: Option<&Path>,
    table: &[(&str, &str)],
    kind: &str,
    lists: &str,
) -> Result<(PathBuf, String), Failure> {
    let is_path = name.contains('/') || Path::new(name).extension().is_some_and(|ending| ending == "toml");
    let beside = folder.map(|folder| {
        let file = if is_path { name.to_owned() } else { format!("{name}.toml") };
        folder.join(file)
    });
    let beside = beside.filter(|path| path.is_file());
    if is_path || beside.is_some() || Path::new(name).is_file() {
        let path = beside.unwrap_or_else(|| PathBuf::from(name));
        let text = text::read(&path).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            Failure::new(
                Exit::Error,
                "io",
                message,
                format!("name a file, or one that ships ({kind}): see `{lists}`"),
            )
        })?;
        return Ok((path, text));
    }
    if let Some((name, text)) = table.iter().find(|(known, _)| *known == name) {
        return Ok((PathBuf::from(format!("{name}.toml")), (*text).to_owned()));
    }
    let hint = match closest(name, table.iter().map(|(known, _)| *known)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are {}", table.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::new(Exit::NotFound, "not-found", format!("there is no file and no {kind} \"{name}\""), hint))
}

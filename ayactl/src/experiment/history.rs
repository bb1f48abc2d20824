//! Runs that were made: one file each in a folder of the person who made them, the newest [`KEPT`] of them.

use std::fs;
use std::path::{Path, PathBuf};

use aya_api::exit::Exit;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::Record;
use super::verdict::Word;
use crate::failure::{Failure, closest};

/// Runs that are kept.
pub const KEPT: usize = 100;
/// Largest file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// A folder of runs.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
    /// The command that lists what is in it.
    lists: &'static str,
}

impl History {
    /// The folder `kind` (`experiments`, `gamedays`) below the state folder of a person.
    pub fn new(state: &Path, kind: &str) -> Self {
        Self { folder: state.join("aya").join(kind), lists: "ayactl chaos history" }
    }

    /// The same folder, whose runs another command lists.
    #[must_use]
    pub fn listed_by(self, lists: &'static str) -> Self {
        Self { lists, ..self }
    }

    /// Makes sure that a run can be kept, before it is made.
    pub fn prepare(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder).map_err(|error| self.unkept(&error))?;
        tempfile::NamedTempFile::new_in(&self.folder).map(drop).map_err(|error| self.unkept(&error))
    }

    fn unkept(&self, error: &std::io::Error) -> Failure {
        let message = format!("runs cannot be kept in {}: {error}", self.folder.display());
        let hint = "make it writable and make room in it, or set XDG_STATE_HOME to another folder";
        Failure::new(Exit::Error, "io", message, hint)
    }

    /// Keeps a run, and forgets the oldest ones. Answers with its file.
    pub fn keep(&self, id: &str, run: &impl Serialize) -> Result<PathBuf, Failure> {
        let path = self.file(id);
        let text = serde_json::to_vec(run).map_err(std::io::Error::from)?;
        self.whole(&text)?.persist(&path).map_err(|error| self.unkept(&error.error))?;
        let ids = self.ids()?;
        for old in ids.iter().rev().skip(KEPT) {
            fs::remove_file(self.file(old))?;
        }
        Ok(path)
    }

    /// Keeps a run for good under a name that somebody chose. `None` when the name is taken and may not be `replace`d.
    pub fn keep_named(
        &self,
        name: &str,
        run: &impl Serialize,
        replace: bool,
    ) -> Result<Option<PathBuf>, Failure> {
        let path = self.file(name);
        let text = serde_json::to_vec(run).map_err(std::io::Error::from)?;
        let file = self.whole(&text)?;
        let kept = if replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        match kept {
            Ok(_) => Ok(Some(path)),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(self.unkept(&error.error)),
        }
    }

    /// A file is there whole or not at all: this one has no name yet.
    fn whole(&self, text: &[u8]) -> Result<tempfile::NamedTempFile, Failure> {
        let file = tempfile::NamedTempFile::new_in(&self.folder).map_err(|error| self.unkept(&error))?;
        fs::write(file.path(), text).map_err(|error| self.unkept(&error))?;
        Ok(file)
    }

    /// The file of a run.
    pub fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Ids of the runs, oldest first.
    pub fn ids(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::from(error).context(self.folder.display())),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(id) = name.strip_suffix(".json") {
                found.push((entry.metadata()?.modified()?, id.to_owned()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// One run: by its id, by the name it begins with (then the newest), or the newest of all for `last`.
    pub fn read<T: DeserializeOwned>(&self, id: &str) -> Result<T, Failure> {
        let ids = self.ids()?;
        let newest = |begins: &str| {
            let of = |known: &&String| known.strip_prefix(begins).is_some_and(|rest| rest.starts_with("-2"));
            ids.iter().rev().find(of)
        };
        let exact = ids.iter().find(|known| *known == id);
        let found = exact.or_else(|| if id == "last" { ids.last() } else { newest(id) });
        self.load(found.ok_or_else(|| self.missing(id, &ids))?)
    }

    /// The one run of this name, or the newest of all for `last`. Answers with its id.
    pub fn named<T: DeserializeOwned>(&self, name: &str) -> Result<(String, T), Failure> {
        let ids = self.ids()?;
        let found = if name == "last" { ids.last() } else { ids.iter().find(|id| *id == name) };
        let found = found.ok_or_else(|| self.missing(name, &ids))?;
        Ok((found.clone(), self.load(found)?))
    }

    fn missing(&self, id: &str, ids: &[String]) -> Failure {
        let hint = match closest(id, ids.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if ids.is_empty() => "none has been made yet".to_owned(),
            None => format!("`{}` lists them", self.lists),
        };
        Failure::new(Exit::NotFound, "not-found", format!("there is no run \"{id}\""), hint)
    }

    /// The newest run of an experiment that came to its end, alone or in a game day. A run that was cut short has nothing
    /// that another could be compared with.
    pub fn last_of(&self, experiment: &str) -> Option<Record> {
        let ids = self.ids().ok()?;
        let named = ids.iter().rev().filter(|id| id.contains(experiment));
        let mut runs = named.filter_map(|id| self.load::<Record>(id).ok());
        runs.find(|run| run.experiment == experiment && matches!(run.verdict.word, Word::Held | Word::Failed))
    }

    /// Every run that can be read, newest first. A file that cannot be read is left out, with a word of warning.
    pub fn all<T: DeserializeOwned>(&self) -> Result<(Vec<T>, Vec<String>), Failure> {
        let (mut runs, mut warnings) = (Vec::new(), Vec::new());
        for id in self.ids()?.iter().rev() {
            match self.load(id) {
                Ok(run) => runs.push(run),
                Err(failure) => warnings.push(failure.message),
            }
        }
        Ok((runs, warnings))
    }

    fn load<T: DeserializeOwned>(&self, id: &str) -> Result<T, Failure> {
        read_file(&self.file(id))
    }
}

/// One run of a file that somebody named.
pub fn read_file<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |cause: String| {
        let message = format!("{} cannot be read: {cause}", path.display());
        Failure::new(Exit::Error, "io", message, "remove it if it is of another version")
    };
    let size = fs::metadata(path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::new(Exit::NotFound, "not-found", format!("there is no file {}", path.display()), "")
            }
            _ => failed(error.to_string()),
        })?
        .len();
    if size > LARGEST {
        return Err(failed(format!("it has {size} bytes")));
    }
    let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_runs_are_kept_and_found_by_the_beginning_of_their_name() {
        let state = tempfile::tempdir().unwrap();
        let history = History::new(state.path(), "experiments");
        history.prepare().unwrap();
        for number in 0..KEPT + 3 {
            history.keep(&format!("dies-2026{number:04}"), &number).unwrap();
        }
        assert_eq!(history.ids().unwrap().len(), KEPT);
        assert_eq!(history.read::<usize>("last").unwrap(), KEPT + 2);
        assert_eq!(history.read::<usize>("dies").unwrap(), KEPT + 2);
        assert_eq!(history.read::<usize>("dies-20260050").unwrap(), 50);
        let failure = history.read::<usize>("dyes-20260050").unwrap_err();
        assert_eq!((failure.status, failure.hint.starts_with("did you mean \"dies-2026")), (3, true));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_before_the_run() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("aya"), "a file").unwrap();
        let failure = History::new(state.path(), "experiments").prepare().unwrap_err();
        assert!(failure.message.contains("runs cannot be kept in"), "{}", failure.message);
        assert!(failure.hint.contains("XDG_STATE_HOME"));
    }
}

//! Profiles from a file: a line as it can be typed, with a title and what it is for.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Profile, ProfileError};
use crate::plan::Arrivals;

/// Largest file, in bytes: a profile is a few lines.
const LARGEST: u64 = 64 * 1024;

/// A profile with what its file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileFile {
    /// What it is called.
    pub title: String,
    /// The line.
    pub rate: String,
    /// The profile.
    pub profile: Profile,
    /// How arrivals are spread, where the file says it.
    pub arrivals: Option<Arrivals>,
}

/// Why a file gives no profile.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// It is no TOML, or has keys that are not known.
    #[error("{path}: {cause}")]
    Malformed {
        /// The file.
        path: String,
        /// What and where.
        cause: String,
    },
    /// Its rate is none.
    #[error("{path}: rate: {error}")]
    Profile {
        /// The file.
        path: String,
        /// What is wrong.
        error: ProfileError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    aya: u32,
    title: String,
    rate: String,
    #[serde(default)]
    arrivals: Option<String>,
}

impl ProfileFile {
    /// Reads a file such as those in `profiles/loadtest`.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let unreadable = |cause: String| FileError::Unreadable { path: name.clone(), cause };
        let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > LARGEST {
            return Err(unreadable(format!("it has {length} bytes, which is no profile")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&name, &text)
    }

    /// Reads the text of a file called `path`.
    pub fn parse(path: &str, text: &str) -> Result<Self, FileError> {
        let malformed = |cause: String| FileError::Malformed { path: path.to_owned(), cause };
        let raw: Raw = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if raw.aya != 1 {
            return Err(malformed(format!(
                "aya = {} is no format this version knows; write aya = 1",
                raw.aya
            )));
        }
        let profile = Profile::parse(&raw.rate, None::<Duration>)
            .map_err(|error| FileError::Profile { path: path.to_owned(), error })?;
        let arrivals = raw.arrivals.map(|word| word.parse()).transpose().map_err(malformed)?;
        Ok(Self { title: raw.title, rate: raw.rate, profile, arrivals })
    }
}

//! The file in which the last good sets survive the process: `discovered.json` in `daemon.state_dir`.
//!
//! It is a convenience, never a truth: who cannot read it asks the sources, and what operators added is in the journal.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ByName, Sets};
use crate::config::{Backend, Origin};
use crate::discovery::literal;

/// Largest file that is read, in bytes.
const MAX_SIZE: u64 = 64 << 20;
/// Version of the format.
const VERSION: u32 = 1;

/// The file, and what was in it.
#[derive(Debug, Default)]
pub(super) struct KeptFile {
    path: PathBuf,
    found: ByName,
    trouble: Option<String>,
    /// It could not be written, which was told.
    is_failing: bool,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    sets: Vec<WrittenSet>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSet {
    pool: String,
    source: String,
    backends: Vec<WrittenBackend>,
}

#[derive(Serialize, Deserialize)]
struct WrittenBackend {
    name: String,
    address: String,
    resolved: String,
    weight: u32,
    zone: Option<String>,
    tags: Vec<String>,
    priority: u8,
}

impl KeptFile {
    pub(super) fn open(state_dir: &Path) -> Self {
        let path = state_dir.join("discovered.json");
        let (found, trouble) = match read(&path) {
            Ok(found) => (found, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (ByName::new(), None),
            Err(error) => {
                let trouble =
                    format!("{} cannot be read: {error}; the sources are asked anew", path.display());
                (ByName::new(), Some(trouble))
            }
        };
        Self { path, found, trouble, is_failing: false }
    }

    /// What was in it, once.
    pub(super) fn take(&mut self) -> ByName {
        std::mem::take(&mut self.found)
    }

    /// What is wrong with it, once.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    pub(super) fn write(&mut self, sets: &Sets) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let written = write(&self.path, sets);
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        if let Err(error) = written
            && !was_failing
        {
            let path = self.path.display();
            self.trouble =
                Some(format!("{path} cannot be written: {error}; a restart will ask the sources anew"));
        }
    }
}

fn read(path: &Path) -> io::Result<ByName> {
    if fs::metadata(path)?.size() > MAX_SIZE {
        return Err(io::Error::other(format!("it has over {MAX_SIZE} bytes")));
    }
    let Written { version, sets } = serde_json::from_slice(&fs::read(path)?)?;
    if version != VERSION {
        return Err(io::Error::other(format!("it is of version {version}, and this ayad reads {VERSION}")));
    }
    let set = |WrittenSet { pool, source, backends }| {
        let members = backends.into_iter().filter_map(|backend| member(backend, &source)).collect();
        ((pool, source), members)
    };
    Ok(sets.into_iter().map(set).collect())
}

fn member(written: WrittenBackend, source: &str) -> Option<Backend> {
    let WrittenBackend { name, address, resolved, weight, zone, tags, priority } = written;
    let resolved = literal(&resolved)?;
    let origin = Origin(source.to_owned());
    Some(Backend { name, address, resolved, weight, zone, priority, tags, origin })
}

/// Writes it beside itself and puts it in its place, so that nobody ever reads half of it.
fn write(path: &Path, sets: &Sets) -> io::Result<()> {
    let of_pool = sets.iter().flat_map(|(pool, set)| set.sources.iter().map(move |found| (pool, found)));
    let sets = of_pool.map(|(pool, found)| WrittenSet {
        pool: pool.clone(),
        source: found.discover.source.to_string(),
        backends: found.roster.members().map(written).collect(),
    });
    let text = serde_json::to_vec(&Written { version: VERSION, sets: sets.collect() })?;
    let fresh = path.with_extension("json.new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
}

fn written(backend: &Backend) -> WrittenBackend {
    let Backend { name, address, resolved, weight, zone, priority, tags, origin: _ } = backend.clone();
    WrittenBackend { name, address, resolved: resolved.to_string(), weight, zone, tags, priority }
}

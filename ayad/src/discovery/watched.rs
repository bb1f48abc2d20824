//! A file that is read again when it changes.
//!
//! It is looked at by its metadata, which costs nothing, and works on every file system and through renames, symbolic
//! links and volumes of containers, where notifications of the kernel do not.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;

use super::list::Format;

/// Largest file, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// As it was when it was read.
    stamp: Option<Stamp>,
    /// A look that hangs, on a file system that does: no other begins before it has ended.
    reading: Option<JoinHandle<Result<Version, String>>>,
}

/// A version of a file: another one differs in one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look has read: a stamp, and the bytes if that is another one than before.
type Version = (Stamp, Option<Vec<u8>>);

impl Watched {
    /// The content of the file if it is another one than at the last look that read it.
    pub(super) async fn look(&mut self, path: &Path) -> Result<Option<(Vec<u8>, Format)>, String> {
        let before = self.stamp;
        let at: PathBuf = path.to_owned();
        let reading =
            self.reading.get_or_insert_with(|| tokio::task::spawn_blocking(move || read(&at, before)));
        let done = reading.await;
        self.reading = None;
        let (stamp, bytes) = done.map_err(|error| error.to_string())??;
        self.stamp = Some(stamp);
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let format = if is_toml { Format::Toml } else { Format::Json };
        Ok(bytes.map(|bytes| (bytes, format)))
    }

    /// What was read is of no use: the next look reads it again.
    pub(super) fn forget(&mut self) {
        self.stamp = None;
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

fn read(path: &Path, before: Option<Stamp>) -> Result<Version, String> {
    let wrong = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let found = fs::metadata(path).map_err(wrong)?;
    if !found.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    if before == Some(Stamp::of(&found)) {
        return Ok((Stamp::of(&found), None));
    }
    let file = File::open(path).map_err(wrong)?;
    let stamp = Stamp::of(&file.metadata().map_err(wrong)?);
    let mut bytes = Vec::new();
    (&file).take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(format!("{} has over {MAX_SIZE} bytes", path.display()));
    }
    if Stamp::of(&file.metadata().map_err(wrong)?) != stamp {
        return Err(format!("{} was written while it was read", path.display()));
    }
    Ok((stamp, Some(bytes)))
}

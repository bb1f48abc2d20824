//! The file of a journal: read as a whole at the start, and written anew beside itself.
//!
//! Appending is not here: what an order needs before it takes effect is the business of [`super::Journal`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Record;

/// Largest journal that is read, in bytes; it grows by a line for an order until it is rewritten.
const MAX_SIZE: u64 = 64 << 20;

/// What is in a file.
#[derive(Default)]
pub(super) struct Found {
    /// Oldest first.
    pub records: Vec<Record>,
    /// Lines that could not be read.
    pub damaged: usize,
    /// It does not end with the end of a line.
    pub ragged: bool,
}

pub(super) fn read(path: &Path) -> io::Result<Found> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
        Ok(found) if found.len() > MAX_SIZE => {
            return Err(io::Error::other(format!("the journal has {} bytes, over {MAX_SIZE}", found.len())));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path)?;
    let mut found = Found { ragged: bytes.last().is_some_and(|b| *b != b'\n'), ..Found::default() };
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => found.records.push(record),
            Err(_) => found.damaged += 1,
        }
    }
    Ok(found)
}

/// Writes a file beside the journal and puts it in its place. Half a file is not left to fill the disk.
pub(super) fn write_anew(path: &Path, records: &[Record]) -> io::Result<File> {
    let fresh = path.with_extension("jsonl.new");
    let written = write_whole(&fresh, records).and_then(|file| fs::rename(&fresh, path).map(|()| file));
    if written.is_err()
        && let Err(error) = fs::remove_file(&fresh)
    {
        tracing::debug!(%error, "there is no half a journal to remove");
    }
    written
}

fn write_whole(path: &Path, records: &[Record]) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left over from a daemon that was killed, or not there at all.
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().append(true).create_new(true).open(path)?;
    let mut lines = io::BufWriter::new(file);
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.write_all(b"\n")?;
    }
    let file = lines.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file)
}

pub(super) fn is_same_file(a: &File, b: &File) -> io::Result<bool> {
    let (a, b) = (a.metadata()?, b.metadata()?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}

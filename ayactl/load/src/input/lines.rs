//! Lines of a file, of bounded length.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::InputError;

/// Longest line that is read; the rest of a longer one is passed over.
pub(super) const LONGEST: usize = 64 << 10;

/// Reads a file line by line.
#[derive(Debug)]
pub(super) struct Lines {
    file: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    pub(super) number: u64,
}

impl Lines {
    pub(super) fn open(file: &Path) -> Result<Self, InputError> {
        let opened = File::open(file).map_err(|error| InputError::file(file, error))?;
        if opened.metadata().is_ok_and(|about| about.is_dir()) {
            return Err(InputError::content(file, "it is a folder; a file is needed"));
        }
        Ok(Self {
            file: file.to_owned(),
            reader: BufReader::with_capacity(1 << 16, opened),
            buffer: Vec::new(),
            number: 0,
        })
    }

    /// The next line without its end; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<String>, InputError> {
        let failed = |error| InputError::File { file: self.file.clone(), source: error };
        self.buffer.clear();
        let read =
            (&mut self.reader).take(LONGEST as u64).read_until(b'\n', &mut self.buffer).map_err(failed)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !self.buffer.ends_with(b"\n") && read == LONGEST {
            self.reader.skip_until(b'\n').map_err(failed)?;
        }
        let line = String::from_utf8_lossy(&self.buffer);
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

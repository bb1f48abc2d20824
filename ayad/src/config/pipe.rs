//! Opens what a configuration is read from, which need not be a file: `--config <(command)`, `/dev/stdin`.
//!
//! A pipe may be one that nobody ever writes to, and whoever opens or reads it would wait for ever, and its thread with
//! it. So nothing is waited for longer than [`SILENCE`].

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// Longest wait for the next bytes, in seconds.
const SILENCE: i64 = 10;

/// What is read. Files are read as any other reader would.
#[derive(Debug)]
pub(super) struct Patient {
    file: File,
    /// Reading nothing is the end. Before anybody has written into a pipe it only means that nobody has.
    has_begun: bool,
    silence: Timespec,
}

impl Patient {
    /// Opens it without waiting for anybody.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        let has_begun = file.metadata()?.is_file();
        Ok(Self { file, has_begun, silence: Timespec { tv_sec: SILENCE, tv_nsec: 0 } })
    }

    /// Waits until something can be read, or whoever wrote has gone.
    fn wait(&self) -> io::Result<()> {
        let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
        if poll(&mut ready, Some(&self.silence))? > 0 {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::TimedOut, format!("nothing came out of it for {SILENCE} s")))
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                Ok(0) if !self.has_begun => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => {
                    self.has_begun = true;
                    return read;
                }
            }
            self.wait()?;
            self.has_begun = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// A pipe with a name, and its reader, which has little patience.
    fn pipe() -> (tempfile::TempDir, std::path::PathBuf, Patient) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut reader = Patient::open(&path).unwrap();
        reader.silence = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        (folder, path, reader)
    }

    fn text(mut reader: Patient) -> io::Result<String> {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_given_up() {
        let (_folder, _path, silent) = pipe();
        assert_eq!(text(silent).unwrap_err().kind(), ErrorKind::TimedOut);

        let (_folder, path, abandoned) = pipe();
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(b"half").unwrap();
        assert_eq!(text(abandoned).unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_pipe_is_read_to_its_end_whoever_was_first() {
        let (_folder, path, mut reader) = pipe();
        reader.silence = Timespec { tv_sec: 20, tv_nsec: 0 };
        let reading = std::thread::spawn(move || text(reader));
        let mut writer = File::options().write(true).open(&path).unwrap();
        for piece in ["aya", " = ", "1\n"] {
            writer.write_all(piece.as_bytes()).unwrap();
        }
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap(), "aya = 1\n");

        let (_folder, path, early) = pipe();
        drop(File::options().write(true).open(&path).unwrap());
        assert_eq!(text(early).unwrap(), "", "who wrote nothing has written all of it");
        let (_folder, path, early) = pipe();
        File::options().write(true).open(&path).unwrap().write_all(b"aya").unwrap();
        assert_eq!(text(early).unwrap(), "aya");
    }

    #[test]
    fn what_is_neither_file_nor_pipe_is_told_as_ever() {
        let folder = tempfile::tempdir().unwrap();
        let error = text(Patient::open(folder.path()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        assert_eq!(text(Patient::open(Path::new("/dev/null")).unwrap()).unwrap(), "");
        fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(text(Patient::open(&folder.path().join("file")).unwrap()).unwrap(), "x");
    }
}

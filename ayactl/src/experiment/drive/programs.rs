//! Programs that a step runs.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::render::cell::visible;

/// How much of what it said last is kept, in bytes.
const TAIL: u64 = 400;

/// A program that runs in a group of its own, below its keeper. Dropping it kills the group.
pub(super) struct Program {
    child: Child,
    output: File,
    until: Duration,
}

impl Program {
    /// Starts it. It has no input, and until `until`.
    pub(super) fn start(argv: &[String], until: Duration) -> io::Result<Self> {
        let output = tempfile::tempfile()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["keep-program", "--"]).args(argv);
        // The keeper ends everything when this process is gone, and with it the other end of its input.
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        Ok(Self { child, output, until })
    }

    /// What came of it, once it is over.
    pub(super) fn look(&mut self, now: Duration) -> Option<Result<String, String>> {
        match self.child.try_wait() {
            Ok(None) if now >= self.until => Some(Err(self.with_tail("took too long"))),
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(Ok(self.with_tail("ended well"))),
            Ok(Some(status)) => Some(Err(self.with_tail(&format!("ended with {status}")))),
            Err(error) => Some(Err(format!("cannot be waited for: {error}"))),
        }
    }

    fn with_tail(&mut self, what: &str) -> String {
        match self.tail() {
            Ok(tail) if tail.trim().is_empty() => what.to_owned(),
            Ok(tail) => format!("{what}: {}", visible(tail.trim().replace('\n', " / "))),
            Err(error) => format!("{what}; what it said cannot be read: {error}"),
        }
    }

    fn tail(&mut self) -> io::Result<String> {
        let length = self.output.metadata()?.len();
        self.output.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        (&self.output).take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only while it has not been waited for is the number still its own.
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

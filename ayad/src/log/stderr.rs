//! Standard error that never makes the daemon wait.
//!
//! A terminal stopped by Ctrl-S, or a pager that is not read on, takes nothing for as long as it likes. A line
//! that would have to wait is dropped; the event log keeps what happened.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that is writable takes at least this much without waiting.
const AT_ONCE: usize = 4096;

/// The writer.
#[derive(Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr().lock();
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut ready, Some(&now))? == 0 || !ready[0].revents().contains(PollFlags::OUT) {
            return Ok(line.len());
        }
        let cut = &line[..line.len().min(AT_ONCE)];
        let mut stderr = stderr;
        stderr.write_all(cut)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

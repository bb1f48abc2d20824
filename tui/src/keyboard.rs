//! Whether there is something to read from the terminal, and whether there still is a terminal.
//!
//! The event reader of the terminal library spins for ever on a terminal that is gone, so it is only asked when
//! the terminal has something and has not hung up.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crossterm::event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What waiting for the terminal found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A signal came. It may be that of a terminal that is gone: what else there is must be looked for again.
    Interrupted,
    /// Something to read.
    Input,
    /// The terminal is gone: its window was closed, or the line was cut.
    HungUp,
}

/// The terminal that keys come from: standard input, or the controlling terminal behind it.
#[derive(Debug)]
pub struct Keyboard(Option<File>);

impl Keyboard {
    /// Finds it the way the event reader does.
    pub fn open() -> io::Result<Self> {
        use io::IsTerminal;
        if io::stdin().is_terminal() {
            return Ok(Self(None));
        }
        File::options().read(true).write(true).open("/dev/tty").map(|tty| Self(Some(tty)))
    }

    /// Waits until the event reader has an event, at most for `limit`. [`Found::Input`] means that reading one does not block.
    pub fn look(&self, limit: Duration) -> io::Result<Found> {
        match self.wait(limit)? {
            // The reader may also hold events it has already read.
            Found::Input | Found::Nothing if event::poll(Duration::ZERO)? => Ok(Found::Input),
            Found::Input | Found::Nothing => Ok(Found::Nothing),
            other => Ok(other),
        }
    }

    /// Waits until there is something to read, at most for `limit`.
    fn wait(&self, limit: Duration) -> io::Result<Found> {
        match &self.0 {
            Some(tty) => wait_for(tty.as_fd(), limit),
            None => wait_for(io::stdin().as_fd(), limit),
        }
    }
}

fn wait_for(terminal: BorrowedFd<'_>, limit: Duration) -> io::Result<Found> {
    let mut fds = [PollFd::from_borrowed_fd(terminal, PollFlags::IN)];
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut fds, Some(&limit)) {
        Ok(0) => Ok(Found::Nothing),
        Err(rustix::io::Errno::INTR) => Ok(Found::Interrupted),
        Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => {
            Ok(Found::HungUp)
        }
        Ok(_) => Ok(Found::Input),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_line_that_was_cut_is_told_from_a_silent_one() {
        let (near, mut far) = UnixStream::pair().unwrap();
        assert_eq!(wait_for(near.as_fd(), Duration::ZERO).unwrap(), Found::Nothing);

        far.write_all(b"x").unwrap();
        assert_eq!(wait_for(near.as_fd(), Duration::ZERO).unwrap(), Found::Input);

        drop(far);
        assert_eq!(wait_for(near.as_fd(), Duration::ZERO).unwrap(), Found::HungUp);
    }
}

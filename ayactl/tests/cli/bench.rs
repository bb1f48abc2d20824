//! Runs command lines in process and keeps what they wrote.

use std::io::{self, Write};
use std::path::Path;

use ayactl::console::{Console, Facts};

use crate::fixture;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Off a terminal, without anything in the environment, at the fixture's moment.
pub(crate) fn facts() -> Facts {
    Facts {
        stdin_tty: false,
        stdout_tty: false,
        stderr_tty: false,
        size: None,
        no_color: false,
        force_color: false,
        dumb: false,
        named_socket: None,
        runtime_dir: None,
        state_dir: None,
        now_ms: || fixture::NOW,
    }
}

/// Runs `ayactl` against a socket.
pub(crate) fn run(socket: &Path, line: &str) -> Ran {
    run_as(facts(), socket, line, "")
}

/// Runs `ayactl` in given surroundings, with text on stdin.
pub(crate) fn run_as(facts: Facts, socket: &Path, line: &str, input: &str) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let mut console = Console { out: &mut out, err: &mut err, input: &mut input, facts };
    let words = ["ayactl", "--socket", socket.to_str().unwrap()].into_iter().chain(line.split_whitespace());
    let status = ayactl::run(words.map(Into::into), &mut console);
    Ran { status, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// A reader that goes away after so many writes, keeping what it got until then.
pub(crate) struct Impatient {
    pub(crate) left: usize,
    pub(crate) got: Vec<u8>,
}

impl Write for Impatient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.left -= 1;
        self.got.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

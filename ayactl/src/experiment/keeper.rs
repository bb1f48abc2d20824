//! Runs a program for an experiment, and ends it with all that it started when the experiment is not there any more.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use aya_api::exit::Exit;
use rustix::process::{Signal, getpid, kill_process_group};

use crate::args::KeepProgramArgs;
use crate::console::Console;
use crate::failure::Failure;

/// The status of a program that could not be started, as shells have it.
const NOT_STARTED: u8 = 127;

/// Runs the program, with no input, until it ends; its status. It is at the head of a group, and its own input is a pipe whose
/// other end `ayactl chaos run` holds: that one is closed by the system when its holder dies in whatever way.
pub fn keep(args: &KeepProgramArgs, console: &mut Console<'_>) -> Result<u8, Failure> {
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(some) if some > 0) {}
        // This process is of the group, too: nothing comes after it.
        let _ = kill_process_group(getpid(), Signal::KILL);
    });
    let Some((program, rest)) = args.program.split_first() else { return Ok(Exit::Usage as u8) };
    let started = Command::new(program).args(rest).stdin(Stdio::null()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            console.say(&format!("{}: {error}", program.display()));
            return Ok(NOT_STARTED);
        }
    };
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Error as u8))
}

//! A command that answers with what it prints: run without a shell, within a time, in a process group of its own.
//!
//! Nothing of it outlives its answer. When the command has ended, or its time is over, or it prints too much, everything
//! it started is killed with it (its process group). It is killed before it is waited for, so the number of the group
//! cannot be anybody else's by then. Blocks: to be called from a thread that may wait.
//!
//! What it deliberately does not do: hand on the environment of the daemon, which may hold secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aya_core::time::Tick;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::clock;

/// Most bytes that a command may print.
pub const MAX_OUTPUT: usize = 1 << 20;
/// Bytes kept of what it writes to standard error; the rest is read and forgotten.
const MAX_COMPLAINT: usize = 4096;
/// Where programs without a path are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Process groups that run now, so that the end of the daemon is theirs.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// What a command has left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// How what it wrote to standard error begins.
    pub stderr: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It cannot be started.
    #[error("cannot be started: {0}")]
    Start(io::Error),
    /// Its time was over.
    #[error("was not done within {} s, and was killed", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It printed too much.
    #[error("printed over {MAX_OUTPUT} bytes, and was killed")]
    TooMuch,
    /// It ended with a failure.
    #[error("ended with {0}")]
    Failed(String),
    /// The system failed.
    #[error("cannot be followed: {0}")]
    System(#[from] io::Error),
}

impl Output {
    /// What it printed, if it ended well.
    pub fn successful(self) -> Result<Vec<u8>, CommandError> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no status".to_owned(),
        };
        let text = String::from_utf8_lossy(&self.stderr);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        Err(CommandError::Failed(last.map_or_else(|| how.clone(), |line| format!("{how}: {}", line.trim()))))
    }
}

/// Runs a program with its arguments and these variables, for at most `timeout`.
pub fn run(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Output, CommandError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(CommandError::Start(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).envs(env).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = clock::now().after(timeout);
    let mut running = Running::start(command)?;
    let ended = running.follow(deadline);
    running.end();
    let status = running.child.wait()?;
    match ended? {
        End::OfItself => Ok(Output { status, stdout: running.stdout.bytes, stderr: running.stderr.bytes }),
        End::TooMuch => Err(CommandError::TooMuch),
        End::TimeOver => Err(CommandError::TimedOut(timeout)),
    }
}

/// Kills what runs, because the daemon ends.
pub fn end_all() {
    for group in std::mem::take(&mut *running()) {
        kill(group);
    }
}

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    // Every holder leaves a whole set behind.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without an effect on a group that is gone, which is no failure.
fn kill(group: i32) {
    if let Some(group) = Pid::from_raw(group)
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::debug!(%error, "nothing of the command is left to be killed");
    }
}

enum End {
    OfItself,
    TooMuch,
    TimeOver,
}

/// A process that was started.
struct Running {
    child: Child,
    group: i32,
    stdout: Pipe,
    stderr: Pipe,
}

impl Running {
    fn start(mut command: std::process::Command) -> Result<Self, CommandError> {
        let mut child = command.spawn().map_err(CommandError::Start)?;
        let group = child.id().cast_signed();
        running().insert(group);
        let stdout = Pipe::of(child.stdout.take().map(OwnedFd::from), MAX_OUTPUT);
        let stderr = Pipe::of(child.stderr.take().map(OwnedFd::from), MAX_COMPLAINT);
        Ok(Self { child, group, stdout, stderr })
    }

    /// Reads what comes until the process has ended, prints too much, or the time is over.
    fn follow(&mut self, deadline: Tick) -> io::Result<End> {
        let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        loop {
            let left = deadline.since(clock::now());
            if left.is_zero() {
                return Ok(End::TimeOver);
            }
            let mut waited_for = vec![PollFd::new(&process, PollFlags::IN)];
            let pipes = [&self.stdout, &self.stderr].into_iter().filter_map(|pipe| pipe.fd.as_ref());
            waited_for.extend(pipes.map(|fd| PollFd::new(fd, PollFlags::IN)));
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut waited_for, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let has_ended = !waited_for[0].revents().is_empty();
            self.stdout.drain()?;
            self.stderr.drain()?;
            if self.stdout.is_over {
                return Ok(End::TooMuch);
            }
            if has_ended {
                return Ok(End::OfItself);
            }
        }
    }

    /// Kills the process, if it has not ended, and everything it started.
    fn end(&self) {
        // Whoever ends the daemon must not meet a number that is somebody else's after the wait.
        if running().remove(&self.group) {
            kill(self.group);
        }
    }
}

/// What comes out of a process.
struct Pipe {
    /// Absent once it has ended.
    fd: Option<std::fs::File>,
    bytes: Vec<u8>,
    most: usize,
    /// More came than is kept.
    is_over: bool,
}

impl Pipe {
    fn of(fd: Option<OwnedFd>, most: usize) -> Self {
        Self { fd: fd.map(std::fs::File::from), bytes: Vec::new(), most, is_over: false }
    }

    /// Takes what is there, and waits for nothing.
    fn drain(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8192];
        while let Some(file) = &mut self.fd {
            if !is_readable(file)? {
                return Ok(());
            }
            let read = file.read(&mut chunk)?;
            if read == 0 {
                self.fd = None;
            }
            let kept = read.min(self.most - self.bytes.len());
            self.bytes.extend_from_slice(&chunk[..kept]);
            self.is_over |= kept < read;
            if self.is_over && self.most == MAX_OUTPUT {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// True when a read would not wait.
fn is_readable(fd: &impl AsFd) -> io::Result<bool> {
    let mut one = [PollFd::new(fd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut one, Some(&at_once))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str, timeout: Duration) -> Result<Output, CommandError> {
        run(&["sh".into(), "-c".into(), script.into()], &BTreeMap::new(), timeout)
    }

    #[test]
    fn what_is_printed_is_the_answer_and_the_environment_is_what_was_said() {
        let env = BTreeMap::from([("ZONE".to_owned(), "a".to_owned())]);
        let output = run(&["sh".into(), "-c".into(), "echo $ZONE; echo ${HOME-none}".into()], &env, SOON);
        assert_eq!(output.unwrap().successful().unwrap(), b"a\nnone\n");
    }

    #[test]
    fn a_failure_says_how_it_ended_and_what_was_complained_about() {
        let failure = shell("echo first >&2; echo no access >&2; exit 3", SOON).unwrap().successful();
        assert_eq!(failure.unwrap_err().to_string(), "ended with exit status 3: no access");
        let killed = shell("kill -9 $$", SOON).unwrap().successful();
        assert_eq!(killed.unwrap_err().to_string(), "ended with signal 9");
        assert!(matches!(run(&["/no/such".into()], &BTreeMap::new(), SOON), Err(CommandError::Start(_))));
    }

    #[test]
    fn a_command_that_hangs_or_floods_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        assert!(matches!(shell(&script, Duration::from_millis(500)), Err(CommandError::TimedOut(_))));
        assert_gone(&file);
        assert!(matches!(shell("yes & yes", SOON), Err(CommandError::TooMuch)));
    }

    #[test]
    fn a_command_that_leaves_something_behind_has_answered_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; echo done", file.display());
        assert_eq!(shell(&script, SOON).unwrap().successful().unwrap(), b"done\n");
        assert_gone(&file);
    }

    /// Killed is gone, or a zombie that nobody has waited for yet.
    fn assert_gone(file: &std::path::Path) {
        let pid = std::fs::read_to_string(file).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        let runs = |stat: &String| !stat.contains(") Z ") && !stat.contains(") X ");
        let deadline = clock::now().after(SOON);
        let mut now = stat.ok();
        while now.as_ref().is_some_and(runs) {
            assert!(clock::now() < deadline, "it still runs: {now:?}");
            std::thread::yield_now();
            now = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok();
        }
    }
}

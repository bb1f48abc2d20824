//! Programs that are run for what they answer: by checks for their verdict, by discovery for what they print.
//!
//! A program is run without a shell, with an empty input, within a time, in a process group of its own. Nothing of it
//! outlives its answer: when it has ended, or its time is over, or it prints too much, or nobody waits for it any more,
//! everything it started is killed with it. The group is killed before the program is waited for, so its number cannot
//! be anybody else's by then. Who holds a slot for it gets that back when it is gone. What leaves the group (`setsid`)
//! is beyond reach.
//!
//! What it deliberately does not do: hand on the environment of the daemon, which may hold secrets.

mod output;
mod slots;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Handle;

use output::{Beyond, Output};
pub use slots::{Slot, Slots};

/// Most bytes of an answer.
pub const MAX_ANSWER: usize = 1 << 20;
/// Bytes kept of what is only told to people.
const MAX_WORDS: usize = 4096;
/// Bytes of words that are taken before nobody reads any more.
const MAX_TAKEN: usize = 64 * 1024;

/// How the output of a program is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Standard output is the answer, of [`MAX_ANSWER`] bytes at most; of standard error the beginning is kept.
    Answer,
    /// Standard output and standard error are one text, of which the beginning is kept; who writes much more than that
    /// finds nobody reading.
    Words,
}

/// What a program has left.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output; with [`Hearing::Words`] also to standard error.
    pub output: Vec<u8>,
    /// What else it wrote to standard error.
    pub complaint: Vec<u8>,
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
    #[error("printed over {MAX_ANSWER} bytes, and was killed")]
    TooMuch,
    /// It ended with a failure.
    #[error("ended with {0}")]
    Failed(String),
    /// The system failed.
    #[error("cannot be followed: {0}")]
    System(#[from] io::Error),
}

impl Ended {
    /// What it printed, if it ended well.
    pub fn successful(self) -> Result<Vec<u8>, CommandError> {
        if self.status.success() {
            return Ok(self.output);
        }
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no status".to_owned(),
        };
        let text = String::from_utf8_lossy(&self.complaint);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        Err(CommandError::Failed(last.map_or_else(|| how.clone(), |line| format!("{how}: {}", line.trim()))))
    }
}

/// A program with its arguments that sees these variables and no others.
pub fn command<N: AsRef<str>, V: AsRef<str>>(
    program: &str,
    args: impl IntoIterator<Item = V>,
    env: impl IntoIterator<Item = (N, V)>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args.into_iter().map(|arg| arg.as_ref().to_owned())).env_clear();
    command.envs(env.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned())));
    command
}

/// Runs a program and waits for its end, for at most `timeout`. The slot is given back when it is gone. Costs a thread
/// that may wait while it is started, since the disk that it is on may not answer. Cancel-safe: dropping the future
/// kills it with all it has started.
pub async fn run(
    command: Command,
    hearing: Hearing,
    timeout: Duration,
    slot: Option<Slot>,
) -> Result<Ended, CommandError> {
    let followed = async {
        let starting = tokio::task::spawn_blocking(move || Running::start(command, hearing, slot));
        starting.await.map_err(io::Error::other)??.followed().await
    };
    tokio::time::timeout(timeout, followed).await.unwrap_or(Err(CommandError::TimedOut(timeout)))
}

/// A program that runs, with all it has started. It is killed when it is dropped.
struct Running {
    /// Absent once it was waited for.
    process: Option<Process>,
    output: Output,
    /// Absent when standard error goes where standard output does.
    complaint: Option<Output>,
}

struct Process {
    child: Child,
    group: Pid,
    /// Becomes readable when the program has ended.
    exit: Receiver,
    /// Given back when the program is gone.
    _slot: Option<Slot>,
}

impl Running {
    fn start(mut command: Command, hearing: Hearing, slot: Option<Slot>) -> Result<Self, CommandError> {
        let (reader, writer) = io::pipe()?;
        let (output, complaint) = match hearing {
            Hearing::Answer => {
                let (errors, complaints) = io::pipe()?;
                command.stderr(complaints);
                (
                    Output::new(reader, MAX_ANSWER, Beyond::Fail)?,
                    Some(Output::new(errors, MAX_WORDS, Beyond::Forget)?),
                )
            }
            Hearing::Words => {
                command.stderr(writer.try_clone()?);
                (Output::new(reader, MAX_WORDS, Beyond::Leave(MAX_TAKEN - MAX_WORDS))?, None)
            }
        };
        command.stdin(Stdio::null()).stdout(writer).process_group(0);
        let mut child = command.spawn().map_err(CommandError::Start)?;
        let group = Pid::from_child(&child);
        match exit_of(group) {
            Ok(exit) => {
                let process = Some(Process { child, group, exit, _slot: slot });
                Ok(Self { process, output, complaint })
            }
            Err(error) => {
                kill(group);
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Reads what comes until the program has ended or has printed too much.
    async fn followed(mut self) -> Result<Ended, CommandError> {
        let Some(process) = &self.process else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        let complaint = async {
            match &mut self.complaint {
                Some(complaint) => complaint.read().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = process.exit.readable() => ended?,
            () = self.output.read() => return Err(CommandError::TooMuch),
            () = complaint => return Err(CommandError::TooMuch),
        }
        // Until it is waited for, nobody else can have the number of its group.
        kill(process.group);
        let waited = self.process.take().map(|mut process| process.child.wait());
        let status = waited.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))?;
        let output = self.output.finish();
        if self.output.is_too_much() {
            return Err(CommandError::TooMuch);
        }
        let complaint = self.complaint.as_mut().map(Output::finish).unwrap_or_default();
        Ok(Ended { status, output, complaint })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        kill(process.group);
        let Ok(runtime) = Handle::try_current() else { return };
        // It may take a while to die, when the disk does not answer.
        runtime.spawn(async move {
            let gone = match process.exit.readable().await {
                Ok(()) => process.child.wait().map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = gone {
                tracing::warn!(%error, "a program was killed and cannot be waited for");
            }
        });
    }
}

/// What becomes readable when the program has ended. It is no pipe, and nothing is ever read of it; but of all that the
/// runtime waits for, a pipe alone takes a descriptor as it is, and closes it by itself.
fn exit_of(program: Pid) -> io::Result<Receiver> {
    let fd: OwnedFd = pidfd_open(program, PidfdFlags::NONBLOCK)?;
    Receiver::from_owned_fd_unchecked(fd)
}

/// Without an effect on a group that is gone, which is no failure.
fn kill(group: Pid) {
    if let Err(error) = kill_process_group(group, Signal::KILL) {
        tracing::debug!(%error, "nothing was left of a program to be killed");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock;

    const SOON: Duration = Duration::from_secs(20);

    fn wait<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn sh(script: &str) -> Command {
        command("sh", ["-c", script], [("PATH", "/usr/bin:/bin"), ("ZONE", "a")])
    }

    fn shell(script: &str, hearing: Hearing, timeout: Duration) -> Result<Ended, CommandError> {
        wait(run(sh(script), hearing, timeout, None))
    }

    fn answer(script: &str) -> Result<Ended, CommandError> {
        shell(script, Hearing::Answer, SOON)
    }

    #[test]
    fn what_is_printed_is_the_answer_and_the_environment_is_what_was_said() {
        let output = answer("echo $ZONE; echo ${HOME-none}; echo aside >&2; cat").unwrap();
        assert_eq!(output.complaint, b"aside\n");
        assert_eq!(output.successful().unwrap(), b"a\nnone\n");
    }

    #[test]
    fn a_failure_says_how_it_ended_and_what_was_complained_about() {
        let failure = answer("echo first >&2; echo no access >&2; exit 3").unwrap().successful();
        assert_eq!(failure.unwrap_err().to_string(), "ended with exit status 3: no access");
        let killed = answer("kill -9 $$").unwrap().successful();
        assert_eq!(killed.unwrap_err().to_string(), "ended with signal 9");
        let missing = command("/no/such", [""; 0], [("A", "b")]);
        let error = wait(run(missing, Hearing::Answer, SOON, None)).unwrap_err();
        assert!(matches!(error, CommandError::Start(_)), "{error}");
    }

    #[test]
    fn words_are_one_text_and_only_their_beginning_is_kept() {
        let ended = shell("echo out; echo err >&2; exit 1", Hearing::Words, SOON).unwrap();
        assert_eq!((ended.output.as_slice(), ended.complaint.as_slice()), (&b"out\nerr\n"[..], &b""[..]));
        let ended = shell("head -c 60000 /dev/zero", Hearing::Words, SOON).unwrap();
        assert_eq!((ended.output.len(), ended.status.success()), (MAX_WORDS, true));
        let ended = shell("exec yes", Hearing::Words, SOON).unwrap();
        assert_eq!(ended.status.signal(), Some(13), "nobody reads it any more");
    }

    #[test]
    fn a_command_that_hangs_or_floods_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        for hearing in [Hearing::Answer, Hearing::Words] {
            let error = shell(&script, hearing, Duration::from_millis(500)).unwrap_err();
            assert!(matches!(error, CommandError::TimedOut(_)), "{error}");
            assert_gone(&file);
        }
        assert!(matches!(answer("yes & yes"), Err(CommandError::TooMuch)));
        let endless = shell("exec yes >&2", Hearing::Answer, Duration::from_millis(100));
        assert!(matches!(endless, Err(CommandError::TimedOut(_))), "{endless:?}");
    }

    #[test]
    fn a_command_that_leaves_something_behind_has_answered_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; echo done", file.display());
        assert_eq!(answer(&script).unwrap().successful().unwrap(), b"done\n");
        assert_gone(&file);
    }

    #[test]
    fn a_command_that_is_no_longer_waited_for_is_killed_and_gives_its_slot_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = sh(&format!("sleep 600 & echo $! > {}; wait", file.display()));
        let slots = Slots::of(1);
        wait(async {
            let slot = slots.take(SOON).await.unwrap();
            let running = tokio::spawn(run(script, Hearing::Words, SOON, Some(slot)));
            let deadline = clock::now().after(SOON);
            while !std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')) {
                assert!(clock::now() < deadline, "it does not run");
                tokio::task::yield_now().await;
            }
            running.abort();
            slots.all_back().await;
        });
        assert_gone(&file);
    }

    /// Killed is gone, or a zombie that nobody has waited for yet.
    fn assert_gone(file: &Path) {
        let pid = std::fs::read_to_string(file).unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok();
        let runs = |stat: &String| !stat.contains(") Z ") && !stat.contains(") X ");
        let deadline = clock::now().after(SOON);
        let mut now = stat();
        while now.as_ref().is_some_and(runs) {
            assert!(clock::now() < deadline, "it still runs: {now:?}");
            std::thread::yield_now();
            now = stat();
        }
    }
}

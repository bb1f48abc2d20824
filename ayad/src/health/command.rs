//! Runs a program; exit status 0 passes, and otherwise the first line of its output is the cause.
//!
//! The program leads a process group of its own. Whatever is left of that group when it has ended, or when its time is
//! over, is killed: a check leaves nothing behind. No shell is between, its input is empty, and of the daemon's
//! environment it sees nothing but `PATH`.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use aya_core::health::{Cause, Words};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Handle;

use super::slots::Slot;
use super::{NoPass, ProbeSpec};
use crate::config::CommandProbe;
use crate::state::Backend;
use crate::stream::Endpoint;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "command", summary: "runs a program, whose exit status is the verdict" };

/// Bytes of output that are kept for the cause.
const KEPT: usize = 4 * 1024;
/// Bytes of output that are taken. Who writes more finds nobody reading, as before `head`.
const MOST: usize = 64 * 1024;

/// Runs the program and waits for its end. Takes as long as it does; the caller sets the limit. Fails as not made when it
/// cannot be started. Cancel-safe: dropping the future kills it with all it has started, and gives its slot back when
/// it is gone.
pub(super) async fn probe(
    wanted: &CommandProbe,
    backend: &Backend,
    slot: Option<Slot>,
) -> Result<(), NoPass> {
    let (reader, writer) = io::pipe().map_err(NoPass::Unmade)?;
    let mut running = Running::start(command(wanted, backend), writer, slot).map_err(|error| {
        let what = format!("{:?} cannot be run: {error}", wanted.program);
        NoPass::Unmade(io::Error::new(error.kind(), what))
    })?;
    let mut output = Output::new(reader).map_err(NoPass::Unmade)?;
    let status = tokio::select! {
        status = running.ended() => status,
        never = output.read() => match never {},
    };
    let status = status.map_err(NoPass::Unmade)?;
    output.rest();
    judge(status, &output.kept).map_err(NoPass::Failed)
}

fn judge(status: ExitStatus, output: &[u8]) -> Result<(), Cause> {
    let words = Words::of(output);
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Cause::Exit(code as u16, words)),
        (None, signal) => Err(Cause::Signal(signal.unwrap_or_default() as u16, words)),
    }
}

fn command(wanted: &CommandProbe, backend: &Backend) -> Command {
    let (host, port) = match &backend.resolved {
        Endpoint::Tcp(address) => (address.ip().to_string(), address.port().to_string()),
        Endpoint::Unix(path) => (path.display().to_string(), String::new()),
    };
    let values = [&*backend.name, &backend.pool, &backend.address, &host, &port];
    let facts: Vec<_> = CommandProbe::FACTS.into_iter().zip(values).collect();
    let mut command = Command::new(&wanted.program);
    command.args(wanted.args.iter().map(|arg| filled(arg, &facts)));
    command.env_clear().envs(wanted.env.iter().map(|(name, value)| (name, value)));
    command.envs(facts.iter().map(|(name, value)| (format!("AYA_{}", name.to_ascii_uppercase()), value)));
    command.current_dir("/").process_group(0);
    command
}

/// The argument with the facts it names in braces. What is filled in is not looked at again.
fn filled(arg: &str, facts: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = arg;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let inner = rest[1..].split_once('}');
        let found = inner.and_then(|(name, after)| {
            facts.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, after))
        });
        let (text, after) = found.unwrap_or(("{", &rest[1..]));
        filled.push_str(text);
        rest = after;
    }
    filled + rest
}

/// A program that runs, with all it has started. It is killed when it is dropped.
struct Running(Option<Process>);

struct Process {
    child: Child,
    group: Pid,
    /// Becomes readable when the program has ended.
    exit: AsyncFd<OwnedFd>,
    /// Given back when the program is gone.
    _slot: Option<Slot>,
}

impl Running {
    fn start(mut command: Command, output: PipeWriter, slot: Option<Slot>) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = command.spawn()?;
        let group = Pid::from_child(&child);
        match exit_of(group) {
            Ok(exit) => Ok(Self(Some(Process { child, group, exit, _slot: slot }))),
            Err(error) => {
                kill(group);
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Waits for the end of the program, and ends what it has left behind. Cancel-safe.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let Some(process) = &mut self.0 else { return Err(io::ErrorKind::NotFound.into()) };
        process.exit.readable().await?.retain_ready();
        // Until it is waited for, nobody else can have the number of its group.
        kill(process.group);
        let status = process.child.wait();
        self.0 = None;
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut process) = self.0.take() else { return };
        kill(process.group);
        let Ok(runtime) = Handle::try_current() else { return };
        // It may take a while to die, when the disk does not answer.
        runtime.spawn(async move {
            let gone = match process.exit.readable().await {
                Ok(_) => process.child.wait().map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = gone {
                tracing::warn!(%error, "a program of a check was killed and cannot be waited for");
            }
        });
    }
}

#[expect(unsafe_code, reason = "the runtime cannot see for itself that a descriptor stays the one it is")]
fn exit_of(program: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = pidfd_open(program, PidfdFlags::NONBLOCK)?;
    // SAFETY: an owned descriptor is open, and the same, until it is dropped; nothing here takes it out before.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

fn kill(group: Pid) {
    if let Err(error) = kill_process_group(group, Signal::KILL) {
        tracing::debug!(%error, "nothing was left of a program of a check");
    }
}

/// What the program writes to its standard output and standard error.
struct Output {
    /// Absent when nothing more is read.
    pipe: Option<Receiver>,
    kept: Vec<u8>,
    taken: usize,
}

/// What never is.
enum Never {}

impl Output {
    fn new(reader: PipeReader) -> io::Result<Self> {
        Ok(Self { pipe: Some(Receiver::from_owned_fd(reader.into())?), kept: Vec::new(), taken: 0 })
    }

    /// Reads on and on: that the output ends does not mean that the program does. Cancel-safe.
    async fn read(&mut self) -> Never {
        loop {
            let readable = match &self.pipe {
                Some(pipe) => pipe.readable().await,
                None => std::future::pending().await,
            };
            match readable {
                Ok(()) => self.rest(),
                Err(_) => self.pipe = None,
            }
        }
    }

    /// Takes what is there.
    fn rest(&mut self) {
        let mut buffer = [0; KEPT];
        while let Some(pipe) = &self.pipe {
            match pipe.try_read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(count @ 1..) => self.take(&buffer[..count]),
                Ok(0) | Err(_) => self.pipe = None,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.taken += bytes.len();
        if self.taken > MOST {
            self.pipe = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_filled_in_once() {
        let of = |arg: &str| filled(arg, &[("host", "10.0.0.1"), ("backend", "{host}")]);

        assert_eq!(of("http://{host}:80/{host}"), "http://10.0.0.1:80/10.0.0.1");
        assert_eq!(of("{backend}"), "{host}");
        for same in ["", "{", "}", "{{", "{other}", "{\"a\": {}}"] {
            assert_eq!(of(same), same);
        }
        assert_eq!(of("{{host}}"), "{10.0.0.1}");
    }
}

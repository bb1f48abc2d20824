//! The demo's daemon: a child process that never outlives the demo, not even one that is killed: it stops when its
//! standard input ends, and the demo has the other end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aya_api::client::Client;
use aya_api::command::listeners::GetListeners;
use aya_api::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, timeout};

use super::signals::Signals;
use crate::failure::Failure;
use crate::render::cell::visible;

/// Longest time until the daemon answers.
const START: Duration = Duration::from_secs(10);
/// Longest time it gets to end before it is killed.
const STOP: Duration = Duration::from_secs(5);
/// Limit of one call.
const CALL: Duration = Duration::from_secs(2);
/// How often it is looked for while it starts.
const LOOK: Duration = Duration::from_millis(20);
/// How much of its log is shown when it fails, in bytes.
const TAIL: u64 = 2048;

/// A running daemon.
pub(super) struct Daemon {
    child: Child,
    log: PathBuf,
}

/// The `ayad` binary next to this one.
pub(super) fn find() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let binary = own.with_file_name("ayad");
    if binary.is_file() {
        return Ok(binary);
    }
    let message = format!("there is no ayad at {}", binary.display());
    let hint = "build both with `cargo build --release`, or install ayad beside ayactl";
    Err(Failure::new(Exit::Error, "no-ayad", message, hint))
}

impl Daemon {
    /// Starts it. In a process group of its own, so that Ctrl-C reaches the demo alone, which then stops the
    /// daemon after its clients.
    pub(super) fn start(
        runtime: &Runtime,
        binary: &Path,
        config: &Path,
        log: PathBuf,
    ) -> Result<Self, Failure> {
        let out = File::create(&log)?;
        let err = out.try_clone()?;
        let mut command = Command::new(binary);
        command.arg("--config").arg(config).arg("--stop-on-eof");
        command.stdin(Stdio::piped()).stdout(out).stderr(err).process_group(0).kill_on_drop(true);
        // A child of tokio belongs to a runtime.
        let _inside = runtime.enter();
        let child = command.spawn().map_err(|error| Failure::from(error).context(binary.display()))?;
        Ok(Self { child, log })
    }

    /// Waits until it answers and says where it listens.
    pub(super) async fn address(&mut self, socket: &Path, signals: &Signals) -> Result<String, Failure> {
        let client = Client::new(socket, CALL)?;
        let started = Instant::now();
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            self.check()?;
            if let Some(signal) = signals.caught() {
                return Err(Failure::signal(signal));
            }
            let last = match client.call(&GetListeners).await {
                Ok(listeners) => match listeners.into_iter().flat_map(|listener| listener.bind).next() {
                    Some(address) => return Ok(address),
                    None => "it has no listener".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            if started.elapsed() > START {
                let message = format!("ayad did not start within {}s: {last}", START.as_secs());
                return Err(self.failure(message));
            }
        }
    }

    /// Fails when it has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.failure(format!("ayad ended by itself, {status}"))),
        }
    }

    /// Asks it to end, and makes it end when it does not.
    pub(super) fn stop(&mut self, runtime: &Runtime) -> Result<ExitStatus, Failure> {
        runtime.block_on(async {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                // It is not reaped yet, so this is still its number; it may just have ended, which is fine.
                let _ = kill_process(pid, Signal::TERM);
            }
            if let Ok(ended) = timeout(STOP, self.child.wait()).await {
                return Ok(ended?);
            }
            self.child.kill().await?;
            Ok(self.child.wait().await?)
        })
    }

    fn failure(&self, message: String) -> Failure {
        let hint = match tail(&self.log) {
            Ok(tail) if !tail.trim().is_empty() => format!("its log ends with:\n{}", tail.trim_end()),
            Ok(_) => "its log is empty".into(),
            Err(error) => format!("its log cannot be read: {error}"),
        };
        Failure::new(Exit::Error, "daemon-failed", message, hint)
    }
}

/// The end of a file, without control characters.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|line| visible(line.to_owned()) + "\n").collect())
}

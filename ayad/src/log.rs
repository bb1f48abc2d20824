//! Logs: what the daemon says about itself (tracing, to standard error), and the access log.
//!
//! The access log is one JSON object a line. A worker formats its lines and hands them to a thread of their
//! own; when that thread cannot keep up, lines are dropped and counted, and no request waits.

mod connection;
mod line;
mod stderr;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

pub use connection::{ConnectionLine, ConnectionTiming};
pub use line::{LogDraft, LogLine};

use crate::config;

/// Lines that may wait for the writing thread.
const QUEUE: usize = 8192;
/// Longest time a line waits in memory before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// Starts tracing to standard error. `level` is a filter as in `RUST_LOG`, e.g. `info` or `ayad=debug`.
pub fn start(level: &str, json: bool) -> Result<(), String> {
    // What clients do on an HTTP/2 connection is counted by its reason; as warnings of the codec it would be a log that
    // anybody can fill.
    let filter = EnvFilter::try_new(format!("h2=error,{level}"))
        .map_err(|error| format!("\"{level}\" is no log level: {error}"))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| stderr::Stderr).with_target(false);
    let started = if json { builder.json().try_init() } else { builder.try_init() };
    started.map_err(|error| error.to_string())
}

/// Where requests are logged; shared by all workers.
#[derive(Debug)]
pub struct AccessLog {
    on: AtomicBool,
    /// To the writing thread, which starts with the first log that is switched on.
    queue: OnceLock<SyncSender<Item>>,
    /// Where the writing thread is to go on. Beside the queue, which may be full of lines for a reader that is
    /// stuck.
    next: Arc<Mutex<Option<Target>>>,
    dropped: AtomicU64,
}

enum Item {
    Line(Vec<u8>),
    /// Look for another target.
    Wake,
    Flush(SyncSender<()>),
}

#[derive(Debug)]
enum Target {
    Nowhere,
    Stdout(io::Stdout),
    File(BufWriter<File>),
}

impl AccessLog {
    /// A log that is off.
    pub fn new() -> Self {
        Self {
            on: AtomicBool::new(false),
            queue: OnceLock::new(),
            next: Arc::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Opens where `conf` says, or says why that cannot be. Opening a file again makes way for rotation.
    pub fn open(conf: &config::AccessLog) -> Result<OpenedLog, String> {
        let target = match conf {
            config::AccessLog::Off => Target::Nowhere,
            config::AccessLog::Stdout => Target::Stdout(io::stdout()),
            config::AccessLog::File(path) => Target::File(BufWriter::new(append_to(path)?)),
        };
        Ok(OpenedLog(target))
    }

    /// Writes there from now on.
    pub fn switch(&self, opened: OpenedLog) {
        let wanted = !matches!(opened.0, Target::Nowhere);
        if wanted && let Err(error) = self.start() {
            tracing::error!(%error, "the access log stays off: its thread cannot be started");
            return;
        }
        *lock(&self.next) = Some(opened.0);
        if let Some(queue) = self.queue.get()
            && let Err(TrySendError::Disconnected(_)) = queue.try_send(Item::Wake)
        {
            tracing::error!("the thread of the access log has ended");
        }
        self.on.store(wanted, Ordering::Relaxed);
    }

    /// Starts the writing thread unless it runs. Only the control thread switches logs, so nobody races.
    fn start(&self) -> io::Result<()> {
        if self.queue.get().is_none() {
            let (queue, items) = sync_channel(QUEUE);
            let next = Arc::clone(&self.next);
            thread::Builder::new().name("aya-log".into()).spawn(move || run(&items, &next))?;
            self.queue.get_or_init(|| queue);
        }
        Ok(())
    }

    /// True while lines are wanted.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Hands a line over; drops it when too many wait.
    pub fn write(&self, line: &impl Serialize) {
        let mut bytes = Vec::with_capacity(512);
        // A line of plain values always becomes JSON; see the test beside its type.
        if serde_json::to_writer(&mut bytes, line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        bytes.push(b'\n');
        if self.queue.get().is_none_or(|queue| queue.try_send(Item::Line(bytes)).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything handed over so far is written, but not longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        let asked = self.queue.get().is_some_and(|queue| queue.try_send(Item::Flush(done)).is_ok());
        if asked && wait.recv_timeout(limit).is_err() {
            tracing::warn!("the access log was not written to its end");
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self::new()
    }
}

/// A log that was opened but is not written to yet.
pub struct OpenedLog(Target);

impl std::fmt::Debug for OpenedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenedLog")
    }
}

fn append_to(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .append(true)
        .create(true)
        // A pipe that nobody reads is an error now, instead of a wait for ever.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| format!("cannot open the access log {}: {error}", path.display()))
}

fn lock(next: &Mutex<Option<Target>>) -> MutexGuard<'_, Option<Target>> {
    // Both holders only take or put a whole value.
    next.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(items: &Receiver<Item>, next: &Mutex<Option<Target>>) {
    let mut target = Target::Nowhere;
    let mut failing = false;
    loop {
        let item = items.recv_timeout(FLUSH_EVERY);
        let changed = lock(next).take();
        if let Some(changed) = changed {
            tell(target.flush(), &mut failing);
            target = changed;
        }
        let written = match item {
            Ok(Item::Line(line)) => target.write(&line),
            Ok(Item::Wake) => Ok(()),
            Ok(Item::Flush(done)) => {
                let flushed = target.flush();
                if done.try_send(()).is_err() {
                    tracing::debug!("whoever asked for a flush has stopped waiting");
                }
                flushed
            }
            Err(RecvTimeoutError::Timeout) => target.flush(),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        tell(written, &mut failing);
    }
}

/// Tells of the first failure after a success.
fn tell(written: io::Result<()>, failing: &mut bool) {
    match written {
        Ok(()) => *failing = false,
        Err(error) => {
            if !std::mem::replace(failing, true) {
                tracing::error!(%error, "cannot write the access log");
            }
        }
    }
}

impl Target {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout(out) => out.write_all(line),
            Self::File(file) => file.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

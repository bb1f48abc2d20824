//! Upgrade: one `ayad` hands its work over to the next, and no client notices.
//!
//! The running process ([`giver`]) starts a binary with `--take-over` and one end of a socket pair as its
//! standard input; nothing else is inherited. Over that pair go messages ([`wire`]: a length and JSON) and, beside
//! them, descriptors (`SCM_RIGHTS`). That needs no descriptor without `CLOEXEC`, no numbers in the environment, and
//! no moment at which another child could inherit a socket.
//!
//! ```text
//!  old                                            new ([`taker`])
//!   │ Offer + every listening socket ────────────▶ │ reads the file, binds what is new, builds everything
//!   │ ◀──────────────────────────────── Ready ─── │ (or Failed, or nothing within `daemon.upgrade_timeout`)
//!   │ takes no more orders, lets callers wait      │
//!   │ Commit: what it learned + the journal's lock ▶ reads the journal, starts its threads, accepts
//!   │ ◀────────────────────────────── Started ─── │
//!   │ stops accepting, finishes what it has        │ the daemon
//! ```
//!
//! Both processes have the same sockets, so the queue of the kernel never closes: a connection is accepted by the
//! one or by the other. Until `Started` everything can be taken back: the new process is killed and the old one
//! goes on as if nothing had been, with the reason told. A listener that the new configuration no longer has is
//! ended by the old process, which serves what had begun.
//!
//! What goes along ([`learned`]): health with its cause, breakers, latency estimates, how backends stand among the others
//! and how their weights follow a signal ([`standing`]), the history of backends, which backends are drained; which
//! algorithm a pool chose by itself, on what evidence ([`chosen`]); the numbers of events, revisions and configurations ([`Line`]). Orders and leases are in the
//! journal, whose lock is an open file that both share for a moment; failed orders of certificates are on the disk as
//! well. What does not: counters, rates and checks kept for people. They describe a process; for as long as the old one
//! finishes both count, and Prometheus knows what a counter is that starts again.
//!
//! What it deliberately does not do: move connections that are open. The old process finishes them within
//! `daemon.shutdown_timeout`.

pub mod chosen;
pub mod giver;
pub mod learned;
mod standing;
pub mod taker;
mod wire;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use aya_api::event::Event;
use serde::{Deserialize, Serialize};

use self::chosen::Chosen;
use self::learned::Learned;
use crate::sockets::FileId;

/// The argument that makes a process take over; people never type it.
pub const TAKE_OVER: &str = "--take-over";
/// Version of the messages below; both sides must speak the same.
const PROTOCOL: u32 = 1;
/// Revisions between those of the old process and those of the new one, for what the old one still changes.
pub const REV_GAP: u64 = 1 << 20;

/// How this process was started, to start the next one alike.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The binary.
    pub path: PathBuf,
    /// Its arguments, without [`TAKE_OVER`].
    pub args: Vec<OsString>,
    /// What it lives on; the next one does, too.
    pub lifeline: Option<Arc<OwnedFd>>,
}

/// What the old process has. The descriptors follow in this order: the sockets of each address, the control
/// socket, that of metrics, the lifeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Offer {
    protocol: u32,
    addresses: Vec<Address>,
    control: PathBuf,
    /// Which file at that path is the one of the control socket.
    #[serde(default)]
    control_file: Option<FileId>,
    admin: Option<SocketAddr>,
    #[serde(default)]
    has_lifeline: bool,
    /// The newest revision.
    rev: u64,
    pid: u32,
}

/// What the first process told the second, as the start of the second needs it.
#[derive(Debug)]
pub struct TakenOver {
    /// Process id of the first.
    pub from: u32,
    /// The line of processes.
    pub line: Line,
    /// What pools that choose their algorithm by themselves knew.
    pub chosen: Vec<Chosen>,
    /// Backends that are drained already, each since when.
    pub drained: Vec<(std::sync::Arc<crate::state::Backend>, u64)>,
}

/// What a process knows of its line: the processes that took over from one another, and itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Line {
    /// Version of this process.
    pub version: Option<String>,
    /// When the first process of the line started, by the wall clock.
    pub since_ms: Option<u64>,
    /// Configurations applied since then.
    pub generation: u64,
}

/// One address of a listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Address {
    listener: String,
    wanted: SocketAddr,
    bound: SocketAddr,
    sockets: usize,
}

/// What cannot be known before the old process takes no more orders. The lock of the journal follows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Handed {
    /// The newest revision.
    pub rev: u64,
    /// Number of the newest event.
    pub seq: u64,
    /// The events still kept.
    pub events: Vec<Event>,
    /// What is known about backends.
    pub learned: Vec<Learned>,
    /// What pools that choose their algorithm by themselves know.
    #[serde(default)]
    pub chosen: Vec<Chosen>,
    /// The line that goes on.
    #[serde(default)]
    pub line: Line,
}

/// From old to new.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Offer(Offer),
    Commit(Box<Handed>),
    /// It was only to be tried.
    CallOff,
}

/// From new to old.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Ready(Ready),
    Failed { message: String, hint: String },
    Started,
}

/// The new process has everything it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its version.
    pub version: String,
    /// Which addresses it goes on with, by what they are bound to.
    pub taken: Vec<SocketAddr>,
}

/// Why a hand-over did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The binary cannot be started.
    #[error("{} cannot be started: {source}", path.display())]
    Spawn {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new process said why not.
    #[error("the new ayad did not start: {message}")]
    Failed {
        /// In its words.
        message: String,
        /// What it advises.
        hint: String,
    },
    /// It ended without a word.
    #[error("the new process ended before it was ready ({0})")]
    Ended(String),
    /// It took too long, and was killed.
    #[error("the new process was not ready within {} s and was killed", .0.as_secs_f64())]
    TimedOut(std::time::Duration),
    /// The other side said something unexpected.
    #[error("the two processes do not understand each other: {0}")]
    Protocol(String),
    /// The old process has called it off.
    #[error("called off by the running ayad")]
    CalledOff,
}

impl HandoverError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Spawn { .. } => "is it a binary of ayad that may be executed?".into(),
            Self::Failed { hint, .. } => hint.clone(),
            Self::Ended(_) => "see what it wrote to the log of ayad".into(),
            Self::TimedOut(_) => {
                "see what it wrote to the log of ayad; daemon.upgrade_timeout says how long it may take"
                    .into()
            }
            Self::Protocol(_) => "are the versions far apart? then stop and start ayad instead".into(),
            Self::CalledOff => "nothing was changed".into(),
        }
    }
}

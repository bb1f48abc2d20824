//! Where backends come from that are not written in the file, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aya_core::discovery::Pace;

use super::Origin;

/// One source of backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discover {
    /// What is asked.
    pub source: Source,
    /// How often.
    pub pace: Pace,
    /// Longest time for one look.
    pub timeout: Duration,
    /// Looks in a row that a backend must be missing from before it is gone.
    pub linger: u32,
    /// Most backends that are taken from it.
    pub max_backends: usize,
    /// Where it is defined.
    pub origin: Origin,
}

/// What is asked. Its text names it for people, and is the same from one process to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The addresses of a host.
    Dns {
        /// Its name.
        host: String,
        /// The port of every backend.
        port: u16,
        /// Whom to ask; nobody in particular when empty.
        servers: Vec<SocketAddr>,
    },
    /// The servers of a service.
    Srv {
        /// Its name.
        name: String,
        /// Whom to ask; nobody in particular when empty.
        servers: Vec<SocketAddr>,
    },
    /// A file.
    File(PathBuf),
    /// What a command prints.
    Command {
        /// The program and its arguments; at least the program.
        argv: Vec<String>,
        /// Environment variables.
        env: BTreeMap<String, String>,
    },
    /// What operators add and remove.
    Api,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { host, port, .. } => write!(f, "dns {host}:{port}"),
            Self::Srv { name, .. } => write!(f, "srv {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Command { argv, .. } => write!(f, "command {}", argv.join(" ")),
            Self::Api => f.write_str("api"),
        }
    }
}

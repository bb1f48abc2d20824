//! What may be typed, as clap's types. The comments on commands and flags are what `--help` prints.
//!
//! What it means is said by [`super::Intent`]; nothing else looks at these types.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::config::env::{MAX_SOCKET_PATH, is_socket_path};

const EXAMPLES: &str = "\
Examples:
  ayad --config /etc/ayad/ayad.toml
  ayad --listen 127.0.0.1:8080 --backend 127.0.0.1:9001 --backend 127.0.0.1:9002
  ayad check ayad.toml

Signals:
  SIGHUP reads the file again; SIGUSR2 hands over to a new process of the same binary;
  SIGTERM and SIGINT finish requests and stop, a second one stops at once

Exit codes:
  0 stopped as asked, 1 error (also: the file has problems), 2 wrong usage, 128+n killed by signal n";

/// AYA, an adaptive load balancer: the proxy daemon
#[derive(Clone, Debug, Parser)]
#[command(name = "ayad", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    pub(super) run: RunArgs,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// Run with this configuration file
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["listen", "backend"])]
    pub(super) config: Option<PathBuf>,
    /// Without a file: accept connections here; repeat for more addresses
    #[arg(long, value_name = "IP:PORT", requires = "backend")]
    pub(super) listen: Vec<String>,
    /// Without a file: send requests here; repeat for more backends
    #[arg(long, value_name = "HOST:PORT", requires = "listen")]
    pub(super) backend: Vec<String>,
    /// Serve the control API at this socket, whatever the file says
    #[arg(long, value_name = "PATH", value_parser = socket_path)]
    pub(super) control: Option<PathBuf>,
    /// Keep the journal in this folder, whatever the file says
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Run this many worker threads, whatever the file says [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) workers: Option<u32>,
    /// Log events of this level and above
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub(super) log_level: LogLevel,
    /// Stop as on SIGTERM when standard input ends, so that it never outlives the program that started it
    #[arg(long)]
    pub(super) stop_on_eof: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Check a configuration file and show what it means
    #[command(after_help = "\
Examples:
  ayad check ayad.toml
  ayad check ayad.toml --format json | jq '.problems[].message'

Exit codes:
  0 the file is valid, 1 it has problems (all are shown), 2 wrong usage")]
    Check {
        /// Configuration file
        file: PathBuf,
        /// Print for people or for programs
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Human)]
        format: Format,
    },
    /// Have the running daemon hand over to a new process, without a client noticing
    #[command(after_help = "\
Examples:
  ayad upgrade
  ayad upgrade --dry-run
  ayad upgrade --binary /opt/ayad-2/ayad

Exit codes:
  0 the new process serves, 1 it did not get ready and the running one goes on, 2 wrong usage,
  7 no daemon answers, 8 not permitted")]
    Upgrade {
        /// Socket of the running daemon
        #[arg(long, value_name = "PATH", env = "AYA_SOCKET")]
        socket: Option<PathBuf>,
        /// Start this binary instead of the one the daemon was started from
        #[arg(long, value_name = "PATH")]
        binary: Option<String>,
        /// Only try how far the new process gets
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON Schema of the configuration file
    #[command(after_help = "\
Examples:
  ayad schema > ayad.schema.json

Editors with TOML support complete and check keys by it:
  #:schema ./ayad.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  ayad completion bash > ~/.local/share/bash-completion/completions/ayad
  ayad completion zsh > \"${fpath[1]}/_ayad\"
  ayad completion fish > ~/.config/fish/completions/ayad.fish")]
    Completion {
        /// Shell to complete in
        #[arg(value_name = "SHELL")]
        shell: CompletionShell,
    },
}

/// Lowest level of events that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what needs somebody.
    Error,
    /// Also what may soon.
    Warn,
    /// Also what changed.
    Info,
    /// Also decisions.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Its name in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// For whom `ayad check` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text with carets.
    Human,
    /// One JSON object.
    Json,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

fn socket_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let problem = || format!("the kernel takes paths of 1 to {MAX_SOCKET_PATH} bytes for sockets");
    if is_socket_path(&path) { Ok(path) } else { Err(problem()) }
}

//! Verbs that need no daemon, or bring their own screen.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;
use crate::time::parse_span;

/// `ayactl top`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl top\n  ayactl top shop --read-only\n  ayactl top --once | less")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of the command line")]
pub struct TopArgs {
    /// Begin with this pool
    #[arg(value_name = "POOL", add = ArgValueCompleter::new(complete::pools))]
    pub pool: Option<String>,
    /// Print one frame and end
    #[arg(long, conflicts_with = "plain")]
    pub once: bool,
    /// Print lines instead of drawing, for pipes and screen readers
    #[arg(long)]
    pub plain: bool,
    /// Refuse every change
    #[arg(long)]
    pub read_only: bool,
    /// Frames a second
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub fps: u8,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
}

/// Shells with completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash, 4 or newer
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// `ayactl completion`.
#[derive(Args, Debug)]
#[command(
    after_help = "Names of pools, backends and algorithms come from the running daemon.\n\nExamples:\n  \
                        source <(ayactl completion bash)\n  \
                        ayactl completion zsh > \"${fpath[1]}/_ayactl\"\n  \
                        ayactl completion fish > ~/.config/fish/completions/ayactl.fish"
)]
pub struct CompletionArgs {
    /// Which shell
    pub shell: Shell,
}

/// `ayactl man`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl man | man -l -\n  ayactl man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write a page for every verb into this folder, instead of printing the main one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `ayactl practice-backend`, which the demo runs for itself.
#[derive(Args, Debug)]
pub struct PracticeBackendArgs {
    /// Which one
    #[arg(long)]
    pub part: usize,
    /// Seed of its latencies
    #[arg(long)]
    pub seed: u64,
    /// Where it listens; a free port when absent
    #[arg(long, default_value = "127.0.0.1:0")]
    pub address: std::net::SocketAddr,
}

/// `ayactl keep-program`, which experiments run for themselves.
#[derive(Args, Debug)]
pub struct KeepProgramArgs {
    /// The program, with its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub program: Vec<std::ffi::OsString>,
}

/// `ayactl demo`.
#[derive(Args, Debug)]
#[command(
    after_help = "Everything is on loopback, on free ports, in a temporary folder; nothing is left behind.\n\n\
                        Examples:\n  ayactl demo\n  ayactl demo --for 20s\n  ayactl demo --for 10s -o json | jq .p99_ms"
)]
pub struct DemoArgs {
    /// No dashboard: say what to try, stop after this long and print a summary
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span)]
    pub length: Option<Duration>,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub rate: u32,
    /// The same seed gives the same backends and the same order of requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep the temporary folder with configuration, state and log
    #[arg(long)]
    pub keep: bool,
}

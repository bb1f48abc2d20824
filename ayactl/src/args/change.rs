//! Verbs that change something.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;
use crate::time::{parse_some, parse_span};

/// How a change is to be made.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Change options")]
pub struct ChangeArgs {
    /// Only say what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the journal and for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Revert by itself after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_some)]
    pub lease: Option<Duration>,
    /// Only if the object still has this revision
    #[arg(long, value_name = "REV")]
    pub if_rev: Option<u64>,
    /// Do not ask, even when a pool is left without an eligible backend
    #[arg(short, long)]
    pub yes: bool,
}

/// Which backends.
#[derive(Args, Clone, Debug)]
pub struct Selection {
    /// Backends; "*" and "?" stand for any characters, "-" reads names from stdin
    #[arg(value_name = "POOL/BACKEND", required = true, add = ArgValueCompleter::new(complete::backends))]
    pub names: Vec<String>,
}

/// Waiting for the effect.
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// Wait until it has taken effect, at most this long [default: 5m]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "5m",
          require_equals = true, value_parser = parse_span)]
    pub wait: Option<Duration>,
}

/// What happens to a drain whose deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDeadline {
    /// It stays draining
    Keep,
    /// It becomes ready again
    Undo,
}

/// What happens to clients bound by a sticky session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StickyChoice {
    /// They keep coming until their sessions end
    Honour,
    /// They move to another backend with their next request
    Move,
}

/// `ayactl drain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl drain shop/web-1 --wait\n  \
                        ayactl drain 'shop/*-2' --for 30m --reason \"kernel update\"\n  \
                        ayactl get backends -o name | grep web | ayactl drain - --wait --yes")]
pub struct DrainArgs {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Like --wait, at most this long
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    pub deadline: Option<Duration>,
    /// What to do with backends that are not drained when the time is up
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub on_deadline: OnDeadline,
    /// What happens to clients bound by a sticky session
    #[arg(long, value_name = "HOW")]
    pub sticky: Option<StickyChoice>,
    /// How.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `ayactl ready`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl ready shop/web-1\n  ayactl ready 'shop/*'\n  \
                        ayactl ready shop/web-1 --wait=30s")]
pub struct ReadyArgs {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
    /// Waiting, until it can get requests.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `ayactl maint`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl maint shop/web-1 --reason \"disk replaced\"\n  ayactl maint 'img/*' --yes\n  \
                        ayactl maint shop/web-1 --for 1h --dry-run"
)]
pub struct MaintArgs {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
    /// Waiting, until nothing is in flight.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `ayactl weight`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Examples:\n  ayactl weight get\n  ayactl weight set shop/web-2=3\n  \
                        ayactl weight set shop/web-1=+1 shop/web-2=-1")]
pub struct WeightArgs {
    /// Show or change.
    #[command(subcommand)]
    pub verb: WeightVerb,
}

/// Verbs of `ayactl weight`.
#[derive(Debug, Subcommand)]
pub enum WeightVerb {
    /// Show weights and the shares they lead to
    #[command(after_help = "Examples:\n  ayactl weight get\n  ayactl weight get shop\n  \
                            ayactl weight get -o csv > weights.csv")]
    Get {
        /// Pools or backends; "*" and "?" stand for any characters
        #[arg(value_name = "POOL|POOL/BACKEND", add = ArgValueCompleter::new(complete::pools_and_backends))]
        names: Vec<String>,
    },
    /// Change weights
    #[command(
        after_help = "Examples:\n  ayactl weight set shop/web-2=3\n  ayactl weight set 'shop/*=+1' --for 10m\n  \
                      printf 'shop/web-1 2\\nshop/web-2 1\\n' | ayactl weight set -f -"
    )]
    Set {
        /// Backends with their weight, 0 to 1000; +N and -N are relative
        #[arg(value_name = "POOL/BACKEND=W", required_unless_present = "file",
              add = ArgValueCompleter::new(complete::weights))]
        weights: Vec<String>,
        /// Read lines `POOL/BACKEND WEIGHT` from this file; "-" is stdin
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// `ayactl algorithm`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Examples:\n  ayactl algorithm list\n  ayactl algorithm get\n  \
                        ayactl algorithm set shop least-connections")]
pub struct AlgorithmArgs {
    /// List, show or change.
    #[command(subcommand)]
    pub verb: AlgorithmVerb,
}

/// Verbs of `ayactl algorithm`.
#[derive(Debug, Subcommand)]
pub enum AlgorithmVerb {
    /// List the algorithms pools can use, and when to choose them
    #[command(after_help = "Examples:\n  ayactl algorithm list\n  ayactl algorithm list -o name")]
    List,
    /// Show the algorithm of every pool
    #[command(
        alias = "show",
        after_help = "Examples:\n  ayactl algorithm get\n  ayactl algorithm get shop -o json"
    )]
    Get {
        /// Pools; "*" and "?" stand for any characters
        #[arg(value_name = "POOL", add = ArgValueCompleter::new(complete::pools))]
        names: Vec<String>,
    },
    /// Change the algorithm of a pool
    #[command(after_help = "Examples:\n  ayactl algorithm set shop least-connections\n  \
                            ayactl algorithm set shop hot-cold quantile=0.7\n  \
                            ayactl algorithm set shop p2c --for 10m --reason \"is it calmer?\"")]
    Set {
        /// The pool
        #[arg(value_name = "POOL", add = ArgValueCompleter::new(complete::pools))]
        pool: String,
        /// One of `ayactl algorithm list`
        #[arg(value_name = "ALGORITHM", add = ArgValueCompleter::new(complete::algorithms))]
        algorithm: String,
        /// Parameters of the algorithm; `ayactl algorithm list -o wide` shows them
        #[arg(value_name = "NAME=VALUE")]
        params: Vec<String>,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// `ayactl backend`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
#[command(
    after_help = "For pools with discover = { api = true }. What is added stays through restarts.\n\nExamples:\n  \
                        ayactl backend add shop/web-3 10.0.0.3:8080\n  \
                        ayactl backend remove shop/web-3\n  \
                        ayactl get backends"
)]
pub struct BackendArgs {
    /// Add or remove.
    #[command(subcommand)]
    pub verb: BackendVerb,
}

/// Verbs of `ayactl backend`.
#[derive(Debug, Subcommand)]
pub enum BackendVerb {
    /// Add a backend to a pool, or change what is known of one that was added
    #[command(after_help = "Examples:\n  ayactl backend add shop/web-3 10.0.0.3:8080\n  \
                            ayactl backend add shop/web-3 10.0.0.3:8080 --weight 2 --zone a --tag blue\n  \
                            ayactl backend add shop/spare 10.0.0.9:8080 --priority 1 --reason \"for sundays\"")]
    Add {
        /// The pool, and the name of the backend in it
        #[arg(value_name = "POOL/BACKEND", add = ArgValueCompleter::new(complete::pools))]
        name: String,
        /// Where it is: IP:PORT, or the path of a Unix socket after "unix:"
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// Its weight, 0 to 1000 [default: 1]
        #[arg(long, value_name = "N")]
        weight: Option<u32>,
        /// Zone it stands in
        #[arg(long, value_name = "NAME")]
        zone: Option<String>,
        /// A word to select it by; may be given again
        #[arg(long = "tag", value_name = "WORD")]
        tags: Vec<String>,
        /// Its priority group: the lowest number serves first
        #[arg(long, value_name = "N", default_value = "0")]
        priority: u8,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Take backends out that were added; requests in flight finish
    #[command(after_help = "Examples:\n  ayactl backend remove shop/web-3\n  \
                            ayactl backend remove 'shop/web-*' --dry-run\n  \
                            ayactl backend remove shop/web-3 --yes --reason \"disk is dying\"")]
    Remove {
        /// Which.
        #[command(flatten)]
        selection: Selection,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// `ayactl upgrade`.
#[derive(Args, Debug)]
#[command(
    after_help = "No connection is refused and no request lost; the old process finishes what it has. A new one that \
                        does not get ready changes nothing.\n\nExamples:\n  \
                        ayactl upgrade\n  ayactl upgrade --dry-run\n  ayactl upgrade --binary /opt/ayad-2/ayad"
)]
pub struct UpgradeArgs {
    /// Start this binary instead of the one the daemon was started from; a path on the daemon's machine
    #[arg(long, value_name = "PATH")]
    pub binary: Option<String>,
    /// Only try how far the new process gets
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `ayactl reload`.
#[derive(Args, Debug)]
#[command(
    after_help = "A file with mistakes changes nothing; the running configuration stays.\n\nExamples:\n  \
                        ayactl reload\n  ayactl reload --dry-run\n  ayactl reload --reason \"new backend\""
)]
pub struct ReloadArgs {
    /// Only say what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the journal and for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

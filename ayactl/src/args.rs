//! What can be typed: clap types and nothing else. Behaviour is in [`crate::cmd`], one file per verb.
//!
//! Every verb's help ends with commands that run as they stand; a test holds the whole help as snapshots.

mod breaker;
mod change;
pub mod chaos;
mod experiment;
mod explain;
mod loadtest;
mod local;
mod read;
mod simulate;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aya_api::exit::Exit;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;

pub use breaker::{BreakerArgs, BreakerVerb, OrderArgs};
pub use change::{
    AlgorithmArgs, AlgorithmVerb, BackendArgs, BackendVerb, ChangeArgs, DrainArgs, MaintArgs, OnDeadline,
    ReadyArgs, ReloadArgs, Selection, StickyChoice, UpgradeArgs, WaitArgs, WeightArgs, WeightVerb,
};
pub use chaos::{ChaosArgs, ChaosVerb, StopArgs};
pub use experiment::{
    ExperimentVerb, GamedayArgs, GamedayRunArgs, GamedayVerb, HistoryArgs, InitArgs, PracticeArgs,
    ReportArgs, ReportFormat, RestartArgs, RunArgs, ValidateArgs,
};
pub use explain::ExplainArgs;
pub use loadtest::{
    AgainstArgs, AgentArgs, CompareArgs, KeepArgs, LoadtestArgs, LoadtestCommand, LoadtestVerb, MergeArgs,
    RecordingArgs,
};
pub use local::{CompletionArgs, DemoArgs, KeepProgramArgs, ManArgs, PracticeBackendArgs, Shell, TopArgs};
pub use read::{
    DescribeArgs, GetArgs, Kind, MetricsArgs, StatusArgs, VersionArgs, WatchArgs, WatchOption, WatchWhat,
};
pub use simulate::SimulateArgs;

const SOCKET_HELP: &str = "Control socket of the daemon [default: $AYA_SOCKET, else $XDG_RUNTIME_DIR/ayad.sock, else \
                           /run/ayad/control.sock]";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "ayactl",
    version,
    about = "Operate ayad: see backends live, drain nodes, change weights and algorithms",
    long_about = "Operate ayad: see backends live, drain nodes, change weights and algorithms.\n\n\
                  Data goes to stdout, talk goes to stderr, nothing asks a question off a terminal, and \
                  every change prints how to undo it.",
    propagate_version = false
)]
pub struct Cli {
    /// Options every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options every verb takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the daemon is controlled.
    #[arg(long, global = true, value_name = "PATH", help = SOCKET_HELP)]
    pub socket: Option<PathBuf>,
    /// Format of what goes to stdout
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// Show only these columns, in this order (table, wide, csv)
    #[arg(long, global = true, value_name = "NAME,…", value_delimiter = ',', add = ArgValueCompleter::new(complete::columns))]
    pub columns: Option<Vec<String>>,
    /// Leave out the headings (table, wide, csv)
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// Sort lists by this column; a leading "-" turns the order round
    #[arg(long, global = true, value_name = "COLUMN", allow_hyphen_values = true, add = ArgValueCompleter::new(complete::sort_keys))]
    pub sort_by: Option<String>,
    /// Give up on a call to the daemon after this long
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", value_parser = crate::time::parse_span)]
    pub timeout: Duration,
    /// Say nothing on stderr but warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// Format of what goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For people with wide terminals: every column
    Wide,
    /// One JSON document; a list is always an array
    Json,
    /// One JSON document a line; a list is one line an item
    Jsonl,
    /// One YAML document
    Yaml,
    /// Comma-separated values with a heading line
    Csv,
    /// Names only, one a line, for pipes
    Name,
}

impl Format {
    /// Whether programs read it as JSON; then they read errors as JSON too.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` or TERM=dumb says otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the daemon, its alarms, its pools and what is out of service, on one screen
    Status(StatusArgs),
    /// List objects of one kind
    Get(GetArgs),
    /// Tell everything about one pool, backend, listener or route
    Describe(DescribeArgs),
    /// Tell why requests go where they go: the next pick, the share of a backend, or one request
    Explain(ExplainArgs),
    /// Print events as they happen
    Watch(WatchArgs),
    /// Open the dashboard
    Top(TopArgs),
    /// Take backends out gently: nothing new, requests in flight finish
    Drain(DrainArgs),
    /// Put backends back into service
    Ready(ReadyArgs),
    /// Take backends out of service at once, without health checks
    Maint(MaintArgs),
    /// Show or change how much of the traffic backends get
    Weight(WeightArgs),
    /// List breakers; force them open or closed, hold, release or reset them
    Breaker(BreakerArgs),
    /// List, show or change how pools pick
    #[command(alias = "algo")]
    Algorithm(AlgorithmArgs),
    /// Add backends to a pool, or remove them
    #[command(alias = "node")]
    Backend(BackendArgs),
    /// Inject faults, run experiments, see what they do, end them, or let nobody inject any
    Chaos(ChaosArgs),
    /// Hold a game day: experiments, notes and load on one time line, and one report
    Gameday(GamedayArgs),
    /// Make the daemon read its configuration again
    Reload(ReloadArgs),
    /// Hand everything over to a new process, without a client noticing
    Upgrade(UpgradeArgs),
    /// Print metrics in the Prometheus text format
    Metrics(MetricsArgs),
    /// Show the versions of ayactl and of the daemon
    Version(VersionArgs),
    /// Print the completion script of a shell
    Completion(CompletionArgs),
    /// Print or write the manual pages
    Man(ManArgs),
    /// Play a scenario in virtual time and compare algorithms on it
    #[command(alias = "sim")]
    Simulate(SimulateArgs),
    /// Send requests at planned moments, and tell what came of them
    #[command(alias = "load")]
    Loadtest(Box<LoadtestCommand>),
    /// Start a daemon with practice backends and traffic, and show it
    Demo(DemoArgs),
    /// Play one backend of the demo
    #[command(hide = true)]
    PracticeBackend(PracticeBackendArgs),
    /// Run a program for an experiment
    #[command(hide = true)]
    KeepProgram(KeepProgramArgs),
}

/// Builds the command tree, with the exit codes at the end of the main help.
pub fn command() -> clap::Command {
    Cli::command().after_help(main_help())
}

fn main_help() -> String {
    let mut text = String::from(
        "Examples:\n  \
           ayactl demo                        see it alive, with practice backends\n  \
           ayactl status                      one screen: what is wrong, what is out\n  \
           ayactl drain shop/web-1 --wait     take a backend out without losing a request\n\n\
         Exit codes:\n",
    );
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(text, "  {:<5} {meaning}", *exit as u8);
    }
    text.push_str("  128+n ended by signal n");
    text
}

//! `ayactl chaos`.

mod fault;
mod how;
pub mod units;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

pub use fault::{FaultLine, FaultVerb, Forced, Lie, Spread};
pub use how::{FaultArgs, Match, PerChoice};

use super::ExperimentVerb;
use crate::complete;

/// `ayactl chaos`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
#[command(
    after_help = "TARGET is a pool, a backend as POOL/BACKEND, or \"all\"; --match narrows it. Every fault has an end: a \
                        minute unless --for says otherwise.\n\nExamples:\n  \
                        ayactl chaos latency shop --mean 200ms --jitter 50ms --percent 5\n  \
                        ayactl chaos error shop/web-1 --status 503 --for 30s --stop-if 'err>20% for 2s'\n  \
                        ayactl chaos list\n  \
                        ayactl chaos stop --all"
)]
pub struct ChaosArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ChaosVerb,
}

/// Verbs of `ayactl chaos`.
#[derive(Debug, Subcommand)]
pub enum ChaosVerb {
    /// Inject a fault.
    #[command(flatten)]
    Inject(Box<FaultVerb>),
    /// List faults that are injected
    #[command(after_help = "Examples:\n  ayactl chaos list\n  ayactl chaos list --all -o json")]
    List {
        /// Also those that have ended, as far as they are kept
        #[arg(long)]
        all: bool,
    },
    /// Tell everything about one fault
    #[command(after_help = "Examples:\n  ayactl chaos show f1\n  ayactl chaos show f1 -o yaml")]
    Show {
        /// Its id
        #[arg(value_name = "ID", add = ArgValueCompleter::new(complete::faults))]
        id: String,
    },
    /// End faults at once
    #[command(
        after_help = "Examples:\n  ayactl chaos stop f1\n  ayactl chaos stop --all --reason \"seen enough\""
    )]
    Stop(StopArgs),
    /// End every fault at once, and let nobody inject another
    #[command(
        after_help = "Examples:\n  ayactl chaos panic\n  ayactl chaos panic --reason \"customers call\""
    )]
    Panic {
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let nobody inject a fault; those that are injected go on
    #[command(after_help = "Examples:\n  ayactl chaos lock --reason \"release day\"")]
    Lock {
        /// Why, for those who are refused
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Let people inject faults again
    #[command(
        after_help = "Examples:\n  ayactl chaos unlock\n  ayactl chaos unlock --reason \"release is out\""
    )]
    Unlock {
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List what happened to faults and runs, and what people noted
    #[command(after_help = "Examples:\n  ayactl chaos log\n  ayactl chaos log -o jsonl")]
    Log,
    /// Run experiments, and pause, kill or restart practice backends.
    #[command(flatten)]
    Experiment(ExperimentVerb),
}

/// Which faults to end.
#[derive(Args, Debug)]
pub struct StopArgs {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all", add = ArgValueCompleter::new(complete::faults))]
    pub ids: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

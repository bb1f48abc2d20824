//! What a fault does: one variant a kind, with its parameters in units.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use super::how::FaultArgs;
use super::units::{parse_percent, parse_rate, parse_size};
use crate::time::{parse_some, parse_span};

/// A fault on a line of its own, as experiments write it.
#[derive(Debug, Parser)]
#[command(name = "fault", no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub struct FaultLine {
    /// The fault.
    #[command(subcommand)]
    pub fault: FaultVerb,
}

/// How a random latency is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// Anywhere between mean - jitter and mean + jitter
    Uniform,
    /// A bell: jitter is its standard deviation
    Normal,
    /// A long tail beyond mean - jitter
    Exponential,
    /// A very long tail
    Pareto,
}

/// What a lying health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// Checks pass
    Up,
    /// Checks fail
    Down,
}

/// What a breaker is forced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forced {
    /// Nothing passes
    Open,
    /// Everything passes
    Closed,
    /// It stays as it is
    Held,
}

/// Faults.
#[derive(Clone, Debug, Subcommand)]
pub enum FaultVerb {
    /// Attempts at backends begin later
    #[command(
        after_help = "Examples:\n  ayactl chaos latency shop --mean 200ms --jitter 50ms --percent 5\n  \
                            ayactl chaos latency shop/web-1 --mean 1s --distribution pareto --jitter 200ms --for 30s"
    )]
    Latency {
        /// How much later, on average
        #[arg(long, value_name = "DURATION", value_parser = parse_some)]
        mean: Duration,
        /// How much that varies
        #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = parse_span)]
        jitter: Duration,
        /// How it varies
        #[arg(long, value_name = "SHAPE", default_value = "uniform")]
        distribution: Spread,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Answers that no backend gave
    #[command(after_help = "Examples:\n  ayactl chaos error shop --status 503 --percent 10\n  \
                            ayactl chaos error shop --status 429 --header 'retry-after: 5' --match path=/api/*")]
    Error {
        /// Status of the answer, 200 to 599
        #[arg(long, value_name = "STATUS", default_value = "503", value_parser = clap::value_parser!(u16).range(200..600))]
        status: u16,
        /// Its body
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        body: String,
        /// A header of it, as "name: value"; may be repeated
        #[arg(long = "header", value_name = "HEADER")]
        headers: Vec<String>,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Connections to backends are reset
    #[command(after_help = "Examples:\n  ayactl chaos reset shop --percent 1\n  \
                            ayactl chaos reset shop --inside 4KB --percent 1")]
    Reset {
        /// Inside the answer, after so many of its bytes, rather than before it
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        inside: Option<u64>,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// No byte comes and none goes
    #[command(after_help = "Examples:\n  ayactl chaos hang shop/web-1 --percent 10 --for 20s")]
    Hang {
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Backends refuse connections
    #[command(after_help = "Examples:\n  ayactl chaos refuse shop/web-1 --for 30s")]
    Refuse {
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Bytes pass no faster than a limit
    #[command(after_help = "Examples:\n  ayactl chaos bandwidth shop --down 100KB/s --percent 20")]
    Bandwidth {
        /// To backends
        #[arg(long, value_name = "RATE", value_parser = parse_rate, required_unless_present = "down")]
        up: Option<u64>,
        /// From backends
        #[arg(long, value_name = "RATE", value_parser = parse_rate)]
        down: Option<u64>,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// The end of an answer comes later
    #[command(after_help = "Examples:\n  ayactl chaos slow-close shop --delay 2s --percent 10")]
    SlowClose {
        /// How much later
        #[arg(long, value_name = "DURATION", value_parser = parse_some)]
        delay: Duration,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Answers come in small pieces with pauses
    #[command(after_help = "Examples:\n  ayactl chaos slice shop --size 100B --pause 5ms --percent 10")]
    Slice {
        /// Bytes of a piece
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        size: u64,
        /// How much that varies
        #[arg(long, value_name = "SIZE", default_value = "0", value_parser = parse_size)]
        spread: u64,
        /// Pause before each
        #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = parse_span)]
        pause: Duration,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Answers end early
    #[command(after_help = "Examples:\n  ayactl chaos truncate shop --after 200B --percent 1")]
    Truncate {
        /// After so many bytes, head included
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        after: u64,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Bytes of answers are changed
    #[command(after_help = "Examples:\n  ayactl chaos corrupt shop --one-in 1000 --percent 1")]
    Corrupt {
        /// One byte of so many is changed, on average
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
        one_in: u64,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// The first attempts are refused, then all is well
    #[command(after_help = "Examples:\n  ayactl chaos drop-first shop/web-1 --count 2")]
    DropFirst {
        /// How many
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Backends come and go
    #[command(after_help = "Examples:\n  ayactl chaos flap shop/web-1 --period 4s --away 25%")]
    Flap {
        /// Length of a period
        #[arg(long, value_name = "DURATION", value_parser = parse_some)]
        period: Duration,
        /// Part of it in which they are away
        #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = parse_percent)]
        away: f64,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Health checks lie
    #[command(after_help = "Examples:\n  ayactl chaos health-lie shop/web-1 --says down --for 30s")]
    HealthLie {
        /// What they say
        #[arg(long, value_name = "WHAT")]
        says: Lie,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Breakers are forced
    #[command(after_help = "Examples:\n  ayactl chaos breaker shop/web-1 --order open --for 30s")]
    Breaker {
        /// To what
        #[arg(long, value_name = "ORDER")]
        order: Forced,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// Backends cannot be reached at all, not even by checks
    #[command(after_help = "Examples:\n  ayactl chaos partition all --match zone=b --for 30s --yes")]
    Partition {
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
    /// More requests seem to be in flight than are
    #[command(after_help = "Examples:\n  ayactl chaos load shop/web-1 --in-flight 50")]
    Load {
        /// How many more
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        in_flight: u32,
        /// Whom, how much, how long.
        #[command(flatten)]
        how: FaultArgs,
    },
}

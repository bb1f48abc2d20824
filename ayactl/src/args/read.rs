//! Verbs that only read.

use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;
use crate::time::parse_span;

/// Again and again.
#[derive(Args, Clone, Debug)]
pub struct WatchOption {
    /// Show it again every so many seconds: in place on a terminal, one after the other elsewhere
    #[arg(short, long, value_name = "SECS", num_args = 0..=1, default_missing_value = "2",
          require_equals = true, value_parser = parse_seconds)]
    pub watch: Option<Duration>,
}

/// Plain numbers are seconds here, as in `--watch=5`; units work too.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let span = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        Err(_) => parse_span(text)?,
    };
    if span < Duration::from_millis(100) {
        return Err("at least 0.1 seconds".into());
    }
    Ok(span)
}

/// `ayactl status`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl status\n  ayactl status --check || echo \"a pool is down\"\n  \
                        ayactl status -o json | jq '.pools[].eligible'")]
pub struct StatusArgs {
    /// Exit with 6 when a pool has no eligible backend
    #[arg(long)]
    pub check: bool,
    /// Again and again.
    #[command(flatten)]
    pub again: WatchOption,
}

/// Kinds of objects that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Servers, with their three states
    #[value(aliases = ["backend", "be"])]
    Backends,
    /// Groups of servers that serve the same thing
    #[value(alias = "pool")]
    Pools,
    /// Rules that send requests to pools, in the order in which they are tried
    #[value(alias = "route")]
    Routes,
    /// Addresses that accept connections
    #[value(alias = "listener")]
    Listeners,
    /// What happened, oldest first
    #[value(alias = "event")]
    Events,
    /// Ways to pick a backend
    #[value(aliases = ["algorithm", "algo"])]
    Algorithms,
    /// What people changed, newest first
    #[value(aliases = ["operation", "ops", "op"])]
    Operations,
}

/// `ayactl get`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl get backends\n  ayactl get backends 'shop/*' --sort-by -p99 -o wide\n  \
                        ayactl get backends -o json | jq -r '.[] | select(.eligible | not) | .id'"
)]
pub struct GetArgs {
    /// What to list
    pub kind: Kind,
    /// Only these; "*" and "?" stand for any characters (events and operations: their subject)
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::objects))]
    pub names: Vec<String>,
    /// Again and again.
    #[command(flatten)]
    pub again: WatchOption,
}

/// `ayactl describe`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl describe shop\n  ayactl describe shop/web-1\n  ayactl describe web --listener\n  \
                        ayactl describe route shop\n  \
                        ayactl describe shop/web-1 -o json | jq '.history[0]'"
)]
pub struct DescribeArgs {
    /// A pool, a backend as POOL/BACKEND, a listener or a route; or its kind, before the name
    #[arg(value_name = "POOL|POOL/BACKEND|LISTENER|ROUTE", add = ArgValueCompleter::new(complete::described_first))]
    pub name: String,

    /// The name, after "pool", "backend", "listener" or "route"
    #[arg(value_name = "NAME", conflicts_with = "listener", add = ArgValueCompleter::new(complete::described))]
    pub named: Option<String>,

    /// Take the name for that of a listener, also when a pool has it
    #[arg(long)]
    pub listener: bool,
}

/// What can be watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WatchWhat {
    /// What happens to the daemon, its pools and backends
    #[default]
    Events,
}

/// `ayactl watch`.
#[derive(Args, Debug)]
#[command(after_help = "A daemon that goes away is waited for; what it did meanwhile is caught up with.\n\n\
                        Examples:\n  ayactl watch\n  ayactl watch 'shop/*' --since 0\n  \
                        ayactl watch -o jsonl | jq -r 'select(.severity == \"error\") | .cause'")]
pub struct WatchArgs {
    /// Only events about these: a pool, POOL/BACKEND, "ayad"; "*" and "?" stand for any characters
    #[arg(value_name = "SUBJECT", add = ArgValueCompleter::new(complete::pools_and_backends))]
    pub subjects: Vec<String>,
    /// Begin after this event instead of with the next one; 0 shows all that are still kept
    #[arg(long, value_name = "SEQ")]
    pub since: Option<u64>,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// `ayactl metrics`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl metrics\n  ayactl metrics | grep backend\n  \
                        ayactl metrics -o json | jq '.[0]'")]
pub struct MetricsArgs {}

/// `ayactl version`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl version\n  ayactl version --client\n  \
                        ayactl version -o json | jq -r .daemon.version")]
pub struct VersionArgs {
    /// Do not ask the daemon
    #[arg(long)]
    pub client: bool,
}

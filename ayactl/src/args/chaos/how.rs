//! To whom a fault is done, how much of it, for how long, and what ends it.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::units::{parse_condition, parse_percent};
use crate::{complete, time};

/// What every fault takes.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub struct FaultArgs {
    /// A pool, a backend, or "all"
    #[arg(value_name = "POOL|POOL/BACKEND|all", add = ArgValueCompleter::new(complete::fault_targets))]
    pub target: String,
    /// Only what matches: path, method, header, route, zone, label or client, e.g. path=/api/*,method=GET
    #[arg(long = "match", value_name = "KEY=VALUE,…", value_delimiter = ',', help_heading = "Whom")]
    pub matches: Vec<Match>,
    /// Share of what matches that is hit; 0 hits nothing, and counts what matches
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = parse_percent, help_heading = "Whom")]
    pub percent: f64,
    /// What the share is of
    #[arg(long, value_name = "WHAT", default_value = "request", help_heading = "Whom")]
    pub per: PerChoice,
    /// Decides which ones are hit; the same seed hits the same ones
    #[arg(long, value_name = "NUMBER", help_heading = "Whom")]
    pub seed: Option<u64>,
    /// End it after this long
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = time::parse_some, help_heading = "Safety")]
    pub length: Duration,
    /// End it when this holds, e.g. "err>5% for 3s" or "shop: p99>1s"; may be repeated
    #[arg(long, value_name = "CONDITION", value_parser = parse_condition, help_heading = "Safety")]
    pub stop_if: Vec<String>,
    /// Stay, keep it alive, and end it with this command, however that ends
    #[arg(long, conflicts_with = "dry_run", help_heading = "Safety")]
    pub attached: bool,
    /// Largest share of a pool's requests that faults may hit
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, help_heading = "Safety")]
    pub max_traffic: Option<f64>,
    /// Most backends that faults may be for, over all pools
    #[arg(long, value_name = "NUMBER", help_heading = "Safety")]
    pub max_backends: Option<u32>,
    /// Backends of a pool that must stay without a fault
    #[arg(long, value_name = "NUMBER", help_heading = "Safety")]
    pub min_ready: Option<u32>,
    /// Most requests that it may hold at once
    #[arg(long, value_name = "NUMBER", help_heading = "Safety")]
    pub max_held: Option<u32>,
    /// Inject it although the pool is unhealthy already, or too few backends would be left
    #[arg(long, help_heading = "Safety")]
    pub force: bool,
    /// Only say whom it would hit
    #[arg(long, help_heading = "Safety")]
    pub dry_run: bool,
    /// Do not ask before more than half of a pool is hit
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PerChoice {
    /// Attempts at backends: each request decides for itself
    Request,
    /// Client connections: all requests of one that is hit are hit
    Connection,
}

/// One condition of `--match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// One of [`Match::KEYS`].
    pub key: &'static str,
    /// What it must be.
    pub value: String,
}

impl Match {
    /// What can be matched by.
    pub const KEYS: [&'static str; 7] = ["path", "method", "header", "route", "zone", "label", "client"];
}

impl FromStr for Match {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let known = Self::KEYS.into_iter().find(|known| *known == key.trim());
        match known {
            Some(key) if !value.is_empty() => Ok(Self { key, value: value.to_owned() }),
            Some(key) => Err(format!("\"{text}\" says nothing; write {key}=VALUE")),
            None => {
                let all = Self::KEYS.join(", ");
                Err(format!("\"{text}\" matches by nothing known; write KEY=VALUE with one of {all}"))
            }
        }
    }
}

//! The verb that plays scenarios.

use std::path::PathBuf;

use clap::Args;

/// `ayactl simulate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Everything is virtual: no daemon, no sockets, an hour in seconds; the same file gives the same numbers \
                  on every machine.\nAn arm is an algorithm with its parameters (\"hot-cold quantile=0.7\"), on what a \
                  proxy sees by itself,\non what backends report with each answer (\"hot-cold + reports\"), on probes for \
                  each request (\"hot-cold +\nprobes 0.5\"), or \"oracle\", which knows every queue and speed. Exit status 6 \
                  means that an expectation of\nthe file does not hold. BASE in the table is the arm peak-ewma, ± the standard deviation between seeds.\n\nExamples:\n  \
                  ayactl simulate tests/scenarios/s01-noisy-mixed.toml\n  \
                  ayactl simulate s01.toml --load 1.05 --arms \"hot-cold,peak-ewma,oracle\"\n  \
                  ayactl simulate s01.toml --set proxies=20 --set backend.0.slots=8 --html s01.html\n  \
                  ayactl simulate s01.toml -o json | jq '.arms[] | {arm, p99: .p99_ms.mean}'"
)]
pub struct SimulateArgs {
    /// Scenario file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Play this many seeds instead of what the file says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: Option<u32>,
    /// Play these arms instead of what the file says
    #[arg(long, value_name = "ARM,…", value_delimiter = ',')]
    pub arms: Option<Vec<String>>,
    /// Offer this load instead of what the file says, as a part of what the backends could do
    #[arg(long, value_name = "PART")]
    pub load: Option<f64>,
    /// Change one value of the file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub sets: Vec<(String, String)>,
    /// Write a page with plots to this file; it needs nothing else to be read
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a key and a value are needed, as in proxies=20".to_owned()),
    }
}

//! `ayactl loadtest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::time::{parse_some, parse_span};

mod results;

pub use results::{
    AgainstArgs, AgentArgs, CompareArgs, KeepArgs, LoadtestCommand, LoadtestVerb, MergeArgs, RecordingArgs,
};

/// What one load test is to do.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Requests are sent at their planned moments, however long others take (an open loop); --closed sends the \
                  next when the last is answered. Three latencies are told, always: response time from the planned moment, \
                  service time from the actual send, and send lag between the two.\n\nThe verdict comes first. \
                  GENERATOR-BOUND (exit status 10): send lag p99 is over 10 % of response p99 (over 0.2 ms, three requests at least), ports or \
                  descriptors ran out, the generator's own cores were full, it stood still for over 1 % of the time, or no request \
                  counts. TARGET-BOUND: over 1 % of the requests waited \
                  for one of the connections that are allowed, or had no answer in time. Else VALID. Exit status 6: an --slo \
                  does not hold, or a --regress limit is exceeded.\n\nPath, headers and body may have something filled in: \
                  {{seq}}, {{rand 1..100}}, {{zipf 1.1 1000}}, {{uuid}}, {{csv FILE COLUMN}}. The request of a number is the \
                  same for the same --seed, whatever the number of threads.\n\n\
                  Profiles: 5000, 100..5000/30s, \"100..5k/30s,5k/1m,spike 10k/5s\", \"sine 2k±1k/60s/5m\", \
                  \"steps 100..1000/100/10s\".\n\nExamples:\n  \
                  ayactl loadtest                                    100 requests a second to the daemon's listener\n  \
                  ayactl loadtest -r 5k -d 30s /api/items --slo 'p99<50ms' --slo 'err<0.1%'\n  \
                  ayactl loadtest -r 100..5000/30s,5000/1m,spike\\ 10k/5s --abort 'err>5% for 3s'\n  \
                  ayactl loadtest --find-max 'p99<50ms,err<0.1%' /\n  \
                  ayactl loadtest --closed -c 64 -d 10s http://127.0.0.1:8080/\n  \
                  ayactl loadtest -r 500 '/item/{{zipf 1.1 1000}}?n={{seq}}' -H 'x-id: {{uuid}}'\n  \
                  ayactl loadtest -m POST --body '{\"user\": \"{{csv users.csv name}}\"}' /login\n  \
                  ayactl loadtest --urls urls.txt -r 200             lines like \"3 POST /path\" or \"http://host/path\"\n  \
                  ayactl loadtest --har shop.har -r 50 /             what a browser asked for, of one host\n  \
                  ayactl loadtest --replay access.log --speed 2 /    an access log, twice as fast\n  \
                  ayactl loadtest -r 500 -d 1m / --baseline monday --regress 'p99>+10%' --save tuesday"
)]
pub struct LoadtestArgs {
    /// URL, path on the daemon's first HTTP listener, or pool:NAME; / without
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Requests a second: a number, or a profile
    #[arg(short, long, value_name = "RATE|PROFILE", allow_negative_numbers = true, conflicts_with_all = ["closed", "profile"])]
    pub rate: Option<String>,
    /// Take the profile of this file, as in profiles/loadtest
    #[arg(long, value_name = "FILE", conflicts_with = "closed")]
    pub profile: Option<PathBuf>,
    /// How long, where the profile does not say it [default: 10s]
    #[arg(short, long, value_name = "DURATION", value_parser = parse_some)]
    pub duration: Option<Duration>,
    /// End after this many requests
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// Most connections [default: 256, or 50 with --closed]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: Option<u32>,
    /// Send the next request when the last is answered: the target sets the pace
    #[arg(long)]
    pub closed: bool,
    /// How planned moments are spread: const, poisson or burst:N
    #[arg(long, value_name = "KIND", conflicts_with = "closed")]
    pub arrivals: Option<String>,
    /// Speak HTTP/2
    #[arg(long)]
    pub http2: bool,
    /// Most requests at once on one connection of HTTP/2
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub streams: u32,
    /// Method of the requests
    #[arg(short, long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    /// Add a header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Add the headers of this file, one a line; secrets belong here, not on the command line
    #[arg(long, value_name = "FILE")]
    pub header_file: Option<PathBuf>,
    /// Send the user and password of this file (USER:PASSWORD, or a bearer token alone)
    #[arg(long, value_name = "FILE")]
    pub auth_file: Option<PathBuf>,
    /// Body of the requests; @FILE for that of a file, @- for stdin
    #[arg(long, value_name = "TEXT|@FILE")]
    pub body: Option<String>,
    /// Send {{…}} as it stands
    #[arg(long)]
    pub no_templates: bool,
    /// Send the requests of this list: lines of WEIGHT METHOD PATH|URL, the first two may be left out; drawn when weights differ
    #[arg(long, value_name = "FILE", help_heading = "Requests of a file", conflicts_with_all = ["har", "replay"])]
    pub urls: Option<PathBuf>,
    /// Send what a browser recorded (HAR), in order: its requests to the target's host, or else to that of the first one
    #[arg(long, value_name = "FILE", help_heading = "Requests of a file", conflicts_with_all = ["replay", "body", "method"])]
    pub har: Option<PathBuf>,
    /// Send the requests of this access log at their moments: AYA's own, common, combined, haproxy's
    #[arg(long, value_name = "FILE", help_heading = "Requests of a file",
          conflicts_with_all = ["rate", "profile", "closed", "arrivals", "find_max", "method"])]
    pub replay: Option<PathBuf>,
    /// Replay so many times as fast [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = speed, requires = "replay", help_heading = "Requests of a file")]
    pub speed: Option<f64>,
    /// Replay so many times, or without a number until -d or -n ends it
    #[arg(long = "loop", value_name = "N", num_args = 0..=1, value_parser = rounds, requires = "replay",
          help_heading = "Requests of a file")]
    pub rounds: Option<Option<u64>>,
    /// Believe these authorities (PEM)
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub cacert: Option<PathBuf>,
    /// Show this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub key: Option<PathBuf>,
    /// Believe any certificate; on loopback alone
    #[arg(long, help_heading = "TLS")]
    pub insecure: bool,
    /// Send for this long before anything counts
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_span)]
    pub warmup: Duration,
    /// A request without a whole answer after this long has failed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_some)]
    pub request_timeout: Duration,
    /// Send requests up to this late, several in one wake of the processor; more is send lag, and costs less
    #[arg(long, value_name = "DURATION", default_value = "100us", value_parser = parse_slack, conflicts_with = "closed")]
    pub slack: Duration,
    /// Threads of the generator [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Decides everything that is left to chance
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// What must hold in the end, such as p99<50ms or err<0.1%; may be repeated
    #[arg(long, value_name = "CONDITION", help_heading = "Gates")]
    pub slo: Vec<String>,
    /// End the test when this holds, such as 'err>5% for 3s'; may be repeated
    #[arg(long, value_name = "CONDITION", help_heading = "Gates")]
    pub abort: Vec<String>,
    /// Look for the greatest rate at which all of these hold, separated by commas
    #[arg(long, value_name = "CONDITIONS", conflicts_with_all = ["closed", "profile", "slo"], help_heading = "Gates")]
    pub find_max: Option<String>,
    /// Send requests to this host although it is not this machine; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_target: Vec<String>,
    /// Write a report: html, md, json, junit or hgrm, to this file; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", help_heading = "Reports")]
    pub report: Vec<String>,
    /// Send the same requests straight to this address as well, and tell what the proxy adds
    #[arg(long, value_name = "ADDRESS", conflicts_with = "find_max")]
    pub overhead: Option<String>,
    /// Show no live view, only a line of progress every 5 s
    #[arg(long)]
    pub no_live: bool,
}

/// How much faster than its log a replay is.
fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>();
    number.ok().filter(|speed| (0.001..=1000.0).contains(speed)).ok_or_else(|| {
        "it is a number from 0.001 to 1000: 2 is twice as fast as the log, 0.5 half as fast".to_owned()
    })
}

/// How often a log is replayed.
fn rounds(text: &str) -> Result<u64, String> {
    let rounds = text.parse().ok().filter(|rounds| (1..=1_000_000).contains(rounds));
    rounds.ok_or_else(|| {
        "it is a number from 1 to 1000000; put TARGET before --loop, or another option between".to_owned()
    })
}

/// Reads how late a request may be: microseconds (`250us`) or a span, 10 ms at most.
fn parse_slack(text: &str) -> Result<Duration, String> {
    let slack = match text.strip_suffix("us").map(str::parse) {
        Some(Ok(us)) => Duration::from_micros(us),
        Some(Err(_)) => return Err(format!("\"{text}\" is not a duration; write it like 100us or 1ms")),
        None => parse_span(text)?,
    };
    if slack > Duration::from_millis(10) {
        return Err("10ms is the most: what is later than that is no test of the target".into());
    }
    Ok(slack)
}

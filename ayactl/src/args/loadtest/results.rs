//! What is done with the results of load tests: kept, listed, told again, compared, merged.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use super::LoadtestArgs;
use crate::complete;

/// `ayactl loadtest`: a test, or a verb about results.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LoadtestCommand {
    /// The test.
    #[command(flatten)]
    pub test: LoadtestArgs,
    /// Whether it is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// What it is compared with.
    #[command(flatten)]
    pub against: AgainstArgs,
    /// Another verb.
    #[command(subcommand)]
    pub verb: Option<LoadtestVerb>,
}

/// Options of what keeps a recording.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Results")]
pub struct KeepArgs {
    /// Keep the recording under this name, for `report` and `compare`
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// Let it take the place of the one that has this name
    #[arg(long, requires = "save")]
    pub replace: bool,
}

/// Options of what compares a recording with one before.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Results")]
pub struct AgainstArgs {
    /// Compare with this recording, as `compare` does
    #[arg(long, value_name = "NAME|FILE", add = ArgValueCompleter::new(complete::recordings))]
    pub baseline: Option<String>,
    /// Fail (exit status 6) when it is shown to be so much worse, such as 'p99>+10%'; may be repeated
    #[arg(long, value_name = "LIMIT", requires = "baseline")]
    pub regress: Vec<String>,
    /// Compare although the loads differ or a generator was full
    #[arg(long, requires = "baseline")]
    pub anyway: bool,
}

/// Verbs about results.
#[derive(Debug, Subcommand)]
pub enum LoadtestVerb {
    /// List the recordings that are kept
    #[command(after_help = "Examples:\n  ayactl loadtest list\n  ayactl loadtest list --sort-by p99 -o wide")]
    List,
    /// Tell a recording again, in any format
    Report(RecordingArgs),
    /// Compare two recordings, with statistics
    Compare(CompareArgs),
    /// Make one report of those of several generators that ran at the same time
    Merge(MergeArgs),
    /// Play one part of a plan, from a moment on that several machines agreed on
    Agent(Box<AgentArgs>),
}

/// `ayactl loadtest report`.
#[derive(Args, Debug)]
#[command(
    after_help = "NAME is one of `ayactl loadtest list`, or \"last\" for the newest. A file is one that --report json=FILE wrote; its \
                  name has a \"/\" or ends in .json.\n\nExamples:\n  ayactl loadtest report monday\n  \
                  ayactl loadtest report last --report html=load.html --report md=load.md\n  \
                  ayactl loadtest report tuesday --baseline monday --report junit=load.xml"
)]
pub struct RecordingArgs {
    /// Which recording
    #[arg(value_name = "NAME|FILE", add = ArgValueCompleter::new(complete::recordings))]
    pub recording: String,
    /// Write a report: html, md, json, junit, hgrm, csv, jsonl or text, to this file; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub report: Vec<String>,
    /// What it is compared with.
    #[command(flatten)]
    pub against: AgainstArgs,
}

/// `ayactl loadtest compare`.
#[derive(Args, Debug)]
#[command(
    after_help = "Of each figure: both values, the difference, and the interval in which it lies with 95 % confidence. The interval is \
                  made by drawing blocks of neighbouring seconds anew, 2,000 times with a fixed seed. \"better\" and \"worse\" mean that all \
                  of it is on one side of nothing; \"no difference seen\" that it is not, which is no proof that there is none; \"too few \
                  seconds to tell\" that a run has fewer than 10 of them; \"too few requests to tell\" that fewer than 10 are beyond the \
                  percentile (p99.9 needs 10,000). A test of ranks (Mann-Whitney) over the seconds' p99 stands below it.\n\n\
                  Exit status 10: the loads differ (rate, loop, connections of a closed loop), or a generator was full; --anyway \
                  compares all the same. Exit status 6: a --regress limit is exceeded by the whole interval, or cannot be \
                  judged.\n\nLimits: p50, p90, p99 and p99.9 by a part or a time (p99>+10%, p99>+5ms), err by points (err>+0.1%), rate by a \
                  part (rate<-5%).\n\nExamples:\n  ayactl loadtest compare monday tuesday\n  \
                  ayactl loadtest compare before.json after.json --regress 'p99>+10%' --regress 'err>+0.1%'\n  \
                  ayactl loadtest compare monday last --md > comparison.md"
)]
pub struct CompareArgs {
    /// The recording before
    #[arg(value_name = "BEFORE", add = ArgValueCompleter::new(complete::recordings))]
    pub before: String,
    /// The recording after
    #[arg(value_name = "AFTER", add = ArgValueCompleter::new(complete::recordings))]
    pub after: String,
    /// Fail (exit status 6) when it is shown to be so much worse, such as 'p99>+10%'; may be repeated
    #[arg(long, value_name = "LIMIT")]
    pub regress: Vec<String>,
    /// Compare although the loads differ or a generator was full
    #[arg(long)]
    pub anyway: bool,
    /// Print Markdown, for a pull request
    #[arg(long)]
    pub md: bool,
}

/// `ayactl loadtest merge`.
#[derive(Args, Debug)]
#[command(
    after_help = "Refused are recordings that did not run at the same time, that are the same, that are parts of different plans, or \
                  of different loops. A part that is missing is told. The worst verdict of them counts, and objectives are judged \
                  anew.\n\nExamples:\n  ayactl loadtest merge a.json b.json c.json --save whole\n  \
                  ayactl loadtest merge a.json b.json --out whole.json --report html=load.html"
)]
pub struct MergeArgs {
    /// Two recordings or more
    #[arg(value_name = "NAME|FILE", required = true, num_args = 2.., add = ArgValueCompleter::new(complete::recordings))]
    pub recordings: Vec<String>,
    /// Write the recording of all to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write a report: html, md, json, junit, hgrm, csv, jsonl or text, to this file; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub report: Vec<String>,
    /// Whether it is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
}

/// `ayactl loadtest agent`.
#[derive(Args, Debug)]
#[command(
    after_help = "Type the same command on each machine, but for --part: rate, requests and connections are those of the whole plan, and \
                  each part sends every N-th request of the same seeded schedule. All begin at the same moment by their own clocks, which \
                  have to agree (NTP); nothing is exchanged between them. Then bring the files together: ayactl loadtest merge. --slo and \
                  --abort are judged by each part of its own requests.\n\n\
                  Examples:\n  ayactl loadtest agent --at 12:00:00 --part 1/2 --out a.json -r 20k -d 1m http://10.0.0.7/ --allow-target 10.0.0.7\n  \
                  ayactl loadtest agent --at 12:00:00 --part 2/2 --out b.json -r 20k -d 1m http://10.0.0.7/ --allow-target 10.0.0.7"
)]
pub struct AgentArgs {
    /// When to begin, in UTC: 12:05:00, 2026-11-29T12:05:00Z, or +30s from now
    #[arg(long, value_name = "TIME")]
    pub at: String,
    /// Which part of the plan, of how many
    #[arg(long, value_name = "K/N")]
    pub part: String,
    /// Write the recording to this file
    #[arg(long, value_name = "FILE", required_unless_present = "save")]
    pub out: Option<PathBuf>,
    /// The whole plan.
    #[command(flatten)]
    pub test: LoadtestArgs,
    /// Whether it is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
}

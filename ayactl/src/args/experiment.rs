//! `ayactl chaos run`, `validate`, `init`, `history`, `report`, `pause`, `kill`, `restart`, and `ayactl gameday`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;
use crate::time::parse_some;

/// Verbs about experiments and practice backends.
#[derive(Debug, Subcommand)]
pub enum ExperimentVerb {
    /// Run an experiment: what must hold, what is broken on purpose, what has to come about
    Run(RunArgs),
    /// Check files of experiments and game days, and tell everything that is wrong with them
    Validate(ValidateArgs),
    /// Print an experiment to begin with
    Init(InitArgs),
    /// List the runs that were made
    History(HistoryArgs),
    /// Tell what came of a run
    Report(ReportArgs),
    /// Stop the process of a practice backend (SIGSTOP), and let it go on later
    #[command(
        after_help = "It is listed among the faults, and goes on when that ends: `ayactl chaos stop ID`.\n\nExamples:\n  \
                      ayactl chaos pause shop/web-1 --for 10s\n  ayactl chaos pause shop/web-1 --attached --reason drill"
    )]
    Pause(PracticeArgs),
    /// Kill the process of a practice backend (SIGKILL), and start it again later
    #[command(
        after_help = "It is listed among the faults, and started again when that ends: `ayactl chaos stop ID`.\n\nExamples:\n  \
                      ayactl chaos kill shop/web-1 --for 10s"
    )]
    Kill(PracticeArgs),
    /// Kill the process of a practice backend and start it again at once
    #[command(after_help = "Examples:\n  ayactl chaos restart shop/web-1")]
    Restart(RestartArgs),
}

/// `ayactl chaos run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Everything that is done is put back at the end, whatever ends it: faults stop, drained backends are \
                  ready again. Exit status 6 means that the hypothesis did not hold, before, during or after; 4 that \
                  somebody else runs an experiment on the same pool; 5 that it took longer than --deadline; 10 that it held, but \
                  under less load than was asked for (the generator was full).\n\n\
                  Examples:\n  ayactl chaos run backend-dies\n  ayactl chaos run backend-dies --var victim=shop/web-2 --dry-run\n  \
                  ayactl chaos run mine.toml --load '-r 100..500/30s,500/1m pool:shop' -o json | jq .verdict"
)]
pub struct RunArgs {
    /// A file, or one of those that ship (`ayactl chaos init --list`)
    #[arg(value_name = "FILE|NAME", add = ArgValueCompleter::new(complete::experiments))]
    pub experiment: String,
    /// Give one of its variables another text; may be repeated
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Only say what would be done, and whom it would hit
    #[arg(long)]
    pub dry_run: bool,
    /// A load that runs all the time, as after `ayactl loadtest`
    #[arg(long, value_name = "PROFILE", allow_hyphen_values = true)]
    pub load: Option<String>,
    /// End at the first deviation
    #[arg(long)]
    pub fail_fast: bool,
    /// End it after this long, with exit status 5
    #[arg(long, value_name = "DURATION", value_parser = parse_some)]
    pub deadline: Option<Duration>,
    /// Do not ask at a terminal
    #[arg(short, long)]
    pub yes: bool,
}

/// `ayactl chaos validate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl chaos validate profiles/chaos/*.toml\n  ayactl chaos validate mine.toml -o json\n  \
                  ayactl chaos validate --schema > experiment.schema.json"
)]
pub struct ValidateArgs {
    /// Files of experiments or game days
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub files: Vec<PathBuf>,
    /// Give one of their variables another text; may be repeated
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Print the JSON Schema of the file of an experiment instead
    #[arg(long)]
    pub schema: bool,
}

/// `ayactl chaos init`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl chaos init > mine.toml\n  ayactl chaos init --from zone-lost > mine.toml\n  \
                  ayactl chaos init --list"
)]
pub struct InitArgs {
    /// Begin with one that ships
    #[arg(long, value_name = "NAME", conflicts_with = "list", add = ArgValueCompleter::new(complete::experiments))]
    pub from: Option<String>,
    /// List those that ship instead
    #[arg(long)]
    pub list: bool,
}

/// `ayactl chaos history`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ayactl chaos history\n  ayactl chaos history backend-dies -o json")]
pub struct HistoryArgs {
    /// Only runs of this experiment
    #[arg(value_name = "NAME")]
    pub experiment: Option<String>,
}

/// `ayactl chaos report`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ayactl chaos report last\n  ayactl chaos report backend-dies --format html > run.html\n  \
                  ayactl chaos report backend-dies-20261129T061200 --format json"
)]
pub struct ReportArgs {
    /// Id of a run, the name of an experiment for its last run, or "last"
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    pub format: ReportFormat,
}

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Markdown
    Md,
    /// One page that needs nothing else to be read
    Html,
    /// JSON
    Json,
}

/// `ayactl chaos pause` and `kill`.
#[derive(Args, Debug)]
pub struct PracticeArgs {
    /// A backend that `ayactl demo` plays
    #[arg(value_name = "POOL/BACKEND", add = ArgValueCompleter::new(complete::backends))]
    pub backend: String,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = parse_some)]
    pub length: Duration,
    /// Until this command ends, however it ends
    #[arg(long)]
    pub attached: bool,
    /// Although the pool is unhealthy already
    #[arg(long)]
    pub force: bool,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `ayactl chaos restart`.
#[derive(Args, Debug)]
pub struct RestartArgs {
    /// A backend that `ayactl demo` plays
    #[arg(value_name = "POOL/BACKEND", add = ArgValueCompleter::new(complete::backends))]
    pub backend: String,
    /// Although the pool is unhealthy already
    #[arg(long)]
    pub force: bool,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `ayactl gameday`.
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  ayactl gameday run first --report gameday.html\n  \
                  ayactl gameday note \"the pager stayed silent\"\n  ayactl gameday report last"
)]
pub struct GamedayArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: GamedayVerb,
}

/// Verbs of `ayactl gameday`.
#[derive(Debug, Subcommand)]
pub enum GamedayVerb {
    /// Run a game day: experiments, notes and load on one time line, and one report
    Run(GamedayRunArgs),
    /// Note what you see or do; it stands in the report of the game day that runs
    #[command(after_help = "Examples:\n  ayactl gameday note \"the pager stayed silent\"")]
    Note {
        /// What to note
        #[arg(value_name = "TEXT", required = true)]
        words: Vec<String>,
    },
    /// Tell what came of a game day
    #[command(
        after_help = "Examples:\n  ayactl gameday report last\n  ayactl gameday report first --format html > day.html"
    )]
    Report(ReportArgs),
}

/// `ayactl gameday run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status 6 means that a hypothesis did not hold.\n\nExamples:\n  ayactl gameday run first --report day.html\n  \
                  ayactl gameday run mine.toml --report day.html --report day.md --yes"
)]
pub struct GamedayRunArgs {
    /// A file, or "first", which ships
    #[arg(value_name = "FILE|NAME")]
    pub file: String,
    /// Give one of its variables another text; may be repeated
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Write the report to this file, by its ending .html, .md or .json; may be repeated
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// End each experiment at its first deviation
    #[arg(long)]
    pub fail_fast: bool,
    /// Do not ask at a terminal
    #[arg(short, long)]
    pub yes: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a name and a text are needed, as in victim=shop/web-2".to_owned()),
    }
}

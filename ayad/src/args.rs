//! The command line of the daemon, and the environment around it.
//!
//! clap's types, in `grammar`, say what may be typed, [`Intent`] says what it means; the caller matches on intents
//! and never looks at flags. This is the one file of the daemon that reads the environment: values travel from
//! here as [`Env`], so that everything behind it can be tested without one.

mod grammar;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

pub use grammar::{Args, CompletionShell, Format, LogLevel};
use grammar::{Command, RunArgs};

use crate::config::{Env, Overrides};
use crate::handover::{Program, TAKE_OVER};

/// What `ayad` says when it is started without anything to do; goes with exit code 2.
pub const NOTHING_TO_DO: &str = "\
error: nothing to do: name a configuration file, or addresses

  with a file      ayad --config ayad.toml
  without a file   ayad --listen 127.0.0.1:8080 --backend 127.0.0.1:9001 --backend 127.0.0.1:9002

The smallest useful file:

  aya = 1
  listen = \"127.0.0.1:8080\"
  backends = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"]

For more, try 'ayad --help'.
";

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Flags.
    Flags {
        /// `--listen`, at least one.
        listen: Vec<String>,
        /// `--backend`, at least one.
        backends: Vec<String>,
    },
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Balance load.
    Run {
        /// With which configuration.
        origin: Origin,
        /// What to log.
        log_level: LogLevel,
        /// Whether to stop when standard input ends.
        stop_on_eof: bool,
    },
    /// Check a file.
    Check {
        /// The file.
        file: PathBuf,
        /// For whom to print.
        format: Format,
    },
    /// Have the running daemon hand over.
    Upgrade {
        /// Its socket, if not the default one.
        socket: Option<PathBuf>,
        /// The binary, if not the one it was started from.
        binary: Option<String>,
        /// Only try.
        dry_run: bool,
    },
    /// Print the schema.
    Schema,
    /// Print completions.
    Completion(CompletionShell),
    /// Nothing was asked for: print [`NOTHING_TO_DO`] and exit with 2.
    Nothing,
}

impl Args {
    /// The command line of this process, and whether it is to take over from another one. That flag is between
    /// the two processes: it is in no help and in no completion.
    pub fn of_process() -> (Self, bool) {
        let all = || std::env::args_os().enumerate();
        let is_take_over = |(at, arg): &(usize, OsString)| *at > 0 && arg == TAKE_OVER;
        let for_people = all().filter(|arg| !is_take_over(arg)).map(|(_, arg)| arg);
        (Self::parse_from(for_people), all().any(|arg| is_take_over(&arg)))
    }

    /// Says what was meant, and what flags override.
    pub fn into_intent(self) -> (Intent, Overrides) {
        let RunArgs { config, listen, backend, control, state_dir, workers, log_level, stop_on_eof } =
            self.run;
        let overrides = Overrides { control, state_dir, workers: workers.map(|number| number as usize) };
        let intent = match (self.command, config) {
            (Some(Command::Check { file, format }), _) => Intent::Check { file, format },
            (Some(Command::Upgrade { socket, binary, dry_run }), _) => {
                Intent::Upgrade { socket, binary, dry_run }
            }
            (Some(Command::Schema), _) => Intent::Schema,
            (Some(Command::Completion { shell }), _) => Intent::Completion(shell),
            (None, Some(file)) => Intent::Run { origin: Origin::File(file), log_level, stop_on_eof },
            (None, None) if listen.is_empty() => Intent::Nothing,
            (None, None) => {
                let origin = Origin::Flags { listen, backends: backend };
                Intent::Run { origin, log_level, stop_on_eof }
            }
        };
        (intent, overrides)
    }
}

/// The completions for a shell, as text.
pub fn completions(shell: CompletionShell) -> Vec<u8> {
    let shell = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "ayad", &mut text);
    text
}

impl Program {
    /// How this process was started. To be asked at the start: what the system says about a binary that was
    /// replaced since is no path.
    pub fn of_process() -> Self {
        let args = std::env::args_os().skip(1).filter(|arg| arg != TAKE_OVER);
        // Without /proc its name has to do.
        let named = || std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
        Self {
            path: std::env::current_exe().unwrap_or_else(|_| named()),
            args: args.collect(),
            lifeline: None,
        }
    }
}

impl Env {
    /// Gathers the surroundings of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place where the daemon reads its environment")]
    pub fn from_process(overrides: Overrides) -> Self {
        // The XDG specification: empty is as good as unset, and relative paths are to be ignored.
        let folder =
            |name: &str| std::env::var(name).ok().map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            xdg_runtime_dir: folder("XDG_RUNTIME_DIR"),
            xdg_state_home: folder("XDG_STATE_HOME"),
            home: folder("HOME"),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            is_root: rustix::process::geteuid().is_root(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            overrides,
        }
    }
}

/// How to write to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours and line-drawing characters are welcome.
    pub color: bool,
    /// Columns to fill.
    pub width: usize,
}

impl Style {
    const WIDTH: usize = 100;

    /// Looks at standard error, `NO_COLOR` and `COLUMNS`.
    #[expect(clippy::disallowed_methods, reason = "the one place where the daemon reads its environment")]
    pub fn of_stderr() -> Self {
        let no_color = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|value| value.parse().ok());
        Self { color: io::stderr().is_terminal() && !no_color, width: columns.unwrap_or(Self::WIDTH) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(line: &str) -> Result<(Intent, Overrides), clap::error::ErrorKind> {
        let args = Args::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())?;
        Ok(args.into_intent())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_file_and_flags_beside_it_are_understood() {
        let (intent, overrides) =
            intent("ayad --config a.toml --workers 2 --log-level debug --stop-on-eof").unwrap();

        let origin = Origin::File("a.toml".into());
        assert_eq!(intent, Intent::Run { origin, log_level: LogLevel::Debug, stop_on_eof: true });
        assert_eq!(overrides, Overrides { workers: Some(2), ..Overrides::default() });
    }

    #[test]
    fn addresses_do_instead_of_a_file() {
        let (intent, _) = intent("ayad --listen 127.0.0.1:0 --backend a:1 --backend b:2").unwrap();

        let origin =
            Origin::Flags { listen: vec!["127.0.0.1:0".into()], backends: vec!["a:1".into(), "b:2".into()] };
        assert_eq!(intent, Intent::Run { origin, log_level: LogLevel::Info, stop_on_eof: false });
    }

    #[test]
    fn half_a_command_line_is_refused() {
        for line in [
            "ayad --listen 127.0.0.1:0",
            "ayad --backend a:1",
            "ayad --config a.toml --listen 127.0.0.1:0 --backend a:1",
            "ayad --config a.toml --workers 0",
            "ayad check",
            "ayad a.toml",
        ] {
            assert!(intent(line).is_err(), "{line}");
        }
    }

    #[test]
    fn no_arguments_mean_nothing_to_do() {
        assert_eq!(intent("ayad").unwrap().0, Intent::Nothing);
        assert!(NOTHING_TO_DO.contains("ayad --config"));
    }

    #[test]
    fn questions_about_files_are_told_apart() {
        let file = PathBuf::from("a.toml");
        let check = Intent::Check { file, format: Format::Json };
        assert_eq!(intent("ayad check a.toml --format json").unwrap().0, check);
        let upgrade = Intent::Upgrade { socket: Some("s".into()), binary: None, dry_run: true };
        assert_eq!(intent("ayad upgrade --socket s --dry-run").unwrap().0, upgrade);
        assert_eq!(intent("ayad schema").unwrap().0, Intent::Schema);
        let bash = Intent::Completion(CompletionShell::Bash);
        assert_eq!(intent("ayad completion bash").unwrap().0, bash);
    }
}

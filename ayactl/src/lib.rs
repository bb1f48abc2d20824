//! The command line of AYA.
//!
//! [`run`] is the whole program: arguments and a [`Console`] in, an exit status out, so that tests call it in
//! process. It knows the daemon only through the control API; it holds no decision about traffic.
//!
//! Manners that hold for every verb: data goes to stdout and talk to stderr; nothing is asked off a terminal;
//! a list is a list even when it is empty; every change says how to undo it; the exit status says what
//! happened (see [`aya_api::exit`]); with JSON output an error is one JSON object, alone on stderr.
//!
//! Reading order: [`args`] (what can be typed), [`cmd`] (what each verb does), [`render`] (how it looks),
//! [`failure`] (how it fails), [`console`] (where it runs). [`demo`] is the only verb that starts processes.

pub mod args;
pub mod cmd;
pub mod complete;
pub mod console;
pub mod demo;
pub mod descriptors;
pub mod experiment;
pub mod failure;
pub mod gameday;
pub mod loadtest;
pub mod man;
pub mod render;
pub mod report;
pub mod select;
pub mod session;
pub mod text;
pub mod time;

use std::ffi::OsString;

use aya_api::exit::Exit;
use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::console::Console;
use crate::failure::Failure;

/// Widest help, in columns: longer lines are hard to read.
const HELP_WIDTH: usize = 100;

/// Runs one command line, the first argument being the program's name, and returns its exit status.
pub fn run(args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let width = console.facts.size.map_or(HELP_WIDTH, |(columns, _)| usize::from(columns).min(HELP_WIDTH));
    let parsed = args::command().term_width(width).try_get_matches_from(&args);
    let parsed = parsed.and_then(|found| Cli::from_arg_matches(&found));
    let (json, done) = match parsed {
        Ok(cli) => {
            let json = cli.global.output.is_json();
            (json, descriptors::allow_least().and_then(|()| cmd::dispatch(cli, console)))
        }
        Err(error) => {
            let json = asks_for_json(&args);
            (json, explain(&error, &args, json, console))
        }
    };
    let done = done.and_then(|status| Ok(console.out.flush().map(|()| status)?));
    done.unwrap_or_else(|failure| {
        // What was produced before the failure is data; a closed stdout is the failure itself.
        let _ = console.out.flush();
        failure.report(console, json);
        failure.status
    })
}

/// Shows help and versions on stdout, and what is wrong with a command line on stderr.
fn explain(
    error: &clap::Error,
    args: &[OsString],
    json: bool,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    let text = error.render();
    if !error.use_stderr() {
        let colored = console.facts.color(crate::args::ColorChoice::Auto);
        let text = if colored { text.ansi().to_string() } else { text.to_string() };
        write!(console.out, "{text}")?;
        return Ok(Exit::Done as u8);
    }
    let text = text.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        if json {
            return Err(Failure::usage("the command line is not complete", text.trim_end()));
        }
        console.say(text.trim_end());
        return Ok(Exit::Usage as u8);
    }
    let (message, hint) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
    let hint = hint.trim();
    let message = message.trim_start_matches("error: ").trim_end();
    if error.kind() == ErrorKind::InvalidSubcommand && !hint.starts_with("tip: ") {
        return Err(Failure::usage(message, where_help_is(args)));
    }
    Err(Failure::usage(message, hint.strip_prefix("tip: ").unwrap_or(hint)))
}

/// What the commands named so far can be followed by, and which of them says more.
fn where_help_is(args: &[OsString]) -> String {
    let root = args::command();
    let (mut command, mut path) = (&root, String::from("ayactl"));
    let mut words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    let mut unknown = None;
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            if takes_next(&root, &word) {
                words.next();
            }
        } else if let Some(next) = command.find_subcommand(word.as_ref()) {
            command = next;
            path = format!("{path} {}", next.get_name());
        } else if word != "help" {
            unknown = Some(word);
            break;
        }
    }
    let names: Vec<&str> =
        command.get_subcommands().filter(|c| !c.is_hide_set()).map(clap::Command::get_name).collect();
    if names.is_empty() {
        return format!("`{path} --help` says what it takes");
    }
    if let Some(close) = unknown.and_then(|word| failure::closest(&word, names.iter().copied())) {
        return format!("did you mean \"{close}\"? see `{path} --help`");
    }
    format!("there are {}; see `{path} --help`", names.join(", "))
}

/// Whether the word after this option of every command is its value.
fn takes_next(root: &clap::Command, option: &str) -> bool {
    let is_it = |arg: &&clap::Arg| {
        let long = option.strip_prefix("--").is_some_and(|long| arg.get_long() == Some(long));
        long || arg.get_short().is_some_and(|short| option.strip_prefix('-') == Some(&short.to_string()))
    };
    root.get_arguments().find(is_it).is_some_and(|arg| arg.get_action().takes_values())
}

/// Whether a command line that could not be parsed asked for JSON all the same.
fn asks_for_json(args: &[OsString]) -> bool {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let json = |word: &str| word == "json" || word == "jsonl";
    words.windows(2).any(|pair| matches!(pair[0].as_ref(), "-o" | "--output") && json(&pair[1]))
        || words.iter().any(|word| {
            let value = word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o"));
            value.is_some_and(|value| json(value.trim_start_matches('=')))
        })
}

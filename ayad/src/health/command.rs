//! Runs a program; exit status 0 passes, and otherwise the first line of its output is the cause.
//!
//! Of the daemon's environment it sees nothing but `PATH`. How it is run and ended is in [`crate::command`].

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use aya_core::health::{Cause, Words};

use super::{NoPass, ProbeSpec};
use crate::command::{self, CommandError, Hearing, Slot};
use crate::config::CommandProbe;
use crate::state::Backend;
use crate::stream::Endpoint;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "command", summary: "runs a program, whose exit status is the verdict" };

/// Runs the program and waits for its end, for at most `timeout`. Fails as not made when it cannot be started.
/// Cancel-safe: dropping the future kills it with all it has started, and gives its slot back when it is gone.
pub(super) async fn probe(
    wanted: &CommandProbe,
    backend: &Backend,
    timeout: Duration,
    slot: Option<Slot>,
) -> Result<(), NoPass> {
    let ended = match command::run(told(wanted, backend), Hearing::Words, timeout, slot).await {
        Ok(ended) => ended,
        Err(CommandError::TimedOut(_)) => return Err(NoPass::Failed(Cause::TimedOut)),
        Err(CommandError::Start(error)) => {
            let what = format!("{:?} cannot be run: {error}", wanted.program);
            return Err(NoPass::Unmade(io::Error::new(error.kind(), what)));
        }
        Err(error) => return Err(NoPass::Unmade(io::Error::other(error))),
    };
    judge(ended.status, &ended.output).map_err(NoPass::Failed)
}

fn judge(status: ExitStatus, output: &[u8]) -> Result<(), Cause> {
    let words = Words::of(output);
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Cause::Exit(code as u16, words)),
        (None, signal) => Err(Cause::Signal(signal.unwrap_or_default() as u16, words)),
    }
}

/// The program with what it is told of the backend.
fn told(wanted: &CommandProbe, backend: &Backend) -> Command {
    let (host, port) = match &backend.resolved {
        Endpoint::Tcp(address) => (address.ip().to_string(), address.port().to_string()),
        Endpoint::Unix(path) => (path.display().to_string(), String::new()),
    };
    let values = [&*backend.name, &backend.pool, &backend.address, &host, &port];
    let facts: Vec<_> = CommandProbe::FACTS.into_iter().zip(values).collect();
    let args = wanted.args.iter().map(|arg| filled(arg, &facts));
    let of_backend =
        facts.iter().map(|(name, value)| (format!("AYA_{}", name.to_ascii_uppercase()), (*value).to_owned()));
    let mut command = command::command(&wanted.program, args, wanted.env.iter().cloned().chain(of_backend));
    command.current_dir("/");
    command
}

/// The argument with the facts it names in braces. What is filled in is not looked at again.
fn filled(arg: &str, facts: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = arg;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let inner = rest[1..].split_once('}');
        let found = inner.and_then(|(name, after)| {
            facts.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, after))
        });
        let (text, after) = found.unwrap_or(("{", &rest[1..]));
        filled.push_str(text);
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_filled_in_once() {
        let of = |arg: &str| filled(arg, &[("host", "10.0.0.1"), ("backend", "{host}")]);

        assert_eq!(of("http://{host}:80/{host}"), "http://10.0.0.1:80/10.0.0.1");
        assert_eq!(of("{backend}"), "{host}");
        for same in ["", "{", "}", "{{", "{other}", "{\"a\": {}}"] {
            assert_eq!(of(same), same);
        }
        assert_eq!(of("{{host}}"), "{10.0.0.1}");
    }
}

//! `agent`: one part of a plan, from a moment on that several machines agreed on. Nothing is exchanged between them: the plan
//! and the moment are on the command line, and the recordings are merged afterwards.

use std::path::Path;
use std::time::Duration;

use aya_api::exit::Exit;
use aya_load::plan::Part;
use aya_load::report::{Format as ReportFormat, Output};
use tokio::runtime::Builder;

use super::results::Results;
use super::{outputs, test, writable};
use crate::args::{AgentArgs, Global};
use crate::console::Console;
use crate::demo::signals::Signals;
use crate::failure::Failure;
use crate::loadtest::job::Order;
use crate::time;

/// Most generators of one plan.
const MOST: u32 = 1_000;
/// So long before the moment threads and the daemon get ready, in milliseconds.
const READY_MS: u64 = 400;
/// Furthest moment, in milliseconds: who means tomorrow has a timer for it.
const FURTHEST_MS: u64 = 24 * 3_600_000;
/// How often signals and the clock are looked at while it waits.
const LOOK: Duration = Duration::from_millis(50);

/// The files that are written, and the recording itself.
pub(super) fn with_out(mut files: Vec<Output>, out: Option<&Path>) -> Result<Vec<Output>, Failure> {
    if let Some(file) = out {
        let output = Output { format: ReportFormat::Json, file: file.to_owned() };
        writable(&output)?;
        files.push(output);
    }
    Ok(files)
}

/// When which part is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    part: Part,
    begins_ms: u64,
}

/// Runs the verb.
pub(super) fn run(args: &AgentArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let begins_ms = moment(&args.at, (console.facts.now_ms)())?;
    let turn = Turn { part: part(&args.part)?, begins_ms };
    if args.test.find_max.is_some() {
        let hint = "look for the greatest rate with one generator, or play rates one after the other: -r \"steps …\"";
        return Err(Failure::usage("--find-max decides as it goes, and parts cannot agree on it", hint));
    }
    let results = Results::new(with_out(outputs(&args.test.report)?, args.out.as_deref())?)
        .kept(&args.keep, console)?;
    test(&args.test, &results, Some(turn), global, console)
}

fn moment(typed: &str, now_ms: u64) -> Result<u64, Failure> {
    let wrong = |error: String| {
        let (what, remedy) =
            error.split_once("; ").map_or((error.as_str(), ""), |(what, remedy)| (what, remedy));
        Failure::usage(format!("--at: {what}"), remedy)
    };
    let at_ms = time::parse_moment(typed, now_ms).map_err(wrong)?;
    if at_ms > now_ms + FURTHEST_MS {
        return Err(Failure::usage(
            format!("--at: {} is more than a day ahead", time::stamp(at_ms)),
            "start it later, from a timer of the system",
        ));
    }
    Ok(at_ms)
}

fn part(typed: &str) -> Result<Part, Failure> {
    let read = |text: &str| text.parse::<u32>().ok();
    match typed.split_once('/').and_then(|(number, of)| Some((read(number)?, read(of)?))) {
        Some((number, of)) if (1..=of).contains(&number) && of <= MOST => Ok(Part { number, of }),
        _ => Err(Failure::usage(
            format!("--part: \"{typed}\" is no part"),
            format!("write it like 1/3, up to {MOST} of them: the first of three"),
        )),
    }
}

impl Turn {
    /// Makes the order one of its part.
    pub(super) fn divide(self, order: &mut Order) -> Result<(), Failure> {
        let plan = &mut order.plan;
        let own = self.part.share(plan.connections);
        // The same on each machine, also where a connection would be left.
        if plan.connections < self.part.of {
            let message = format!("{} parts cannot share {} connections", self.part.of, plan.connections);
            return Err(Failure::usage(message, "take more connections (-c)"));
        }
        plan.connections = own;
        plan.threads = plan.threads.min(own);
        plan.part = Some(self.part);
        plan.begins_ms = Some(self.begins_ms);
        Ok(())
    }

    /// Waits until it is nearly time.
    pub(super) fn wait(
        self,
        signals: &Signals,
        quiet: bool,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        let now_ms = console.facts.now_ms;
        if self.begins_ms < now_ms() + READY_MS {
            let message = format!("nothing was sent: {} is over, or too near", time::stamp(self.begins_ms));
            return Err(Failure::new(
                Exit::Deadline,
                "too-late",
                message,
                "agree on a moment that is some seconds ahead, and check that the clocks agree",
            ));
        }
        if !quiet {
            let Part { number, of } = self.part;
            let left = time::span(self.begins_ms - now_ms());
            console
                .say(&format!("part {number} of {of} begins at {}, in {left}", time::stamp(self.begins_ms)));
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        while now_ms() + READY_MS < self.begins_ms {
            if let Some(signal) = signals.take() {
                return Err(Failure::interrupted(
                    signal,
                    "nothing was sent: it was ended while it waited",
                    "",
                ));
            }
            runtime.block_on(async { tokio::time::sleep(LOOK).await });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_from_one() {
        assert_eq!(part("3/3").unwrap(), Part { number: 3, of: 3 });
        for bad in ["0/3", "4/3", "3", "1/0", "1/1001", "a/b", "1/3/4", ""] {
            assert_eq!(part(bad).unwrap_err().status, Exit::Usage as u8, "{bad}");
        }
    }

    #[test]
    fn moments_are_near() {
        let now = 1_795_392_864_000;
        assert_eq!(moment("+30s", now).unwrap(), now + 30_000);
        assert!(moment("2027-11-23T00:00:00Z", now).unwrap_err().message.contains("more than a day ahead"));
        assert!(moment("noon", now).unwrap_err().message.starts_with("--at: "));
    }
}

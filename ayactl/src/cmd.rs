//! What each verb does, one file per verb.
//!
//! Verbs that talk to the daemon share one current-thread runtime; those that bring a screen or threads of
//! their own run outside of it.

pub mod algorithm;
pub mod backend;
pub mod breaker;
pub mod change;
pub mod chaos;
pub mod describe;
pub mod drain;
pub mod experiment;
pub mod explain;
pub mod gameday;
pub mod get;
mod loadtest;
pub mod metrics;
mod practice;
pub mod ready;
pub mod reload;
mod repeat;
mod safety;
mod simulate;
pub mod status;
mod targets;
pub mod top;
pub mod upgrade;
pub mod version;
mod wait;
pub mod watch;
pub mod weight;

use tokio::runtime::Builder;

use crate::args::{ChaosArgs, ChaosVerb, Cli, Global, Verb};
use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;
use crate::{complete, demo, man};

/// Does what was typed and returns the exit status.
pub fn dispatch(cli: Cli, console: &mut Console<'_>) -> Result<u8, Failure> {
    let Cli { global, verb } = cli;
    let global = &global;
    match verb {
        Verb::Status(args) => with_daemon(global, console, async |s| status::run(s, &args).await),
        Verb::Get(args) => with_daemon(global, console, async |s| get::run(s, &args).await),
        Verb::Describe(args) => with_daemon(global, console, async |s| describe::run(s, &args).await),
        Verb::Explain(args) => with_daemon(global, console, async |s| explain::run(s, &args).await),
        Verb::Watch(args) => with_daemon(global, console, async |s| watch::run(s, &args).await),
        Verb::Drain(args) => with_daemon(global, console, async |s| drain::run(s, &args).await),
        Verb::Ready(args) => with_daemon(global, console, async |s| ready::ready(s, &args).await),
        Verb::Maint(args) => with_daemon(global, console, async |s| ready::maint(s, &args).await),
        Verb::Weight(args) => with_daemon(global, console, async |s| weight::run(s, &args).await),
        Verb::Breaker(args) => with_daemon(global, console, async |s| breaker::run(s, &args).await),
        Verb::Algorithm(args) => with_daemon(global, console, async |s| algorithm::run(s, &args).await),
        Verb::Backend(args) => with_daemon(global, console, async |s| backend::run(s, &args).await),
        Verb::Chaos(ChaosArgs { verb: ChaosVerb::Experiment(verb) }) => {
            experiment::run(verb, global, console)
        }
        Verb::Chaos(args) => with_daemon(global, console, async |s| chaos::run(s, &args).await),
        Verb::Gameday(args) => gameday::run(args.verb, global, console),
        Verb::Reload(args) => with_daemon(global, console, async |s| reload::run(s, &args).await),
        Verb::Upgrade(args) => with_daemon(global, console, async |s| upgrade::run(s, &args).await),
        Verb::Metrics(_) => with_daemon(global, console, async |s| metrics::run(s).await),
        Verb::Version(args) => with_daemon(global, console, async |s| version::run(s, &args).await),
        Verb::Top(args) => top::run(&args, global, console),
        Verb::Loadtest(args) => loadtest::run(&args, global, console),
        Verb::Simulate(args) => simulate::run(&args, global, console),
        Verb::Demo(args) => demo::run(&args, global, console),
        Verb::PracticeBackend(args) => demo::practice::play(&args, console),
        Verb::KeepProgram(args) => crate::experiment::keeper::keep(&args, console),
        Verb::Completion(args) => complete::run(&args, global, console),
        Verb::Man(args) => man::run(&args, global, console),
    }
}

fn with_daemon(
    global: &Global,
    console: &mut Console<'_>,
    work: impl AsyncFnOnce(&mut Session<'_, '_>) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut session = Session::new(global, console)?;
    runtime.block_on(work(&mut session))
}

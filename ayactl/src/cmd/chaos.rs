//! `ayactl chaos`: inject faults, see what they do, end them, and keep people from injecting any.

mod attached;
mod body;
pub(super) mod inject;
mod text;

use aya_api::change::ChangeOptions;
use aya_api::command::chaos::{Lock, Panic, Unlock};
use aya_api::command::events::GetEvents;
use aya_api::command::faults::{GetFault, GetFaults, StopAll, StopFault};
use aya_api::exit::Exit;
use aya_api::fault::{ChaosView, FaultView};

pub use self::body::{body_of, parse_fault, words};
pub(super) use self::text::lock_line;
use crate::args::{ChaosArgs, ChaosVerb, StopArgs};
use crate::failure::Failure;
use crate::render::{self};
use crate::session::Session;

/// Kinds of events that tell of chaos.
const HISTORY: [&str; 3] = ["fault", "run", "note"];

/// Said where none is listed.
const NONE: &str = "no fault is injected now; --all lists those that ended, too";

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &ChaosArgs) -> Result<u8, Failure> {
    match &args.verb {
        ChaosVerb::Inject(fault) => inject::run(session, fault).await,
        ChaosVerb::List { all } => {
            let faults = session.client.call(&GetFaults { all: *all }).await?;
            if faults.is_empty() {
                session.note(if *all { "no fault was injected" } else { NONE });
            }
            list(session, faults)
        }
        ChaosVerb::Show { id } => {
            let fault = session.client.call(&GetFault::new(id)).await?;
            show(session, &fault)
        }
        ChaosVerb::Stop(args) => stop(session, args).await,
        ChaosVerb::Panic { reason } => {
            let chaos = session.client.change(&Panic, &because(reason.as_ref())).await?;
            let since_ms = chaos.lock.as_ref().map_or(0, |lock| lock.since_ms);
            let faults = session.client.call(&GetFaults { all: true }).await?;
            for fault in faults.iter().filter(|fault| fault.ended_ms.is_some_and(|at| at >= since_ms)) {
                session.note(&format!("ended {} {} for {}", fault.id, fault.fault, fault.target));
            }
            locked(session, &chaos)
        }
        ChaosVerb::Lock { reason } => {
            let chaos = session.client.change(&Lock, &because(Some(reason))).await?;
            locked(session, &chaos)
        }
        ChaosVerb::Unlock { reason } => {
            let chaos = session.client.change(&Unlock, &because(reason.as_ref())).await?;
            locked(session, &chaos)
        }
        ChaosVerb::Log => {
            let mut events = session.client.call(&GetEvents { since: 0 }).await?;
            events.retain(|event| HISTORY.contains(&event.kind.as_str()));
            let text = render::list(events, &session.view)?;
            session.print(&text)?;
            Ok(Exit::Done as u8)
        }
        ChaosVerb::Experiment(_) => {
            Err(Failure::usage("experiments are not run inside another session", "run it by itself"))
        }
    }
}

async fn stop(session: &mut Session<'_, '_>, args: &StopArgs) -> Result<u8, Failure> {
    let options = because(args.reason.as_ref());
    let ended = if args.all {
        session.client.change(&StopAll, &options).await?
    } else {
        let mut ended = Vec::new();
        for id in &args.ids {
            ended.push(session.client.change(&StopFault::new(id), &options).await?);
        }
        ended
    };
    if ended.is_empty() {
        session.note("no fault was injected");
    }
    list(session, ended)
}

fn list(session: &mut Session<'_, '_>, faults: Vec<FaultView>) -> Result<u8, Failure> {
    session.refresh_clock();
    let text = render::list(faults, &session.view)?;
    session.print(&text)?;
    Ok(Exit::Done as u8)
}

/// Everything about one fault.
fn show(session: &mut Session<'_, '_>, fault: &FaultView) -> Result<u8, Failure> {
    session.refresh_clock();
    let text = text::fault(fault, &session.view)?;
    session.print(&text)?;
    Ok(Exit::Done as u8)
}

/// What stands after locking or unlocking.
fn locked(session: &mut Session<'_, '_>, chaos: &ChaosView) -> Result<u8, Failure> {
    session.refresh_clock();
    let text = text::chaos(chaos, &session.view)?;
    session.print(&text)?;
    if chaos.lock.is_some() {
        session.note("unlock with: ayactl chaos unlock");
    }
    Ok(Exit::Done as u8)
}

fn because(reason: Option<&String>) -> ChangeOptions {
    ChangeOptions { reason: reason.cloned(), ..ChangeOptions::default() }
}

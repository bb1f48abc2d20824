//! `ayactl chaos pause`, `kill` and `restart`: the processes of practice backends.

use aya_api::change::ChangeOptions;
use aya_api::command::faults::{StartFault, StopFault};
use aya_api::command::notes::AddNote;
use aya_api::exit::Exit;
use aya_api::fault::{DEFAULT_LEASE_MS, FaultBody, FaultView};

use super::chaos::inject;
use crate::args::{PracticeArgs, RestartArgs};
use crate::demo::practice::ask;
use crate::experiment::model::Practice;
use crate::experiment::practice::Verb;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Pauses or kills it. The daemon is told first: it may refuse, and says to everybody who does this and until when; when the
/// fault ends there, the backend is back.
pub(super) async fn hold(
    session: &mut Session<'_, '_>,
    verb: Verb,
    args: &PracticeArgs,
) -> Result<u8, Failure> {
    let what = Practice { verb, backend: args.backend.clone(), length: args.length };
    let mut body = what.body();
    body.force = args.force;
    body.lease_ms = args.attached.then_some(DEFAULT_LEASE_MS);
    let options = ChangeOptions { reason: args.reason.clone(), ..ChangeOptions::default() };
    let fault: FaultView = session.client.change(&StartFault::new(body), &options).await?;
    if let Err(failure) = ask(session.client.socket(), &what.request(Some(fault.id.clone()))) {
        session.client.call(&StopFault::new(&fault.id)).await?;
        return Err(failure);
    }
    inject::told(session, fault, args.attached).await
}

/// Kills it and starts it again, unless the daemon would not have it, and notes that among its events.
pub(super) async fn restart(session: &mut Session<'_, '_>, args: &RestartArgs) -> Result<u8, Failure> {
    let length = std::time::Duration::ZERO;
    let what = Practice { verb: Verb::Restart, backend: args.backend.clone(), length };
    let options = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
    let body = FaultBody { force: args.force, ..what.body() };
    session.client.change(&StartFault::new(body), &options).await?;
    let done = ask(session.client.socket(), &what.request(None))?;
    let why = args.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let text = format!("{} is killed and started again{why}", args.backend);
    if let Err(error) = session.client.call(&AddNote::new(&format!("fault: {text}"))).await {
        session.warn(&format!("the daemon could not note it: {error}"));
    }
    match render::document(&done, &session.view)? {
        Some(document) => session.print(&document)?,
        None => session.print(&format!("{text}\n"))?,
    }
    Ok(Exit::Done as u8)
}

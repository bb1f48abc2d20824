//! A fault that lives as long as this command: it is renewed, shown, and ended with it.
//!
//! Nothing here has to run for the fault to end: a command that is killed renews no more, and the daemon ends the fault
//! when its lease is over.

use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::client::ClientError;
use aya_api::command::faults::{GetFault, RenewFault, StopFault};
use aya_api::error::ErrorCode;
use aya_api::exit::Exit;
use aya_api::fault::{DEFAULT_LEASE_MS, FaultState, FaultView};
use signal_hook::consts::SIGINT;

use super::text;
use crate::demo::signals::Signals;
use crate::failure::Failure;
use crate::render::cell::visible;
use crate::session::Session;

/// Time between two looks for signals.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two renewals: three fit into a lease.
const LOOKS_PER_RENEWAL: u32 = 10;
/// Renewals between two lines where nothing can be redrawn.
const RENEWALS_PER_LINE: u32 = 5;
/// Renewals that may fail one after the other: then the lease is over.
const MOST_FAILURES: u64 = DEFAULT_LEASE_MS / 1000;

/// Stays until the fault ends or a signal comes, and prints the receipt.
pub(in crate::cmd) async fn stay(session: &mut Session<'_, '_>, fault: FaultView) -> Result<u8, Failure> {
    let signals = Signals::catch()?;
    session.note(&format!("{} is injected until this command ends (Ctrl-C)", fault.id));
    let id = fault.id.clone();
    let mut failures = 0;
    for renewal in 0_u32.. {
        match renewed(session, &id).await {
            Ok(view) if view.state == FaultState::Ended => return receipt(session, &view),
            Ok(view) => {
                failures = 0;
                show(session, &view, renewal);
            }
            Err(error) if error.exit() == Exit::Unreachable && failures < MOST_FAILURES => failures += 1,
            Err(error) => {
                return Err(Failure::from(error).context(format!("the fault {id} is lost sight of")));
            }
        }
        for _ in 0..LOOKS_PER_RENEWAL {
            tokio::time::sleep(LOOK).await;
            if let Some(signal) = signals.caught() {
                let options = ChangeOptions { reason: Some("detached".into()), ..ChangeOptions::default() };
                let view = session.client.change(&StopFault::new(&id), &options).await?;
                let status = receipt(session, &view)?;
                return if signal == SIGINT { Ok(status) } else { Err(Failure::signal(signal)) };
            }
        }
    }
    Ok(Exit::Done as u8)
}

/// The fault after it was renewed, or as it ended.
async fn renewed(session: &Session<'_, '_>, id: &str) -> Result<FaultView, ClientError> {
    match session.client.call(&RenewFault::new(id)).await {
        Err(ClientError::Refused(error)) if error.code == ErrorCode::Conflict => {
            session.client.call(&GetFault::new(id)).await
        }
        answered => answered,
    }
}

fn show(session: &mut Session<'_, '_>, fault: &FaultView, renewal: u32) {
    session.refresh_clock();
    if session.is_quiet() || !(session.can_redraw() || renewal.is_multiple_of(RENEWALS_PER_LINE)) {
        return;
    }
    let line = visible(text::live(fault, session.view.now_ms));
    if session.can_redraw() {
        // As with all talk, a stderr that is gone is nobody's loss.
        let _ = write!(session.console.err, "\r{line}\u{1b}[K");
        let _ = session.console.err.flush();
    } else {
        session.note(&line);
    }
}

/// What came of it, and whether that is good.
fn receipt(session: &mut Session<'_, '_>, fault: &FaultView) -> Result<u8, Failure> {
    if session.can_redraw() {
        let _ = write!(session.console.err, "\r\u{1b}[K");
    }
    super::show(session, fault)?;
    let ended_by = fault.ended_by.as_deref().unwrap_or_default();
    let stopped = ["condition", "no data"].iter().any(|cause| ended_by.starts_with(cause));
    if stopped {
        let message = format!("the fault {} was ended early: {ended_by}", fault.id);
        return Err(Failure::new(Exit::Gate, "stopped", message, "see `ayactl chaos log`"));
    }
    Ok(Exit::Done as u8)
}

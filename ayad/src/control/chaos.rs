//! `GET /v1/chaos`, `POST /v1/chaos/panic`, `PUT` and `DELETE /v1/chaos/lock`: faults as a whole.
//!
//! The lock is in memory alone, as the faults are: after a restart there is nothing to be locked out of.

use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use aya_api::fault::LockView;

use super::Control;
use super::call::Call;
use super::server::Reply;
use crate::clock;
use crate::state::NewEvent;

/// Longest text of all reasons of a lock together, in bytes.
const LONGEST_REASON: usize = 2_000;

/// Answers with everything about faults.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.chaos_view(), None)
}

/// Ends every fault and locks.
pub(super) fn panic(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    if !call.options.dry_run {
        let reason = call.options.reason.clone().unwrap_or_else(|| "panic".to_owned());
        // First what hurts.
        control.end_all_faults(&format!("panic by {}: {reason}", call.by.name), &call.by.name);
        control.set_lock(reason, &call.by.name);
    }
    handle(control)
}

/// Locks, for a reason.
pub(super) fn lock(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let Some(reason) = call.options.reason.clone() else {
        let message = "faults are not locked without a reason";
        return Err(ApiError::new(ErrorCode::BadRequest, message, "say why, e.g. ?reason=release%20day"));
    };
    if !call.options.dry_run {
        control.set_lock(reason, &call.by.name);
    }
    handle(control)
}

/// Unlocks.
pub(super) fn unlock(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    if !call.options.dry_run
        && let Some(lock) = control.chaos.lock.take()
    {
        let why = call.options.reason.as_deref().unwrap_or("no reason was given");
        let cause =
            format!("people may inject faults again: {why}; it was locked by {}: {}", lock.by, lock.reason);
        let event = NewEvent::new(Severity::Info, "fault", "ayad", cause).change("locked", "unlocked");
        control.state.events.push(event.ordered(Some(call.by.name.clone()), None));
    }
    handle(control)
}

impl Control {
    fn set_lock(&mut self, reason: String, by: &str) {
        let before = if self.chaos.lock.is_some() { "locked" } else { "unlocked" };
        let event =
            NewEvent::new(Severity::Warning, "fault", "ayad", format!("nobody may inject faults: {reason}"));
        self.state.events.push(event.change(before, "locked").ordered(Some(by.to_owned()), None));
        self.chaos.lock = Some(match self.chaos.lock.take() {
            // The first reason still stands: whoever unlocks is to see both.
            Some(lock) => also(lock, &reason, by),
            None => LockView { by: by.to_owned(), reason, since_ms: clock::wall_ms() },
        });
    }
}

/// A lock for which there is one more reason.
fn also(mut lock: LockView, reason: &str, by: &str) -> LockView {
    let more = format!("; {by}: {reason}");
    let is_first = lock.reason == reason || lock.reason.starts_with(&format!("{reason}; "));
    let is_short = lock.reason.len() + more.len() <= LONGEST_REASON;
    if !is_first && is_short && !lock.reason.contains(&more) {
        lock.reason.push_str(&more);
    }
    lock
}
